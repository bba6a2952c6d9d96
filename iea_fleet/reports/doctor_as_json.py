"""What ``doctor`` found out, as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from iea_fleet.model.examination import Examination, Finding, Step, Verdict
from iea_fleet.reports.as_json import titled
from iea_fleet.reports.safe import whole

SCHEMA: Final = "iea-fleet/doctor/1"
_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class StepPart:
    """One thing that was looked at."""

    __pydantic_config__ = _CLOSED

    name: str
    """`jump`, `name`, `port`, `first_word`, `host_key` or `certificate`, `login`, `folders`, `settings` …"""
    finding: Finding
    seen: str
    """What was found, or why nothing was."""
    remedy: str
    """What a person can do; empty where nothing is to be done."""
    reason_code: str
    """Stays the same between releases; empty where all is well."""
    seconds: float | None
    """How long it took; null where it came with another step or was not tried."""


@dataclass(frozen=True, slots=True)
class ExaminedPart:
    """One workstation."""

    __pydantic_config__ = _CLOSED

    name: str
    office: str
    way: str
    """How it is reached, in words; empty where nobody connects to it."""
    verdict: Verdict
    steps: tuple[StepPart, ...]
    """In the order in which they were taken."""


@dataclass(frozen=True, slots=True)
class DoctorDocument:
    """What was found out about each workstation, in the order of the inventory."""

    __pydantic_config__ = _CLOSED

    schema: Literal["iea-fleet/doctor/1"]
    inventory: str
    workstations: tuple[ExaminedPart, ...]


def doctor_document(inventory: str, examinations: Sequence[Examination]) -> dict[str, Any]:
    """The document, ready for ``json.dumps``."""
    filled = DoctorDocument(SCHEMA, inventory, tuple(map(_examined, examinations)))
    written: dict[str, Any] = _adapter().dump_python(filled, mode="json")
    return written


def doctor_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``doctor_document``."""
    return titled(_adapter().json_schema(mode="serialization"), "doctor")


@cache
def _adapter() -> TypeAdapter[DoctorDocument]:
    return TypeAdapter(DoctorDocument)


def _examined(one: Examination) -> ExaminedPart:
    return ExaminedPart(one.workstation, one.office, one.way, one.verdict, tuple(map(_step, one.steps)))


def _step(step: Step) -> StepPart:
    seconds = None if step.seconds is None else round(step.seconds, 4)
    return StepPart(step.name, step.finding, str(whole(step.seen)), str(whole(step.remedy)), step.reason_code, seconds)
