"""What ``doctor`` found out about a workstation: the steps of the way to its settings, in the order of that way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Verdict = Literal["offline", "bad", "warn", "interrupted", "guided", "ok"]
"""What is to be said of a workstation as a whole."""

GUIDED: Final = "guided"
"""The only step, and the reason code, of a workstation that a person at the window sets."""

_TITLES: Final = {
    "jump": "jump host",
    "powershell": "PowerShell",
    "run": "run.json",
    "private": "private folder",
    "room": "free space",
}


def title(name: str) -> str:
    """What people call a step.

    >>> title("room"), title("host_key")
    ('free space', 'host key')
    """
    return _TITLES.get(name) or name.replace("_", " ")


class Finding(StrEnum):
    """What came of one step."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at. ``seen`` is what was found, or why nothing was; ``remedy`` what a person can do.

    ``seconds`` is how long it took, None where it came with the step before it or was not tried. ``reason_code`` stays
    the same between releases, "" where all is well.
    """

    name: str
    finding: Finding
    seen: str
    remedy: str = ""
    reason_code: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Examination:
    """One workstation. ``way`` is how it is reached, in words, "" where nobody connects to it.

    ``offline``: no TCP connection came to be.
    """

    workstation: str
    office: str
    way: str
    steps: tuple[Step, ...]
    offline: bool = False

    @property
    def exit_code(self) -> int:
        """4 when it was not reached, 1 when something is bad, else 0."""
        if self.offline:
            return 4
        return 1 if any(step.finding is Finding.BAD for step in self.steps) else 0

    @property
    def verdict(self) -> Verdict:
        """The worst that was found, in one word."""
        if self.offline:
            return "offline"
        found = {step.finding for step in self.steps}
        if Finding.BAD in found or Finding.WARN in found:
            return "bad" if Finding.BAD in found else "warn"
        if Finding.OK in found:
            return "ok"
        return "guided" if self.steps[0].name == GUIDED else "interrupted"
