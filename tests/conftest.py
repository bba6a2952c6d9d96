"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from hypothesis import settings

# How long an example takes depends on how busy the machine is; no law here is about that.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command, with an empty home and no history."""
    return CommandLine(tmp_path)
