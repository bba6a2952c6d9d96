"""The secrets of an inventory as one JSON document: where they are, how old, and who refers to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from iea_fleet.model.secret import KeptSecret
from iea_fleet.reports.as_json import titled
from iea_fleet.reports.safe import whole

SCHEMA: Final = "iea-fleet/secrets/1"
_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class SecretPart:
    """One secret reference; never its value."""

    __pydantic_config__ = _CLOSED

    reference: str
    kind: str
    """The kind of its back-end."""
    there: bool | None
    """Null where telling would mean to ask the back-end; `secrets check` does."""
    changed_at: dt.datetime | None
    """When its file was last changed on this machine; null where it is no file."""
    used_by: tuple[str, ...]
    """The dotted places of the inventory that name it."""


@dataclass(frozen=True, slots=True)
class SecretsDocument:
    """Every secret that is kept in age files or referred to."""

    __pydantic_config__ = _CLOSED

    schema: Literal["iea-fleet/secrets/1"]
    inventory: str
    secrets: tuple[SecretPart, ...]


def secrets_document(inventory: str, kept: Sequence[KeptSecret]) -> dict[str, Any]:
    """The document, ready for ``json.dumps``."""
    parts = tuple(
        SecretPart(str(whole(one.reference)), one.kind, one.there, one.changed_at, one.used_by) for one in kept
    )
    written: dict[str, Any] = _adapter().dump_python(SecretsDocument(SCHEMA, inventory, parts), mode="json")
    return written


def secrets_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``secrets_document``."""
    return titled(_adapter().json_schema(mode="serialization"), "secrets")


@cache
def _adapter() -> TypeAdapter[SecretsDocument]:
    return TypeAdapter(SecretsDocument)
