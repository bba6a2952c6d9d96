"""Everything that is SQLite's own: pragmas, transactions, upserts, and its errors in words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.pool import ConnectionPoolEntry

from iea_fleet.errors import HistoryError

BUSY_SECONDS: Final = 10.0
"""How long one process waits for another one's commit. A commit takes milliseconds."""

_WORDS: Final[dict[int, tuple[str, str, str]]] = {
    sqlite3.SQLITE_BUSY: (
        "history_locked",
        "is locked by another program",
        "wait until the other iea-fleet or the backup has finished, then try again",
    ),
    sqlite3.SQLITE_READONLY: (
        "history_not_writable",
        "cannot be written",
        "make the folder and the file writable for you, or name another folder with --state-dir",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "history_not_writable",
        "cannot be opened for writing",
        "make the folder and the file writable for you, or name another folder with --state-dir",
    ),
    sqlite3.SQLITE_FULL: (
        "history_disk_full",
        "cannot be written: the disk is full",
        "make room, then run the same command again",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "history_corrupt",
        "is damaged",
        "put back a copy of it, or move it away to start a new one that remembers nothing",
    ),
    sqlite3.SQLITE_IOERR: (
        "history_disk",
        "cannot be read or written: the disk reports an error",
        "check the disk, then run the same command again",
    ),
}
_SAME_WORDS: Final = {
    sqlite3.SQLITE_LOCKED: sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_PERM: sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOTADB: sqlite3.SQLITE_CORRUPT,
}


def open_engine(path: Path, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine whose commits are on disk when they return (WAL, synchronous FULL); nothing is opened yet."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": busy_seconds},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # The driver would begin late and never before DDL; transactions are begun below instead.
        connection.isolation_level = None
        _switch_to_wal(connection, busy_seconds)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later can be refused at once; one that says so waits its turn.
        writes = connection.get_execution_options().get("iea_fleet_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def for_writing(engine: Engine) -> Engine:
    """The same engine for transactions that write."""
    return engine.execution_options(iea_fleet_writes=True)


def _switch_to_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """SQLite does not wait by itself when two processes make this switch on a new file at the same time."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def upsert(table: Table, keep: frozenset[str] = frozenset()) -> Insert:
    """Insert a row, or update the one with the same primary key. Columns of ``keep`` keep a value over a NULL."""
    statement = insert(table)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={
            column.name: func.coalesce(new[column.name], column) if column.name in keep else new[column.name]
            for column in table.columns
            if not column.primary_key
        },
    )


@contextmanager
def errors_in_words(path: Path) -> Iterator[None]:
    """Turn what the database refuses into HistoryError."""
    try:
        yield
    except DBAPIError as error:
        raise in_words(error, path) from error


def in_words(error: StatementError, path: Path) -> HistoryError:
    """What the database refused, what to do, and a stable code."""
    number = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    known = _WORDS.get(_SAME_WORDS.get(number, number))
    if known is None:
        name = getattr(error.orig, "sqlite_errorname", type(error.orig).__name__)
        return HistoryError(
            f"the history {path} cannot be used: {error.orig} ({name})",
            "run the command again with --debug and report it",
        )
    code, sentence, hint = known
    return HistoryError(f"the history {path} {sentence}", hint, code=code)
