"""Wave by wave through a rollout: the canaries and who stands in for them, the pauses, and who is switched off."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from iea_fleet.core import waves
from iea_fleet.core.patience import pause_before
from iea_fleet.engine.course import Course
from iea_fleet.engine.rollout import Reaches, Rollout, is_offline
from iea_fleet.model.target import Target


@dataclass(frozen=True, slots=True)
class Waves:
    """One rollout in waves. A wave begins only when the one before has ended."""

    rollout: Rollout
    course: Course
    reaches: Reaches

    def visit(self, targets: Sequence[Target]) -> None:
        """Visit every target once, those that are offline perhaps again, until the rollout is halted."""
        left = waves.spread(targets)
        sizes = waves.sizes(self.course.shares, len(left))
        if len(sizes) > 1 and not self.rollout.halted:
            self.rollout.listener.told(f"budget: {self.course.budget.failed_in_words}")
        for number, share in enumerate(sizes, 1):
            size = min(share, len(left))
            if not left or not self._may_begin(number, len(sizes), size):
                break
            self.rollout.wave = number
            if number == 1:
                # Whoever is offline or waits is no canary: all others stand by to take its place.
                self.rollout.visit(left, self.reaches, wanted=size)
            else:
                self.rollout.visit(left[:size], self.reaches)
            left = [target for target in left if target.name not in self.rollout.outcomes]
        self._wait_for_offline(targets)

    def _may_begin(self, number: int, of: int, size: int) -> bool:
        rollout, pace = self.rollout, self.course.pace
        if rollout.halted:
            return False
        if number > 1 and pace.confirm is not None and not pace.confirm(number, of, size):
            rollout.halt(f"the operator did not let wave {number} of {of} begin", "not_confirmed")
        elif number > 1 and pace.wave_pause:
            rollout.listener.told(f"wave {number} of {of} begins in {_spoken(pace.wave_pause)}")
            rollout.rest(pace.wave_pause)
        if rollout.halted:
            return False
        if of > 1:
            rollout.listener.told(f"wave {number} of {of}: {size} workstation{'s' if size != 1 else ''}")
        return True

    def _wait_for_offline(self, targets: Sequence[Target]) -> None:
        """Try those that are switched off again and again, until the operator's time is up."""
        until, attempt = time.monotonic() + self.course.pace.wait_offline, 0
        while not self.rollout.halted and (offline := self._offline(targets)):
            left = until - time.monotonic()
            if left <= 0:
                break
            pause = min(left, pause_before(attempt, random.random()))  # noqa: S311 - chance, not a secret
            self.rollout.listener.told(
                f"{len(offline)} offline; trying again in {_spoken(pause)}, for {_spoken(left)} more"
            )
            self.rollout.rest(pause)
            if not self.rollout.halted:
                self.rollout.visit(offline, self.reaches)
            attempt += 1

    def _offline(self, targets: Sequence[Target]) -> list[Target]:
        outcomes = self.rollout.outcomes
        return [target for target in targets if target.name in outcomes and is_offline(outcomes[target.name])]


def _spoken(seconds: float) -> str:
    """A length of time in one rounded unit."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{round(seconds / length)} {unit}"
    return f"{max(1, round(seconds))} s"
