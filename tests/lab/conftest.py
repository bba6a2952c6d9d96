from __future__ import annotations

from collections.abc import Iterator

import pytest
from labs import RunningLab, running_lab


@pytest.fixture(scope="session")
def session_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with running_lab(tmp_path_factory.mktemp("labs"), accounts=True) as running:
        yield running


@pytest.fixture
def office(session_lab: RunningLab) -> Iterator[RunningLab]:
    """The one lab of these tests; what a test did to it is undone after."""
    with session_lab.restored() as restored:
        yield restored
