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
def rollback_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with running_lab(tmp_path_factory.mktemp("rollback"), workstations=3, offices=1) as running:
        yield running


@pytest.fixture
def office(rollback_lab: RunningLab) -> Iterator[RunningLab]:
    """Three workstations as old installations are; what a test did to them is undone after."""
    with rollback_lab.restored() as restored:
        yield restored


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command, with an empty home and no history."""
    return CommandLine(tmp_path)
