"""How long to wait before a workstation that is switched off is tried again. Pure."""

from __future__ import annotations

from typing import Final

_FIRST: Final = 5.0
_LONGEST: Final = 300.0
_SCATTER: Final = 0.2


def pause_before(attempt: int, chance: float) -> float:
    """Seconds before the attempt of this number, from 0: 5, 10, 20 … and at most 300, each up to 20 % more or less.

    ``chance`` is from 0 to 1 and drawn anew each time: two controllers must not go on knocking at the same moment.

    >>> [pause_before(attempt, 0.5) for attempt in (0, 1, 5, 6, 100)]
    [5.0, 10.0, 160.0, 300.0, 300.0]
    """
    pause = min(_LONGEST, _FIRST * 2.0 ** min(attempt, 10))
    return pause * (1 - _SCATTER + 2 * _SCATTER * chance)
