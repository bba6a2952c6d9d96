"""The operator's own configuration file: what no inventory may say, because it runs programs on their machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from iea_fleet.engine.load.source import Reading
from iea_fleet.errors import Mistake
from iea_fleet.model.operator import OperatorFile

VARIABLE = "IEA_FLEET_CONFIG"


def operator_path() -> Path:
    """Where the operator's configuration is."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_config_path("iea-fleet") / "config.yml"


def read_operator_file() -> tuple[OperatorFile, list[Mistake]]:
    """What it says, and what is wrong with it. Where it was not named, it need not be there.

    It is read apart from an inventory: its digest is no part of a plan's.
    """
    path = operator_path()
    if VARIABLE not in os.environ and not os.path.lexists(path):
        return OperatorFile(), []
    if refused := _not_yours_alone(path):
        return OperatorFile(), [Mistake(str(path), 0, 0, "", *refused)]
    reading = Reading()
    source = reading.read(path, OperatorFile, shown=str(path))
    return source.value or OperatorFile(), reading.mistakes()


def _not_yours_alone(path: Path) -> tuple[str, str] | None:
    """Why its programs are not run: whoever can write the file could have named them."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None  # reading it says why
    if found.st_mode & 0o022:
        return "can be written by others", f"run: chmod go-w {path}"
    if found.st_uid not in (os.geteuid(), 0):
        return "belongs to somebody else", "make one of your own: the programs it names are run"
    return None
