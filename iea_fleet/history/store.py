"""The history: every run, what happened on each workstation, and what was last known of each cell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection, Engine, Select, func, insert, select, update
from sqlalchemy.engine import RowMapping

from iea_fleet.errors import HistoryError, UsageError
from iea_fleet.history import audit, chain, facts, rows, schema
from iea_fleet.history.accounts import Attempts
from iea_fleet.history.codec import cells_from_json, storable
from iea_fleet.history.dialect import BUSY_SECONDS, errors_in_words, for_writing, open_engine, upsert
from iea_fleet.history.key import HistoryKey
from iea_fleet.history.last_state import last_known, outcome_values, state_values
from iea_fleet.history.migrations import migrate
from iea_fleet.history.place import prepared_database
from iea_fleet.history.writer import Writer
from iea_fleet.model.journal import JournalFile
from iea_fleet.model.matrix import Row, Status
from iea_fleet.model.run import Memory, Run, RunRecord
from iea_fleet.model.target import Target

_OUTCOME: Final = upsert(schema.outcomes)
_CELL: Final = upsert(schema.cells, keep=frozenset({"seen_run_id", "seen_at", "seen"}))
_MEMORY: Final = upsert(schema.memories)
_REPLACEMENT: Final = upsert(schema.replacements)
_SHOWN = 3


class History:
    """One database of runs. A context manager; its methods may be called from any thread.

    ``attempts`` are the tests of Net-Entreprises accounts.

    Every method raises HistoryError, with the remedy, when the database cannot be read or written.
    """

    def __init__(self, path: Path, engine: Engine, key: HistoryKey) -> None:
        self.path = path
        self.key = key
        self._engine = engine
        self._writer = Writer(for_writing(engine), path)
        self._inventories: dict[str, str] = {}
        self._chain = chain.Chain()
        self.attempts = Attempts(key, self._reading, self._writer, self._chain)

    @classmethod
    def open(cls, state_dir: Path, busy_seconds: float = BUSY_SECONDS) -> Self:
        """The history in this folder, made or brought up to date when needed.

        ``busy_seconds`` is how long to wait for another process that writes. HistoryError when the database is newer
        than this program, damaged, locked, or not writable.
        """
        path = prepared_database(state_dir)
        engine = open_engine(path, busy_seconds)
        try:
            with errors_in_words(path):
                migrate(engine, path)
                key = HistoryKey.open(state_dir)
                facts.know_again(engine, key, path)
                facts.begin_chain(engine)
        except HistoryError:
            engine.dispose()
            raise
        return cls(path, engine, key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is being written and let the file go; more than once does no harm."""
        self._writer.close()
        self._engine.dispose()

    def begin(self, run: Run, offices: Mapping[str, str] | None = None) -> None:
        """Note that a run has started. ``offices`` maps each office to its title, for showing the run later."""
        values = rows.of_run(run, offices or {})
        entry = chain.begun(values)

        def work(connection: Connection) -> None:
            connection.execute(insert(schema.runs), values)
            self._chain.add(connection, [entry])

        self._writer.write(work)
        self._inventories[run.id] = run.inventory

    def record(
        self,
        run_id: str,
        row: Row,
        memories: Mapping[str, Memory] | None = None,
        replaced: Sequence[JournalFile] = (),
        wave: int | None = None,
    ) -> None:
        """Keep what happened on one workstation; when this returns it is on disk.

        ``memories`` maps addresses of resources to what was written or seen right just now, ``replaced`` are the
        files that a transaction wrote, ``wave`` is the number of the wave it was pushed in. A second outcome of the
        same workstation in the same run takes the place of the first.
        """
        now = dt.datetime.now(dt.UTC)
        inventory = self._inventory_of(run_id)
        outcome = {**outcome_values(run_id, row, now), "wave": wave}
        states = state_values(inventory, run_id, row, now)
        kept = rows.of_memories(inventory, run_id, row.workstation, memories or {})
        files = rows.of_files(run_id, row.workstation, replaced, self.key.mark)
        entries = [chain.outcome(outcome), *map(chain.replaced, files)]

        def work(connection: Connection) -> None:
            self._chain.add(connection, entries)
            connection.execute(_OUTCOME, outcome)
            if files:
                connection.execute(_REPLACEMENT, files)
            if states:
                connection.execute(_CELL, states)
            if kept:
                connection.execute(_MEMORY, kept)

        self._writer.write(work)

    def record_replaced(self, run_id: str, workstation: str, files: Sequence[JournalFile]) -> None:
        """Keep that a run had replaced these files before it was killed, as a later one found; on disk at the end.

        Of a run that was pruned nothing is kept.
        """
        of_run = rows.of_files(run_id, workstation, files, self.key.mark)
        entries = list(map(chain.replaced, of_run))
        known = select(schema.runs.c.id).where(schema.runs.c.id == run_id)

        def work(connection: Connection) -> None:
            if of_run and connection.scalar(known) is not None:
                self._chain.add(connection, entries)
                connection.execute(_REPLACEMENT, of_run)

        self._writer.write(work)

    def finish(self, run_id: str, ended_at: dt.datetime, exit_code: int) -> None:
        """Note that a run has ended. A run without an end was killed, or is still going on."""
        self._inventory_of(run_id)
        statement = update(schema.runs).where(schema.runs.c.id == run_id).values(ended_at=ended_at, exit_code=exit_code)
        entry = chain.ended(run_id, ended_at, exit_code)

        def work(connection: Connection) -> None:
            connection.execute(statement)
            self._chain.add(connection, [entry])

        self._writer.write(work)

    def run(self, name: str) -> RunRecord:
        """The run of this id, or of the only id that starts so. UsageError names the nearest ones otherwise."""
        column = schema.runs.c.id
        starts_so = (
            select(schema.runs)
            .where(column.startswith(name, autoescape=True))
            .order_by(column.desc())
            .limit(_SHOWN + 1)
        )
        with self._reading() as connection:
            found = self._records(connection, starts_so)
            exact = [record for record in found if record.run.id == name]
            if not found or not name:
                raise rows.no_such_run(
                    name, list(connection.scalars(select(column).order_by(column.desc()).limit(1000)))
                )
        if len(found) > 1 and not exact:
            ids = ", ".join(record.run.id for record in found[:_SHOWN])
            raise UsageError(
                f"several runs start with {name!r}: {ids}{' …' if len(found) > _SHOWN else ''}",
                "write more of the id",
                code="several_runs",
            )
        return (exact or found)[0]

    def runs(self, limit: int = 20, inventory: str | None = None) -> tuple[RunRecord, ...]:
        """The latest runs, newest first; only those of one inventory when it is named."""
        wanted = select(schema.runs).order_by(schema.runs.c.started_at.desc(), schema.runs.c.id.desc()).limit(limit)
        if inventory is not None:
            wanted = wanted.where(schema.runs.c.inventory == inventory)
        with self._reading() as connection:
            return tuple(self._records(connection, wanted))

    def continued_by(self, run_id: str) -> str | None:
        """The latest run that continues this one (its whole id)."""
        column = schema.runs.c.id
        wanted = select(column).where(schema.runs.c.continues == run_id).order_by(column.desc()).limit(1)
        with self._reading() as connection:
            return connection.scalar(wanted)

    def rows(self, run_id: str) -> tuple[Row, ...]:
        """What happened in one run (its whole id), by office and workstation."""
        table = schema.outcomes
        wanted = select(table).where(table.c.run_id == run_id).order_by(table.c.office, table.c.workstation)
        with self._reading() as connection:
            return tuple(
                Row(found["workstation"], found["office"], cells_from_json(found["cells"]))
                for found in connection.execute(wanted).mappings()
            )

    def waves(self, run_id: str) -> dict[str, int]:
        """The wave in which each workstation of a run (its whole id) was pushed; none for a run without waves."""
        table = schema.outcomes
        wanted = select(table.c.workstation, table.c.wave).where(table.c.run_id == run_id, table.c.wave.is_not(None))
        with self._reading() as connection:
            return {found.workstation: found.wave for found in connection.execute(wanted)}

    def last_rows(self, inventory: str, targets: Iterable[Target]) -> tuple[Row, ...]:
        """What is last known of these workstations, in their order; see ``last_state`` for what that means."""
        table = schema.cells
        wanted = select(table).where(table.c.inventory == inventory).order_by(table.c.workstation, table.c.address)
        known: dict[str, list[RowMapping]] = {}
        with self._reading() as connection:
            for found in connection.execute(wanted).mappings():
                known.setdefault(found["workstation"], []).append(found)
        return tuple(last_known(target, known.get(target.name, [])) for target in targets)

    def memories(self, inventory: str) -> dict[str, dict[str, Memory]]:
        """What we last wrote or saw right: by workstation and address, of the whole inventory in one query."""
        table = schema.memories
        wanted = select(table).where(table.c.inventory == inventory)
        remembered: dict[str, dict[str, Memory]] = {}
        with self._reading() as connection:
            for found in connection.execute(wanted).mappings():
                memory = Memory(found["settings"], found["right_at"])
                remembered.setdefault(found["workstation"], {})[found["address"]] = memory
        return remembered

    def replaced(self, run_id: str) -> dict[str, tuple[JournalFile, ...]]:
        """The files that the transactions of a run (its whole id) replaced and kept, by workstation."""
        table = schema.replacements
        wanted = select(table).where(table.c.run_id == run_id).order_by(table.c.workstation, table.c.path)
        files: dict[str, list[JournalFile]] = {}
        with self._reading() as connection:
            for found in connection.execute(wanted):
                file = JournalFile(found.path, found.before, found.after, found.backup)
                files.setdefault(found.workstation, []).append(file)
        return {workstation: tuple(of) for workstation, of in files.items()}

    def verify(self, kept_head: str = "") -> audit.Verified:
        """Whether every record is as it was written; ``kept_head`` is a hash that was kept elsewhere."""
        with self._reading() as connection:
            return audit.verify(connection, kept_head)

    def prune(self, before: dt.datetime, by: str) -> audit.Pruned:
        """Remove the runs that began before this moment; ``by`` is who asked. The chain is closed in their place.

        HistoryError when a record was changed: pruning would hide it.
        """
        if broken := self.verify().broken:
            raise HistoryError(
                f"the history {self.path} was changed by something else than iea-fleet: {broken}",
                "nothing was pruned; keep a copy of it, and look into it first",
                code="history_changed",
            )
        done: list[audit.Pruned] = []

        def work(connection: Connection) -> None:
            done.append(audit.prune(connection, self._chain, before, storable(by)))

        self._writer.write(work)
        return done[-1]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with errors_in_words(self.path), self._engine.begin() as connection:
            yield connection

    def _inventory_of(self, run_id: str) -> str:
        """The inventory of a run that this process, or an earlier one, has begun."""
        if run_id not in self._inventories:
            with self._reading() as connection:
                found = connection.scalar(select(schema.runs.c.inventory).where(schema.runs.c.id == run_id))
            if found is None:
                raise HistoryError(f"the history {self.path} knows no run {run_id}", code="history_no_run")
            self._inventories[run_id] = found
        return self._inventories[run_id]

    def _records(self, connection: Connection, wanted: Select[tuple[object, ...]]) -> list[RunRecord]:
        found = connection.execute(wanted).mappings().all()
        table = schema.outcomes
        counted = (
            select(table.c.run_id, table.c.status, func.count())
            .where(table.c.run_id.in_([run["id"] for run in found]))
            .group_by(table.c.run_id, table.c.status)
        )
        counts: dict[str, dict[Status, int]] = {run["id"]: {} for run in found}
        for run_id, status, count in connection.execute(counted):
            counts[run_id][Status(status)] = count
        return [rows.as_record(run, counts[run["id"]]) for run in found]
