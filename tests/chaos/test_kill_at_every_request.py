"""The controller is killed with SIGKILL at every request number of a push; the next apply settles everything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest
from fleets import fleet, wait_until
from labs import FOUR_KINDS

from iea_fleet.lab.kinds import Kind

LAST = 120
"""A push takes fewer requests than this."""
FEWEST = {"ssh": 60, "ssh-windows": 50, "winrm-https": 60, "winrm-sealed": 60}
"""And more than these."""
AT_ONCE = 60
"""So many workstations wait at their number together: each occupies one of 64 workers."""
LONG = "CHAOS_KILLS" in os.environ
STRIDES = {"ssh": (1, 11)}
ON_WINDOWS = (5, 29)
"""How far apart the numbers are that have their turn, at once and each by itself; with CHAOS_KILLS each of them has."""
WORKSTATIONS = 4
LATER = 12
"""By so many requests at most a later push differs from the first."""


@pytest.fixture(scope="module", params=FOUR_KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return cast("Kind", request.param)


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> int:
    """How many requests a push has. One workstation for each number: all wait at theirs when the process is killed."""
    numbers: list[int] = []
    every = 1 if LONG else STRIDES.get(kind, ON_WINDOWS)[0]
    tried = range(1, LAST + 1, every)
    with fleet(tmp_path_factory.mktemp("at-once"), min(AT_ONCE, len(tried)), kind) as many:
        for first in range(0, len(tried), AT_ONCE):
            many.old_again()
            many.forget_pauses()
            for number, name in zip(tried[first:], many.lab.names, strict=False):
                many.lab.break_(name, f"pause-at={number}")
            with many.killed_apply() as process:
                assert wait_until(many.stands_still, process)
            numbers += many.pauses().values()
            many.assert_whole()
            many.mend()
            many.assert_settled(many.apply())
        assert many.kills == -(-len(tried) // AT_ONCE)
    assert sorted(numbers) == list(tried[: len(numbers)])
    return max(numbers)


def test_every_request_at_once(requests: int, kind: Kind) -> None:
    assert FEWEST[kind] < requests < LAST


def test_a_kill_for_every_number(requests: int, kind: Kind, tmp_path: Path) -> None:
    """Four workstations wait at four numbers, far from each other; each number has its turn, and each workstation.

    A later push has a few requests more or fewer than the first: its folder is there, its oldest backup goes.
    """
    every = 1 if LONG else STRIDES.get(kind, ON_WINDOWS)[1]
    apart = -(-(requests + LATER) // WORKSTATIONS)
    reached: set[int] = set()
    with fleet(tmp_path, WORKSTATIONS, kind) as four:
        for turn, first in enumerate(range(1, apart + 1, every)):
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
    # Over WinRM a wait for output is a request: the last numbers are reached only by a push that had to wait as often.
    sure = max(reached) if "winrm" not in kind else requests - LATER
    assert every > 1 or reached >= set(range(1, sure + 1))
