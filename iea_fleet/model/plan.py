"""A plan: every change with the digests of what it was computed from. It holds no secret and opens no connection."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from iea_fleet.model.layout import FormatName, Scalar
from iea_fleet.model.matrix import Cell, Difference


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that a plan only names: the password of an identity, for one IEA user.

    ``seal`` names the layout's action through which it goes before it is written; None writes it as it is.
    """

    identity: str
    user: str
    seal: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What one change does to one file: ``values`` by the layout's keys, the rest of the file untouched.

    A value of None takes the key away. ``expected`` is the digest of what was read (or ABSENT, and then ``new`` is
    what the file starts from). The engine renders edits to ReplaceFile requests late, when secrets are known.
    ``secret``: the file holds a secret, before or after, so no copy of it is kept.
    """

    path: str
    format: FormatName
    encoding: str | None
    values: Mapping[str, Scalar | Hidden]
    expected: str
    new: str | None = None
    private: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that is not as the files ask, and the edits that get there."""

    address: str
    differences: tuple[Difference, ...]
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What is to be done on one workstation: its cells as they were read, and the changes.

    ``read`` maps each settings file that was read to its digest (or ABSENT).
    """

    workstation: str
    office: str
    cells: tuple[Cell, ...]
    changes: tuple[Change, ...] = ()
    read: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The plans of all selected workstations, in the order of the inventory."""

    inventory: str
    created_at: dt.datetime
    targets: tuple[TargetPlan, ...]
