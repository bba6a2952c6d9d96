from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine
from labs import RunningLab, running_lab


@pytest.fixture(scope="session")
def plans_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """One lab for all modules of saved plans."""
    with running_lab(tmp_path_factory.mktemp("plans")) as running:
        yield running


@pytest.fixture
def office(plans_lab: RunningLab) -> Iterator[RunningLab]:
    """Six workstations in three offices, as old installations are; what a test did to them is undone after."""
    with plans_lab.restored() as restored:
        yield restored


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command, with an empty home and no history."""
    return CommandLine(tmp_path)
