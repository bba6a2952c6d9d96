from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine
from labs import RunningLab, running_lab


@pytest.fixture(scope="session")
def six_workstations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """One lab for all modules that need no other."""
    with running_lab(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture
def office(six_workstations: RunningLab) -> Iterator[RunningLab]:
    """Six workstations in three offices, as old installations are; what a test did to them is undone after."""
    with six_workstations.restored() as restored:
        yield restored


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command, with an empty home and no history."""
    return CommandLine(tmp_path)
