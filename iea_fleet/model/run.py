"""A run: one execution of a command, who started it, from which files, and what happened on each workstation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from iea_fleet.model.journal import Owner
from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Status

Command = Literal["plan", "apply", "drift", "status", "rollback", "leases"]


@dataclass(frozen=True, slots=True)
class Asked:
    """How an apply was asked for, for the run that continues it.

    ``playbook_file`` and ``plan_file`` are absolute paths; ``files`` maps each file that was read, named as from the
    inventory's folder, to its digest. ``wave_pause`` and ``wait_offline`` are seconds.
    """

    owner: Owner
    workstations: tuple[str, ...]
    files: Mapping[str, str]
    playbook_file: str | None = None
    plan_file: str | None = None
    limit: tuple[str, ...] = ()
    wave_pause: float = 0.0
    wait_offline: float = 0.0
    confirm_waves: bool = False
    test_accounts: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """One execution. ``files`` maps each file that was read to its digest; times are UTC.

    ``ended_at`` is None while it runs, and for ever when it died. ``selected`` counts the workstations it was for.
    ``git_commit`` is that of the repository in which the inventory stands, None when it stands in none.
    ``inventory_file`` is its absolute path on the machine ``host``, for commands that go on from this run.
    ``continues`` is the run that this one carries on, ``asked`` how an apply was asked for.
    """

    id: str
    command: Command
    inventory: str
    playbook: str
    started_at: dt.datetime
    user: str
    host: str
    selected: int
    files: Mapping[str, str] = field(default_factory=dict)
    ended_at: dt.datetime | None = None
    exit_code: int | None = None
    git_commit: str | None = None
    inventory_file: str | None = None
    continues: str | None = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What the history knows of one resource of one workstation: what we last wrote or saw right, and when."""

    values: Mapping[str, Scalar]
    right_at: dt.datetime


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the history kept it. ``summary`` counts its workstations by status, worst first.

    ``offices`` maps each office of the inventory, as it was then, to its title.
    """

    run: Run
    summary: Mapping[Status, int] = field(default_factory=dict)
    offices: Mapping[str, str] = field(default_factory=dict)
