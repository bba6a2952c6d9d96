from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The real command, its terminals and the lab's files are looked at as the tests of the command line do.
sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))

from command_line import CommandLine
from labs import RunningLab, running_lab


@pytest.fixture(scope="session")
def ten_workstations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with running_lab(tmp_path_factory.mktemp("ten"), workstations=10, offices=2) as running:
        yield running


@pytest.fixture
def office(ten_workstations: RunningLab) -> Iterator[RunningLab]:
    """Ten workstations in two offices, as old installations are; what a test did to them is undone after."""
    with ten_workstations.restored() as restored:
        yield restored


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command, with an empty home and no history."""
    return CommandLine(tmp_path)
