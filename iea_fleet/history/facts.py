"""What a history knows of itself: the key it was written with, and that its chain was begun."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Engine, insert, select

from iea_fleet.errors import HistoryError
from iea_fleet.history import audit, schema
from iea_fleet.history.dialect import for_writing
from iea_fleet.history.key import HistoryKey

_KEY_FACT: Final = "fingerprint of the key"


def know_again(engine: Engine, key: HistoryKey, path: Path) -> None:
    """Hold the key against the fingerprint that the history keeps. HistoryError when it is another one."""
    wanted = select(schema.facts.c.value).where(schema.facts.c.name == _KEY_FACT)
    with engine.begin() as connection:
        known = connection.scalar(wanted)
    if known is None:
        with for_writing(engine).begin() as connection:
            known = connection.scalar(wanted)
            if known is None:
                connection.execute(insert(schema.facts).values(name=_KEY_FACT, value=key.fingerprint))
                return
    if known != key.fingerprint:
        raise HistoryError(
            f"the key beside the history {path} is not the one it was written with",
            "put the right history.key back; a history and its key belong together",
            code="history_key",
        )


def begin_chain(engine: Engine) -> None:
    """Begin the chain of a history that has none; a history that has one is only read."""
    with engine.begin() as connection:
        begun = audit.is_begun(connection)
    if not begun:
        with for_writing(engine).begin() as connection:
            audit.begin(connection)
