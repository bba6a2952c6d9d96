"""The status matrix: workstations × addresses → cell. The worst cell is the status of its workstation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from iea_fleet.model.layout import Scalar


class Status(StrEnum):
    """The status of a cell, worst first."""

    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    BAD = "bad"
    STALE = "stale"
    DRIFTED = "drifted"
    PENDING = "pending"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    OFFLINE = "offline"
    HELD = "held"
    SKIPPED = "skipped"
    WARN = "warn"
    CHANGED = "changed"
    IN_SYNC = "in_sync"

    @property
    def badness(self) -> int:
        """0 for the worst."""
        return _BADNESS[self]


_BADNESS = {status: place for place, status in enumerate(Status)}
OK = Status.IN_SYNC
"""A good answer of a probe stands in its cell as ``in_sync``: the matrix has one set of words."""


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of several statuses; ``in_sync`` when there are none."""
    return min(statuses, key=lambda status: status.badness, default=Status.IN_SYNC)


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that is not as the files ask.

    ``before`` is None when it is not there. ``note`` names a known leftover in words. ``last_right`` is what we last
    wrote or saw right, and ``last_right_at`` when; both None when we never did. ``secret``: the values are marks
    (HMACs by the history's key) that tell whether two are the same, and are shown nowhere.
    """

    setting: str
    before: Scalar
    after: Scalar
    note: str = ""
    last_right: Scalar = None
    last_right_at: dt.datetime | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What an address was when it could last be looked at, and when that was (UTC)."""

    status: Status
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Cell:
    """What is known of one address (``server_connection``, ``servers.update_url``) of one workstation.

    ``reason`` is a sentence for people, ``reason_code`` stays the same between releases. ``observed_at`` is when this
    status was found. ``seconds`` is how long a server took to answer. ``last_seen`` comes from the history, where
    the status itself says nothing about what is there (an offline workstation).
    """

    address: str
    status: Status
    reason: str = ""
    reason_code: str = ""
    observed_at: dt.datetime | None = None
    differences: tuple[Difference, ...] = ()
    seconds: float | None = None
    last_seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One workstation of the matrix. ``reason`` and ``reason_code`` are those of its worst cell."""

    workstation: str
    office: str
    cells: tuple[Cell, ...]

    @property
    def worst_cell(self) -> Cell | None:
        """The cell that gives the workstation its status; the first one of the worst."""
        return min(self.cells, key=lambda cell: cell.status.badness, default=None)

    @property
    def status(self) -> Status:
        """The status of the worst cell."""
        return worst(cell.status for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Matrix:
    """All rows of one run or of the last known state. ``offices`` maps an office to its title."""

    rows: tuple[Row, ...]
    offices: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[Status, int]:
        """How many workstations have each status, worst first, statuses of nobody left out."""
        counts: dict[Status, int] = {}
        for row in self.rows:
            counts[row.status] = counts.get(row.status, 0) + 1
        return {status: counts[status] for status in Status if status in counts}
