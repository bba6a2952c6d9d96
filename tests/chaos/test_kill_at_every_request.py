"""The controller is killed with SIGKILL at every request number of a push; the next apply settles everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fleets import fleet, wait_until

LAST = 120
"""A push takes fewer requests than this."""
AT_ONCE = 60
"""So many workstations wait at their number together: each occupies one of 64 workers."""
EVERY = 1 if "CHAOS_KILLS" in os.environ else 11
WORKSTATIONS = 4
LATER = 12
"""By so many requests at most a later push differs from the first."""


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many requests a push has. One workstation for each number: all wait at theirs when the process is killed."""
    numbers: list[int] = []
    with fleet(tmp_path_factory.mktemp("at-once"), AT_ONCE) as many:
        for first in range(1, LAST, AT_ONCE):
            many.old_again()
            many.forget_pauses()
            for number, name in enumerate(many.lab.names, first):
                many.lab.break_(name, f"pause-at={number}")
            with many.killed_apply() as process:
                assert wait_until(many.stands_still, process)
            numbers += many.pauses().values()
            many.assert_whole()
            many.mend()
            many.assert_settled(many.apply())
        assert many.kills == LAST // AT_ONCE
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    return len(numbers)


def test_every_request_at_once(requests: int) -> None:
    assert AT_ONCE < requests < LAST


def test_a_kill_for_every_number(requests: int, tmp_path: Path) -> None:
    """Four workstations wait at four numbers, far from each other; each number has its turn, and each workstation.

    A later push has a few requests more or fewer than the first: its folder is there, its oldest backup goes.
    """
    apart = -(-(requests + LATER) // WORKSTATIONS)
    reached: set[int] = set()
    with fleet(tmp_path, WORKSTATIONS) as four:
        for turn, first in enumerate(range(1, apart + 1, EVERY)):
            numbers = range(first, WORKSTATIONS * apart + 1, apart)
            sure = sum(number <= requests - LATER for number in numbers)
            four.old_again()
            four.forget_pauses()
            for place, number in enumerate(numbers):
                four.lab.break_(four.lab.names[(place + turn) % WORKSTATIONS], f"pause-at={number}")
            with four.killed_apply() as process:
                assert wait_until(lambda sure=sure: len(four.pauses()) >= sure, process)
                assert sure == len(numbers) or wait_until(four.stands_still, process)
            reached.update(four.pauses().values())
            four.assert_whole()
            four.mend()
            four.assert_settled(four.apply())
            assert four.kills == turn + 1
    assert EVERY > 1 or reached == set(range(1, max(reached) + 1))
