"""The fixtures of a folder of tests that look at one lab, each as if nobody had been there before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from labs import FOUR_KINDS, RunningLab, running_lab

from iea_fleet.lab.kinds import Kind

Fixture = Callable[..., Iterator[RunningLab]]
Kinds = tuple[Kind, ...]


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


def turns(windows: Kinds = FOUR_KINDS[1:]) -> dict[str, Kinds]:
    """Kinds that take part together: POSIX, then the ``windows`` ones; with CHAOS_KILLS each kind by itself."""
    if "CHAOS_KILLS" in os.environ:
        return {kind: (kind,) for kind in FOUR_KINDS}
    return {"posix": FOUR_KINDS[:1], "windows": windows}


TURNS = turns()
on_each_kind = pytest.mark.parametrize("kinds", TURNS.values(), ids=TURNS, indirect=True, scope="session")
"""For a test of a folder whose other tests have POSIX workstations alone."""


def in_turn(kinds: Kinds, workstations: int) -> list[Kind]:
    """The kind of each of so many workstations."""
    return [kinds[number % len(kinds)] for number in range(workstations)]


def office_of_each_kind(
    name: str, workstations: int, offices: int, windows: Kinds = FOUR_KINDS[1:], *, unasked: bool = True
) -> tuple[Fixture, Callable[..., Kinds], Fixture]:
    """As ``office_of``, for POSIX workstations and then for ``windows`` ones in turn; with CHAOS_KILLS for each kind.

    The fixture between the two is named ``kinds``, and makes the tests run again: all of them, or, not ``unasked``,
    those that are marked ``on_each_kind``.
    """
    choice = turns(windows) if unasked else dict([*TURNS.items()][:1])

    @pytest.fixture(scope="session", name="kinds", params=choice.values(), ids=choice)
    def kinds(request: pytest.FixtureRequest) -> Kinds:
        return tuple(request.param)

    @pytest.fixture(scope="session", name=name)
    def running(tmp_path_factory: pytest.TempPathFactory, kinds: Kinds) -> Iterator[RunningLab]:
        of_each = in_turn(kinds, workstations)
        with running_lab(tmp_path_factory.mktemp(name), workstations, offices, kinds=of_each) as lab:
            yield lab

    @pytest.fixture(name="office")
    def office(request: pytest.FixtureRequest, kinds: Kinds) -> Iterator[RunningLab]:
        """Workstations as old installations are; what a test did to them is undone after."""
        with request.getfixturevalue(name).restored() as restored:
            yield restored

    return running, kinds, office
