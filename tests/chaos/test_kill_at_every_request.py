"""The controller is killed with SIGKILL at every request number of a push; the next apply settles everything."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fleets import Fleet, fleet, wait_until

LAST = 120
"""A push takes fewer requests than this."""
EVERY = 1 if "CHAOS_KILLS" in os.environ else 28


def test_every_request_at_once(tmp_path: Path) -> None:
    """One workstation for each number: all of them wait at theirs when the one process is killed."""
    with fleet(tmp_path, LAST) as many:
        for number, name in enumerate(many.lab.names, 1):
            many.lab.break_(name, f"pause-at={number}")
        with many.killed_apply() as process:
            assert wait_until(lambda: _stands_still(many), process)
        reached = many.pauses()
        numbers = sorted(reached.values())
        assert numbers == list(range(1, len(numbers) + 1))
        assert 40 < len(numbers) < LAST
        many.assert_whole()
        for name in many.lab.names:
            many.lab.mend(name)
        many.assert_settled(many.apply())


def _stands_still(many: Fleet) -> bool:
    """Whether every workstation has either come to its pause or was finished: the push goes no further."""
    before = many.pauses()
    time.sleep(1.5)
    return bool(before) and many.pauses() == before


def test_every_request_one_by_one(tmp_path: Path) -> None:
    """Four workstations, of which one waits at the number: the others are wherever they are when it is killed."""
    with fleet(tmp_path, 4) as four:
        for number in range(1, LAST, EVERY):
            slow = four.lab.names[number % 4]
            four.old_again()
            four.forget_pauses()
            four.lab.break_(slow, f"pause-at={number}")
            with four.killed_apply() as process:
                came = wait_until(lambda: bool(four.pauses()), process)
            four.assert_whole()
            four.lab.mend(slow)
            four.assert_settled(four.apply())
            if not came:
                break
        assert not came
        assert 40 < number < LAST
