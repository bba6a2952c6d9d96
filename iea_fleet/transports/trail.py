"""Steps as they are taken, each with its time: nobody goes on after a bad one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from iea_fleet.errors import IeaFleetError
from iea_fleet.model.examination import Finding, Step

Seen = str | Step
"""What a look returns: what was seen where all is well, else the step itself."""


@dataclass
class Trail:
    """The steps taken on one workstation. ``error`` is what ended them, None while they can go on."""

    steps: list[Step] = field(default_factory=list)
    error: IeaFleetError | None = None

    def take(self, name: str, look: Callable[[], Seen]) -> bool:
        """Take one step; whether to go on. An IeaFleetError of ``look`` is what was found."""
        began = time.monotonic()
        try:
            seen = look()
        except IeaFleetError as error:
            self.error = error
            seen = Step(name, Finding.BAD, error.sentence, error.hint, error.code)
        step = Step(name, Finding.OK, seen) if isinstance(seen, str) else seen
        self.steps.append(replace(step, seconds=time.monotonic() - began))
        return step.finding is not Finding.BAD
