"""Runs and the last known state, in SQLite through SQLAlchemy Core.

``History`` is loaded when it is first asked for: SQLAlchemy takes a quarter of a second, and ``--help`` needs none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from iea_fleet.history.place import default_state_dir, new_run_id

if TYPE_CHECKING:
    from iea_fleet.history.store import History

__all__ = ["History", "default_state_dir", "new_run_id"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the protocol of modules (PEP 562)
    if name != "History":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("iea_fleet.history.store").History
