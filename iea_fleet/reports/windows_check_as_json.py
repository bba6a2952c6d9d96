"""Checks of Windows workstations as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from iea_fleet.model.windows_check import Step, Verdict, WindowsCheck
from iea_fleet.reports.as_json import titled
from iea_fleet.reports.safe import whole

SCHEMA: Final = "iea-fleet/windows-check/1"
_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class StepPart:
    """One thing that was tried."""

    __pydantic_config__ = _CLOSED

    name: str
    title: str
    verdict: Verdict
    expected: str
    """The classes of answers that are expected."""
    came: str
    """The class that came, or the code of what ended it; empty when it was not tried."""
    reason: str
    """A sentence for people, with the remedy where something else came than was expected."""
    proves: str
    """What an expected answer shows about this workstation."""
    seconds: float


@dataclass(frozen=True, slots=True)
class CheckPart:
    """One workstation."""

    __pydantic_config__ = _CLOSED

    workstation: str
    transport: str
    at: str
    version: str
    """Of iea-fleet."""
    exit_code: int
    reason_code: str
    """Why nothing was tried; empty when there are steps."""
    reason: str
    powershell: str
    language: str
    windows: str
    stand_in: bool
    """Whether the lab's stand-in for PowerShell answered: then nothing here is about Windows."""
    steps: tuple[StepPart, ...]
    unproven: tuple[str, ...]
    """What no step has shown, in sentences."""


@dataclass(frozen=True, slots=True)
class ChecksDocument:
    """What `windows-check` tried, and what came."""

    __pydantic_config__ = _CLOSED

    schema: Literal["iea-fleet/windows-check/1"]
    checks: tuple[CheckPart, ...]


def checks_document(checks: Sequence[WindowsCheck]) -> dict[str, Any]:
    """The document, ready for ``json.dumps``."""
    filled = ChecksDocument(SCHEMA, tuple(map(_part, checks)))
    written: dict[str, Any] = _adapter().dump_python(filled, mode="json")
    return written


def windows_check_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``checks_document``."""
    return titled(_adapter().json_schema(mode="serialization"), "windows-check")


@cache
def _adapter() -> TypeAdapter[ChecksDocument]:
    return TypeAdapter(ChecksDocument)


def _part(check: WindowsCheck) -> CheckPart:
    return CheckPart(
        workstation=check.workstation,
        transport=check.transport,
        at=check.at.isoformat(),
        version=check.version,
        exit_code=check.exit_code,
        reason_code=check.reason_code,
        reason=str(whole(check.reason)),
        powershell=str(whole(check.powershell)),
        language=str(whole(check.language)),
        windows=str(whole(check.windows)),
        stand_in=check.stand_in,
        steps=tuple(map(_step, check.steps)),
        unproven=check.unproven,
    )


def _step(step: Step) -> StepPart:
    return StepPart(
        name=step.name,
        title=step.title,
        verdict=step.verdict,
        expected=step.expected,
        came=str(whole(step.came)),
        reason=str(whole(step.reason)),
        proves=step.proves,
        seconds=round(step.seconds, 3),
    )
