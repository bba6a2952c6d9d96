"""A list of runs as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from iea_fleet.model.matrix import Status
from iea_fleet.model.run import RunRecord
from iea_fleet.reports.as_json import RunPart, run_part, titled

SCHEMA: Final = "iea-fleet/runs/1"

_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class RecordPart:
    """One run of the list."""

    __pydantic_config__ = _CLOSED

    run: RunPart
    summary: dict[Status, int]
    """How many workstations have each status; statuses of nobody are left out."""


@dataclass(frozen=True, slots=True)
class RunsDocument:
    """Runs that the history knows, newest first."""

    __pydantic_config__ = _CLOSED

    schema: Literal["iea-fleet/runs/1"]
    runs: tuple[RecordPart, ...]


def document(records: Sequence[RunRecord]) -> dict[str, Any]:
    """The document of a list of runs, in the order given."""
    filled = RunsDocument(
        schema=SCHEMA,
        runs=tuple(RecordPart(run_part(record.run), dict(record.summary)) for record in records),
    )
    written: dict[str, Any] = _adapter().dump_python(filled, mode="json")
    return written


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``document``."""
    return titled(_adapter().json_schema(mode="serialization"), "runs")


@cache
def _adapter() -> TypeAdapter[RunsDocument]:
    return TypeAdapter(RunsDocument)
