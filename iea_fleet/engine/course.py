"""How a rollout goes about it: waves and a budget, the pauses between waves, and waiting for who is switched off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from iea_fleet.core.budget import Budget

Confirm = Callable[[int, int, int], bool]
"""Asked before each wave but the first: its number, of how many, and its workstations. False ends the rollout."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What the operator asked for. ``wave_pause`` and ``wait_offline`` are seconds; ``confirm`` lets a wave begin.

    ``test_accounts``: Net-Entreprises is asked about accounts before they are pushed.
    """

    wave_pause: float = 0.0
    wait_offline: float = 0.0
    confirm: Confirm | None = None
    test_accounts: bool = True


STEADY = Pace()
"""Wave after wave, and nobody is waited for."""


@dataclass(frozen=True, slots=True)
class Course:
    """The way of one rollout: the shares of its waves, what may go wrong, and the operator's pace."""

    shares: tuple[int | str, ...]
    budget: Budget
    pace: Pace = STEADY
