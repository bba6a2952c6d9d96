"""Looking after the records of runs: whether anybody changed them, and removing the old ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, delete, func, insert, select

from iea_fleet.history import chain, schema
from iea_fleet.history.chain import ATTEMPT, CLOSED, Chain, Entry, Head

_BEGUN: Final = "the chain was begun"
_SURELY_DEAD: Final = dt.timedelta(days=7)
"""A run without an end may go on still; for no longer than this."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at every record found. ``broken`` names the first bad one; empty when all is well.

    ``closed`` is the number of the last record that was pruned, 0 when none was.
    """

    head: Head
    records: int
    closed: int = 0
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed; ``kept_back`` are old runs that stay because a run that is kept had begun before they ended."""

    runs: int
    kept_back: int


def begin(connection: Connection) -> None:
    """Begin the chain with the records that a history from before it holds. Does nothing the second time."""
    facts = schema.facts
    if connection.scalar(select(facts.c.value).where(facts.c.name == _BEGUN)) is None:
        connection.execute(insert(facts).values(name=_BEGUN, value=dt.datetime.now(dt.UTC).isoformat()))
        Chain().add(connection, _entries(connection))


def is_begun(connection: Connection) -> bool:
    """Whether ``begin`` was done."""
    return connection.scalar(select(schema.facts.c.value).where(schema.facts.c.name == _BEGUN)) is not None


def verify(connection: Connection, kept_head: str = "") -> Verified:
    """Make every hash anew and hold every row against its record. ``kept_head`` is a hash that was kept elsewhere."""
    latest: dict[tuple[str, str, str, str], tuple[int, str]] = {}
    place, closed, records, broken = Head(), Head(), 0, ""
    seen, accounted = not kept_head, True
    table = schema.chain
    for found in connection.execute(select(table).order_by(table.c.number)):
        records += 1
        entry = Entry(found.kind, found.run_id, found.workstation, found.path, found.content)
        if records == 1 and found.kind == CLOSED:
            closed = place = Head(found.number, found.hash)
            accounted = False
        else:
            number = place.number + 1
            if not broken and found.number != number:
                broken = f"record {number} is missing: the one after record {place.number} is record {found.number}"
            if not broken and found.hash != chain.hash_of(place.hash, number, entry):
                broken = f"record {found.number} ({_named(entry.key)}) is not the one that was written"
            place = Head(found.number, found.hash)
            accounted = accounted or chain.says_closed(entry, closed)
            latest[entry.key] = (found.number, found.content)
        seen = seen or found.hash == kept_head
    if not broken and not accounted:
        broken = f"the records to {closed.number} are gone, and no record says who pruned them"
    broken = broken or _first_bad_row(connection, latest)
    if not broken and not seen:
        since = f", or pruned: records to {closed.number} are gone" if closed.number else ""
        broken = f"no record has the hash {kept_head}: records were changed after it was kept{since}"
    return Verified(place, records, closed.number, broken)


def prune(connection: Connection, links: Chain, before: dt.datetime, by: str) -> Pruned:
    """Remove the runs that began before this moment, and close the chain in their place.

    The last known states, what was last right and the tests of accounts stay: they are about today.
    """
    runs, table = schema.runs, schema.chain
    dead = dt.datetime.now(dt.UTC) - _SURELY_DEAD
    is_old = (runs.c.started_at < before) & (runs.c.ended_at.is_not(None) | (runs.c.started_at < dead))
    old = set(connection.scalars(select(runs.c.id).where(is_old)))
    spans = {
        found.run_id: (found.first, found.last)
        for found in connection.execute(
            select(
                table.c.run_id, func.min(table.c.number).label("first"), func.max(table.c.number).label("last")
            ).group_by(table.c.run_id)
        )
        if found.run_id
    }
    cut, gone = _cut(spans, old, chain.head(connection).number)
    if not gone:
        return Pruned(0, len(old))
    last = connection.execute(select(table.c.hash).where(table.c.number == cut)).scalar_one()
    connection.execute(delete(table).where(table.c.number <= cut))
    connection.execute(insert(table).values(chain.as_row(Head(cut, last), Entry(CLOSED, "", "", "", ""))))
    for run_id in gone:
        connection.execute(delete(runs).where(runs.c.id == run_id))
    links.add(connection, [chain.pruned(before, by, dt.datetime.now(dt.UTC), len(gone), Head(cut, last))])
    linked = set(connection.scalars(select(table.c.path).where(table.c.kind == ATTEMPT)))
    links.add(connection, [entry for entry in _attempts(connection) if entry.path not in linked])
    return Pruned(len(gone), len(old) - len(gone))


def _cut(spans: dict[str, tuple[int, int]], old: set[str], last: int) -> tuple[int, set[str]]:
    """The last record to go, and the runs that go whole: a chain can only be closed from its beginning."""
    gone = old & set(spans)
    while True:
        cut = min((first - 1 for run_id, (first, _) in spans.items() if run_id not in gone), default=last)
        stay = {run_id for run_id in gone if spans[run_id][1] > cut}
        if not stay:
            return cut, gone
        gone -= stay


def _entries(connection: Connection) -> Iterator[Entry]:
    """The record of every row there is."""
    for run in connection.execute(select(schema.runs).order_by(schema.runs.c.id)).mappings().all():
        yield chain.begun(dict(run))
        if run["ended_at"] is not None:
            yield chain.ended(run["id"], run["ended_at"], run["exit_code"])
    for row in _rows(connection, schema.outcomes):
        yield chain.outcome(row)
    for row in _rows(connection, schema.replacements):
        yield chain.replaced(row)
    yield from _attempts(connection)


def _attempts(connection: Connection) -> Iterator[Entry]:
    return map(chain.attempt, _rows(connection, schema.attempts))


def _rows(connection: Connection, table: Table) -> Iterator[dict[str, object]]:
    for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings():
        yield dict(row)


def _first_bad_row(connection: Connection, latest: dict[tuple[str, str, str, str], tuple[int, str]]) -> str:
    """What is wrong with the rows that the records are about: changed, removed, inserted. The earliest record first."""
    wrong: list[tuple[int, str]] = []
    for entry in _entries(connection):
        number, content = latest.pop(entry.key, (0, ""))
        if not number:
            wrong.append((1 << 62, f"the {_named(entry.key)} has no record: it was put in by something else"))
        elif content != entry.content:
            wrong.append((number, f"record {number} ({_named(entry.key)}) was changed"))
    wrong += [
        (number, f"record {number} ({_named(key)}) was removed")
        for key, (number, _) in latest.items()
        if key[0] != chain.PRUNE
    ]
    return min(wrong)[1] if wrong else ""


def _named(key: tuple[str, str, str, str]) -> str:
    kind, run_id, workstation, path = key
    match kind:
        case "outcome":
            return f"outcome of {workstation} in run {run_id}"
        case "file":
            return f"{path} of {workstation} in run {run_id}"
        case chain.ATTEMPT:
            return f"test {path} of an account"
        case "begin" | "end":
            return f"{kind} of run {run_id}"
        case _:
            return kind
