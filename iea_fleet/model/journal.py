"""The journal of one transaction on one workstation: ``run.json``, lease and record in one. Removing it commits."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from iea_fleet.model.request import ABSENT

NAME = "run.json"
"""The file in a layout's private folder."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who carries the transaction out. ``process_start`` tells a process from a later one of the same number."""

    controller: str
    user: str
    host: str
    pid: int
    process_start: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"


@dataclass(frozen=True, slots=True)
class JournalFile:
    """One file of a transaction: digests before (or ABSENT) and after, and where the old content is kept.

    ``secret``: it holds a secret, so its backup goes when the transaction is over. ``private``: nobody else reads it.
    """

    path: str
    before: str
    after: str
    backup: str | None
    secret: bool = False
    private: bool = False

    @property
    def was_absent(self) -> bool:
        """Whether putting it back means removing it."""
        return self.before == ABSENT


@dataclass(frozen=True, slots=True)
class Journal:
    """What a dead run leaves behind for the next contact. ``duration`` is seconds, the longest it may take."""

    inventory: str
    workstation: str
    run: str
    owner: Owner
    begun_at: dt.datetime
    duration: float
    files: tuple[JournalFile, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds a workstation, for a person who decides whether to break it.

    ``run`` is the id that has to be typed. ``age`` is seconds by the workstation's clock, None when that cannot be
    told; ``alive`` None likewise. ``ours``: signed by this history. ``digest`` is that of the file, "" when unreadable.
    """

    workstation: str
    path: str
    run: str
    owner: str
    age: float | None
    alive: bool | None
    ours: bool
    reason: str
    digest: str
