"""Where the history is kept, and what a run is called."""

from __future__ import annotations

import datetime as dt
import os
import secrets
from pathlib import Path

from platformdirs import user_state_path

from iea_fleet.errors import HistoryError

DATABASE = "history.sqlite"


def default_state_dir() -> Path:
    """The folder of this user's state, as the platform has it: ``~/.local/state/iea-fleet`` on Linux."""
    return user_state_path("iea-fleet")


def new_run_id(now: dt.datetime) -> str:
    """A name for a run: short, readable, sorted by time (UTC), and different for two runs of the same second.

    >>> new_run_id(dt.datetime(2026, 11, 21, 10, 15, 2, tzinfo=dt.UTC))[:16]
    '20261121-101502-'
    """
    return f"{now.astimezone(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def prepared_database(state_dir: Path) -> Path:
    """The path of the database in ``state_dir``. What is missing is made: folder 0700, file 0600.

    The file is made before SQLite sees it, because SQLite gives its ``-wal`` and ``-shm`` files the same mode.
    HistoryError when the folder or the file cannot be made or opened for writing.
    """
    path = state_dir / DATABASE
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise HistoryError(
            f"the history {path} cannot be opened for writing: {error.strerror}",
            "make the folder and the file writable for you, or name another folder with --state-dir",
            code="history_not_writable",
        ) from error
    return path
