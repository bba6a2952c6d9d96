"""What came of ``windows-check``: the steps that were tried on one Windows workstation, and what stays unproven."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal

STAND_IN: Final = "stand-in"
"""A word in what the lab says of its Windows: no PowerShell runs there."""

Verdict = Literal["as_expected", "unexpected", "not_tried"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. ``expected`` and ``came`` are classes of answers, ``seconds`` is how long it took.

    ``reason`` says what came in words, with the remedy where it is not what was expected; ``proves`` is what an
    expected answer shows about this workstation.
    """

    name: str
    title: str
    proves: str
    verdict: Verdict
    expected: str
    came: str = ""
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class WindowsCheck:
    """One workstation's check. ``powershell``, ``language`` and ``windows`` are what the agent said of itself.

    ``stand_in``: what answered is no PowerShell, but the lab's stand-in for it: nothing of this is about Windows.
    ``unproven`` are sentences on what no step has shown. ``reason_code`` and ``reason`` tell why there are no steps.
    """

    workstation: str
    transport: str
    at: dt.datetime
    version: str
    steps: tuple[Step, ...] = ()
    unproven: tuple[str, ...] = ()
    powershell: str = ""
    language: str = ""
    windows: str = ""
    stand_in: bool = False
    reason: str = ""
    reason_code: str = ""
    out_of_reach: bool = False

    @property
    def exit_code(self) -> int:
        """4 when it could not be looked at now, 1 when something came that was not expected, else 0."""
        if self.out_of_reach:
            return 4
        return 1 if self.reason_code or any(step.verdict != "as_expected" for step in self.steps) else 0
