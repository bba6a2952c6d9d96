"""The chain: every record of a run has a hash over its content and over the record before it.

Who changes, removes or inserts a record has to make every later hash anew, and then the head differs from the one that
was kept elsewhere. The head is read inside the transaction that writes, so two processes cannot fork the chain.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RootTransaction, insert, select

from iea_fleet.history import schema

ENDS: Final = frozenset({"ended_at", "exit_code"})
"""The columns of a run that are filled when it ends."""

CLOSED: Final = "closed"
"""The kind of the record that stands for those that were pruned."""

PRUNE: Final = "prune"
"""The kind of the record that says who pruned them."""

ATTEMPT: Final = "attempt"
"""The kind of the records of tests of accounts. They belong to no run here, for they stay when runs are pruned."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the history: its kind, the key of its row, and the digest of its content."""

    kind: str
    run_id: str
    workstation: str
    path: str
    content: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells its row from the others."""
        return self.kind, self.run_id, self.workstation, self.path


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a chain; who keeps it elsewhere can tell later whether anything before it was changed."""

    number: int = 0
    hash: str = ""


def begun(run: Mapping[str, Any]) -> Entry:
    """The record of a run that begins, from its row of ``runs``."""
    return Entry("begin", run["id"], "", "", _content({name: run[name] for name in run if name not in ENDS}))


def ended(run_id: str, ended_at: dt.datetime | None, exit_code: int | None) -> Entry:
    """The record of a run that ends."""
    return Entry("end", run_id, "", "", _content({"ended_at": ended_at, "exit_code": exit_code}))


def outcome(row: Mapping[str, Any]) -> Entry:
    """The record of what happened on a workstation, from its row of ``outcomes``."""
    return Entry("outcome", row["run_id"], row["workstation"], "", _content(row))


def replaced(row: Mapping[str, Any]) -> Entry:
    """The record of a file that was replaced, from its row of ``replacements``."""
    return Entry("file", row["run_id"], row["workstation"], row["path"], _content(row))


def attempt(row: Mapping[str, Any]) -> Entry:
    """The record of a test of an account, from its row of ``attempts``: begun, ended, cleared."""
    return Entry(ATTEMPT, "", "", str(row["number"]), _content(row))


def pruned(before: dt.datetime, by: str, at: dt.datetime, runs: int, closed: Head) -> Entry:
    """The record that somebody removed the runs before a day, and so the records to ``closed``.

    Its content is nowhere else, so it is readable.
    """
    said = {"before": before, "by": by, "at": at, "runs": runs, "closed": [closed.number, closed.hash]}
    return Entry(PRUNE, "", "", "", _canonical(said))


def says_closed(entry: Entry, closed: Head) -> bool:
    """Whether a record says that the records to ``closed`` were pruned."""
    try:
        said = json.loads(entry.content)["closed"] if entry.kind == PRUNE else None
    except (ValueError, TypeError, KeyError):
        return False
    return bool(said == [closed.number, closed.hash])


def hash_of(previous: str, number: int, entry: Entry) -> str:
    """The hash of a record that follows the one with the hash ``previous``."""
    return hashlib.sha256(_canonical([previous, number, *entry.key, entry.content]).encode("ascii")).hexdigest()


class Chain:
    """Adds records at the end. Used by the writer's thread alone."""

    def __init__(self) -> None:
        self._transaction: RootTransaction | None = None
        self._head = Head()

    def add(self, connection: Connection, entries: Iterable[Entry]) -> None:
        """Add records, in the transaction that writes what they are about."""
        if self._transaction is not (now := connection.get_transaction()):
            # The head of another transaction may be that of before another process wrote, or of a commit that failed.
            self._transaction, self._head = now, head(connection)
        rows = []
        for entry in entries:
            number = self._head.number + 1
            self._head = Head(number, hash_of(self._head.hash, number, entry))
            rows.append(as_row(self._head, entry))
        if rows:
            connection.execute(insert(schema.chain), rows)


def head(connection: Connection) -> Head:
    """The last record there is."""
    columns = schema.chain.c
    found = connection.execute(select(columns.number, columns.hash).order_by(columns.number.desc()).limit(1)).first()
    return Head(found.number, found.hash) if found else Head()


def as_row(place: Head, entry: Entry) -> dict[str, Any]:
    """The row of ``chain`` for a record."""
    return {
        "number": place.number,
        "kind": entry.kind,
        "run_id": entry.run_id,
        "workstation": entry.workstation,
        "path": entry.path,
        "content": entry.content,
        "hash": place.hash,
    }


def _content(row: Mapping[str, Any]) -> str:
    """The digest of a row. Columns without a value are left out: a later version may add one."""
    kept = {name: value for name, value in row.items() if value is not None}
    return hashlib.sha256(_canonical(kept).encode("ascii")).hexdigest()


def _canonical(value: Any) -> str:  # noqa: ANN401 - whatever a row holds
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: object) -> str:
    if not isinstance(value, dt.datetime):
        raise TypeError(f"a {type(value).__name__} cannot go into the chain")
    return value.astimezone(dt.UTC).isoformat()
