"""The steps from an empty file to today's tables, in order; each is one transaction together with its own record.

A step is never edited once it was released, since histories exist that have taken it: a change of ``schema`` is a new
step at the end. That is why these are texts and do not use ``schema``; a test holds that both say the same.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, insert, inspect, select
from sqlalchemy.engine import Connection

from iea_fleet.errors import HistoryError
from iea_fleet.history.dialect import for_writing
from iea_fleet.history.schema import migrations


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its name, which is recorded, and its statements in SQL that SQLite and PostgreSQL both read."""

    name: str
    statements: tuple[str, ...]


MIGRATIONS: Final = (
    Migration(
        "0001 runs and last known state",
        (
            """CREATE TABLE runs (
                id TEXT NOT NULL PRIMARY KEY,
                command TEXT NOT NULL,
                inventory TEXT NOT NULL,
                playbook TEXT NOT NULL,
                started_at TIMESTAMP WITH TIME ZONE NOT NULL,
                ended_at TIMESTAMP WITH TIME ZONE,
                user_name TEXT NOT NULL,
                host_name TEXT NOT NULL,
                selected INTEGER NOT NULL,
                files JSON NOT NULL,
                offices JSON NOT NULL,
                exit_code INTEGER
            )""",
            "CREATE INDEX runs_of_inventory ON runs (inventory, id)",
            """CREATE TABLE outcomes (
                run_id TEXT NOT NULL,
                workstation TEXT NOT NULL,
                office TEXT NOT NULL,
                status TEXT NOT NULL,
                reason TEXT NOT NULL,
                reason_code TEXT NOT NULL,
                ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
                cells JSON NOT NULL,
                PRIMARY KEY (run_id, workstation),
                FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
            )""",
            """CREATE TABLE cells (
                inventory TEXT NOT NULL,
                workstation TEXT NOT NULL,
                address TEXT NOT NULL,
                run_id TEXT NOT NULL,
                found_at TIMESTAMP WITH TIME ZONE NOT NULL,
                found JSON NOT NULL,
                seen_run_id TEXT,
                seen_at TIMESTAMP WITH TIME ZONE,
                seen JSON,
                PRIMARY KEY (inventory, workstation, address)
            )""",
            """CREATE TABLE memories (
                inventory TEXT NOT NULL,
                workstation TEXT NOT NULL,
                address TEXT NOT NULL,
                run_id TEXT NOT NULL,
                right_at TIMESTAMP WITH TIME ZONE NOT NULL,
                settings JSON NOT NULL,
                PRIMARY KEY (inventory, workstation, address)
            )""",
        ),
    ),
    Migration(
        "0002 the key, and what transactions replaced",
        (
            "CREATE TABLE facts (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
            """CREATE TABLE replacements (
                run_id TEXT NOT NULL,
                workstation TEXT NOT NULL,
                path TEXT NOT NULL,
                before TEXT NOT NULL,
                after TEXT NOT NULL,
                backup TEXT,
                PRIMARY KEY (run_id, workstation, path),
                FOREIGN KEY (run_id) REFERENCES runs (id) ON DELETE CASCADE
            )""",
        ),
    ),
    Migration(
        "0003 the chain of records, and the commit of the files",
        (
            "ALTER TABLE runs ADD COLUMN git_commit TEXT",
            """CREATE TABLE chain (
                number INTEGER NOT NULL PRIMARY KEY,
                kind TEXT NOT NULL,
                run_id TEXT NOT NULL,
                workstation TEXT NOT NULL,
                path TEXT NOT NULL,
                content TEXT NOT NULL,
                hash TEXT NOT NULL
            )""",
            "CREATE INDEX chain_of_run ON chain (run_id)",
        ),
    ),
    Migration("0004 where the inventory of a run is", ("ALTER TABLE runs ADD COLUMN inventory_file TEXT",)),
    Migration(
        "0005 what a run continues, and how it was asked for",
        (
            "ALTER TABLE runs ADD COLUMN continues TEXT",
            "ALTER TABLE runs ADD COLUMN asked JSON",
        ),
    ),
    Migration("0006 the waves of a run", ("ALTER TABLE outcomes ADD COLUMN wave INTEGER",)),
    Migration(
        "0007 the tests of Net-Entreprises accounts",
        (
            """CREATE TABLE attempts (
                number INTEGER NOT NULL PRIMARY KEY,
                account TEXT NOT NULL,
                secret TEXT NOT NULL,
                run_id TEXT NOT NULL,
                owner JSON NOT NULL,
                asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
                answered TEXT,
                reason TEXT,
                ended_at TIMESTAMP WITH TIME ZONE,
                cleared_at TIMESTAMP WITH TIME ZONE,
                cleared_by TEXT
            )""",
            "CREATE INDEX attempts_of_account ON attempts (account, number)",
        ),
    ),
)


def migrate(engine: Engine, path: Path, steps: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Take the steps that this database has not taken. HistoryError when it has taken one that we do not know.

    A database that is up to date is only read, so that it opens while another process writes.
    """
    with engine.begin() as connection:
        taken = _taken(connection, path, steps)
    if len(taken) == len(steps):
        return
    for step in steps:
        with for_writing(engine).begin() as connection:
            # Asked again inside: another process may have taken the step while this one waited for its turn.
            if step.name in _taken(connection, path, steps):
                continue
            migrations.create(connection, checkfirst=True)
            for statement in step.statements:
                connection.exec_driver_sql(statement)
            connection.execute(insert(migrations).values(name=step.name, applied_at=dt.datetime.now(dt.UTC)))


def _taken(connection: Connection, path: Path, steps: tuple[Migration, ...]) -> frozenset[str]:
    if not inspect(connection).has_table(migrations.name):
        return frozenset()
    taken = frozenset(connection.scalars(select(migrations.c.name)))
    if taken - {step.name for step in steps}:
        raise HistoryError(
            f"the history {path} was written by a newer iea-fleet",
            "update iea-fleet on this machine, or name another folder with --state-dir",
            code="history_newer",
        )
    return taken
