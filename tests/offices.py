"""The fixtures of a folder of tests that look at one lab, each as if nobody had been there before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from labs import RunningLab, running_lab

Fixture = Callable[..., Iterator[RunningLab]]


def office_of(name: str, workstations: int, offices: int) -> tuple[Fixture, Fixture]:
    """The fixture ``name``, one lab for a folder of tests, and ``office``, restored after each test."""

    @pytest.fixture(scope="session", name=name)
    def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
        with running_lab(tmp_path_factory.mktemp(name), workstations, offices) as lab:
            yield lab

    @pytest.fixture(name="office")
    def office(request: pytest.FixtureRequest) -> Iterator[RunningLab]:
        """Workstations as old installations are; what a test did to them is undone after."""
        with request.getfixturevalue(name).restored() as restored:
            yield restored

    return running, office
