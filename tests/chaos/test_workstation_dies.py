"""The workstation restarts after every request of a push, or loses the answer to it; the next apply settles it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleets import fleet

LAST = 120
"""A push takes fewer requests than this."""


@pytest.mark.parametrize("kind", ["die-after", "lost-answer"])
def test_at_every_request(tmp_path: Path, kind: str) -> None:
    """One workstation for each number, all in one push."""
    with fleet(tmp_path, LAST) as many:
        for number, name in enumerate(many.lab.names, 1):
            many.lab.break_(name, f"{kind}={number}")
        first = many.apply()
        statuses = [first.statuses[name] for name in many.lab.names]
        requests = statuses.count("failed")
        assert statuses == ["failed"] * requests + ["changed"] * (LAST - requests)
        assert 40 < requests < LAST
        many.assert_whole()
        many.mend()
        many.assert_settled(many.apply())
