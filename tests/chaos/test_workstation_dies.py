"""The workstation restarts after every request of a push, or loses the answer to it; the next apply settles it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fleets import fleet
from labs import FOUR_KINDS

from iea_fleet.lab.kinds import Kind

LAST = 120
"""A push takes fewer requests than this."""
EVERY = 1 if "CHAOS_KILLS" in os.environ else 13


@pytest.mark.parametrize("kind", FOUR_KINDS)
@pytest.mark.parametrize("fault", ["die-after", "lost-answer"])
def test_at_every_request(tmp_path: Path, kind: Kind, fault: str) -> None:
    """One workstation for each number, all in one push."""
    numbers = range(1, LAST + 1, 1 if kind == "ssh" else EVERY)
    with fleet(tmp_path, len(numbers), kind) as many:
        for number, name in zip(numbers, many.lab.names, strict=True):
            many.lab.break_(name, f"{fault}={number}")
        first = many.apply()
        statuses = [first.statuses[name] for name in many.lab.names]
        cut = statuses.count("failed")
        assert statuses == ["failed"] * cut + ["changed"] * (len(numbers) - cut)
        assert 40 < numbers[cut] < LAST
        many.assert_whole()
        many.mend()
        many.assert_settled(many.apply())
