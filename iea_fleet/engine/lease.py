"""Whose turn it is on a workstation: what a ``run.json`` that is found there means."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from iea_fleet.engine import clock, owner
from iea_fleet.engine.journal import Stranger, decode, encode
from iea_fleet.history.key import HistoryKey
from iea_fleet.model.journal import NAME, Journal, JournalFile
from iea_fleet.model.matrix import Status
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Answer,
    Done,
    Failed,
    FileContent,
    FileStat,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Stat,
    digest,
)
from iea_fleet.model.target import GuidedConnection, Target
from iea_fleet.resources import Unobserved
from iea_fleet.transports.base import Session

CLOCK = "clock-"
"""How a file is called that is made to see what time it is on a workstation."""

UNREADABLE = "unreadable"
"""What a person types in place of a run's id, where a ``run.json`` names none."""

_LOOK = "look at it on the workstation, and remove what is not iea-fleet's"
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")

GRACE = 60.0
"""Seconds beyond a transaction's longest duration before it is taken for dead."""


class Standing(Enum):
    """Whose a workstation is."""

    FREE = "nobody's"
    HELD = "another run's, which may be alive"
    DEAD = "a run's of ours that died"
    STRANGE = "something's that we cannot read"


@dataclass(frozen=True, slots=True)
class Lease:
    """What stands in a workstation's ``run.json``. ``digest`` is that of the file, ABSENT when there is none.

    ``ours``: it is signed by this history, so that what it says is true.
    """

    standing: Standing
    digest: str = ABSENT
    journal: Journal | None = None
    reason: str = ""
    ours: bool = False

    @property
    def run(self) -> str:
        """What a person types to break it."""
        if self.journal is None or not _RUN_ID.fullmatch(self.journal.run):
            return UNREADABLE
        return self.journal.run

    def in_a_cell(self) -> Unobserved | None:
        """What every resource cell of this workstation says; None when it is free."""
        match self.standing:
            case Standing.FREE:
                return None
            case Standing.HELD:
                return Unobserved(Status.HELD, self.reason, "held_by_run")
            case Standing.DEAD:
                return Unobserved(Status.FAILED, self.reason, "interrupted_run")
            case Standing.STRANGE:
                return Unobserved(Status.FAILED, self.reason, "run_file_strange")


@dataclass(frozen=True, slots=True)
class Leases:
    """Reads the leases of one inventory's workstations, with the key of our history."""

    inventory: str
    key: HistoryKey

    def read(self, target: Target) -> ReadFile:
        """What to ask a workstation for."""
        return ReadFile(path_of(target), limit=256 * 1024)

    def run_file(self, target: Target, run: str, files: Sequence[JournalFile], expected: str) -> ReplaceFile:
        """What makes this process the owner of a workstation. ``expected``: ABSENT, or the lease that is taken over."""
        assert not isinstance(target.connection, GuidedConnection)
        us = owner.ourselves(self.key.fingerprint)
        duration = float(target.connection.deadline)
        journal = Journal(self.inventory, target.name, run, us, clock.now(), duration, tuple(files))
        return ReplaceFile(path_of(target), encode(journal, self.key.sign), expected, private=True)

    def standing(self, target: Target, answer: Answer, session: Session | None = None) -> Lease:
        """What the answer means. ``session`` may be written to: only then can the age of a lease be measured."""
        match answer:
            case Absent():
                return Lease(Standing.FREE)
            case FileContent(content, found):
                return self._found(target, content, found, session)
            case Failed("keeps_changing", _):
                # A damaged file does not change by itself: somebody writes it at this moment.
                return Lease(Standing.HELD, reason="another run is beginning or ending here; apply again in a minute")
            case Failed(_, reason):
                return Lease(
                    Standing.STRANGE, reason=f"whether another run is at work cannot be told: {reason}; {_LOOK}"
                )
            case _:
                raise AssertionError(f"a read was answered by {type(answer).__name__}")

    def _found(self, target: Target, content: bytes, found: str, session: Session | None) -> Lease:
        journal = decode(content, target, self.inventory, self.key.sign)
        if isinstance(journal, Stranger):
            return _strangers(target, journal, found)
        said = f"run {journal.run} of {journal.owner}, begun {_ago(journal.begun_at)}"
        if self._is_alive(target, journal, session):
            reason = f"{said}, is at work here; wait for it, or look: iea-fleet leases INVENTORY list"
            return Lease(Standing.HELD, found, journal, reason, ours=True)
        reason = f"{said}, was interrupted here; iea-fleet apply settles it"
        return Lease(Standing.DEAD, found, journal, reason, ours=True)

    def _is_alive(self, target: Target, journal: Journal, session: Session | None) -> bool:
        if owner.is_this_controller(journal.owner, self.key.fingerprint):
            return owner.runs(journal.owner)
        age = age_there(target, session) if session else (clock.now() - journal.begun_at).total_seconds()
        return age is None or age < journal.duration + GRACE


def path_of(target: Target) -> str:
    """Where a workstation's ``run.json`` is."""
    return f"{target.files['private']}/{NAME}"


def _strangers(target: Target, stranger: Stranger, found: str) -> Lease:
    where = f"{path_of(target)} is in the way: {stranger.reason}"
    if stranger.claims is None:
        remedy = f"look at it, then iea-fleet leases INVENTORY break {target.name} {UNREADABLE}"
        return Lease(Standing.STRANGE, found, None, f"{where}; {remedy}")
    claims = stranger.claims
    said = f"{where}; it says run {claims.run} of {claims.owner}, begun {_ago(claims.begun_at)}"
    lease = Lease(Standing.HELD, found, claims)
    remedy = f"if that run is dead: iea-fleet leases INVENTORY break {target.name} {lease.run}"
    return replace(lease, reason=f"{said}; {remedy}")


def age_there(target: Target, session: Session) -> float | None:
    """Seconds since a workstation's ``run.json`` was written, by its own clock, which may be wrong by hours.

    Told against a fresh file, which is removed again; None when that cannot be made.
    """
    fresh = f"{target.files['private']}/{CLOCK}{secrets.token_hex(8)}"
    made, of_fresh, of_run, _ = session.carry_out(
        (
            ReplaceFile(fresh, b"", ABSENT, private=True),
            Stat(fresh),
            Stat(path_of(target)),
            RemoveFile(fresh, digest(b"")),
        )
    )
    if not isinstance(made, Done) or not isinstance(of_fresh, FileStat) or not isinstance(of_run, FileStat):
        return None
    return of_fresh.modified - of_run.modified


def _ago(then: dt.datetime) -> str:
    seconds = max(0, int((clock.now() - then).total_seconds()))
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} seconds ago"
