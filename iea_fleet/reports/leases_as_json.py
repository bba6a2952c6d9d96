"""Who holds which workstation, as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from iea_fleet.model.journal import Holding
from iea_fleet.reports.as_json import titled
from iea_fleet.reports.safe import whole

SCHEMA: Final = "iea-fleet/leases/1"
_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class LeasePart:
    """One workstation that a run holds."""

    __pydantic_config__ = _CLOSED

    workstation: str
    run: str
    """The id that `leases break` wants; `unreadable` where the file names none."""
    owner: str
    """User and machine; empty when it cannot be told."""
    age: float | None
    """Seconds by the workstation's clock."""
    alive: bool | None
    """Null when it cannot be told."""
    ours: bool
    """Whether this history began that run."""
    reason: str
    """A sentence for people."""


@dataclass(frozen=True, slots=True)
class LeasesDocument:
    """Which workstations are held by runs. Those that did not answer are told on stderr, and by the exit code."""

    __pydantic_config__ = _CLOSED

    schema: Literal["iea-fleet/leases/1"]
    inventory: str
    leases: tuple[LeasePart, ...]


def leases_document(inventory: str, holdings: Sequence[Holding]) -> dict[str, Any]:
    """The document, ready for ``json.dumps``."""
    filled = LeasesDocument(SCHEMA, inventory, tuple(_part(holding) for holding in holdings))
    written: dict[str, Any] = _adapter().dump_python(filled, mode="json")
    return written


def leases_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``leases_document``."""
    return titled(_adapter().json_schema(mode="serialization"), "leases")


@cache
def _adapter() -> TypeAdapter[LeasesDocument]:
    return TypeAdapter(LeasesDocument)


def _part(holding: Holding) -> LeasePart:
    return LeasePart(
        workstation=holding.workstation,
        run=holding.run,
        owner=str(whole(holding.owner)),
        age=holding.age,
        alive=holding.alive,
        ours=holding.ours,
        reason=str(whole(holding.reason)),
    )
