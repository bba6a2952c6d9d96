"""How a run was asked for, as the JSON that the history keeps, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from iea_fleet.model.journal import Owner
from iea_fleet.model.run import Asked


def as_json(asked: Asked | None) -> dict[str, Any] | None:
    """What goes into the column; tuples become lists there."""
    if asked is None:
        return None
    document = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(asked).items()}
    return {**document, "files": dict(asked.files)}


def from_json(document: Mapping[str, Any] | None) -> Asked | None:
    """What ``as_json`` was given. What a newer version added is left out."""
    if document is None:
        return None
    known = {name: document[name] for name in Asked.__dataclass_fields__ if name in document}
    known |= {name: tuple(known[name]) for name in ("workstations", "limit") if name in known}
    return Asked(**{**known, "owner": Owner(**document["owner"])})
