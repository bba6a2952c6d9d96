"""What ``docs/windows.md`` tells people to write is what the product reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from iea_fleet.cli.main import COMMANDS
from iea_fleet.model.inventory import Settings, Workstation
from iea_fleet.model.layout import Layout

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "windows.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def examples() -> list[Any]:
    return [yaml.safe_load(block) for block in blocks("yaml")]


def test_the_layout_is_one() -> None:
    (layout,) = (Layout.model_validate(one) for one in examples() if "root" in one)
    assert layout.os == "windows"
    assert layout.server_connection is not None
    assert layout.server_connection.format == "registry"


def test_the_connections_are_such() -> None:
    over_ssh = next(one["defaults"] for one in examples() if "defaults" in one)
    over_winrm = next(one["nancy-accueil"] for one in examples() if "nancy-accueil" in one)
    whole = {**over_winrm["connection"], "certificate": "sha256:" + "5f" * 32}
    assert Settings.model_validate(over_ssh).connection is not None
    assert Workstation.model_validate({**over_winrm, "connection": whole}).connection is not None


@pytest.mark.parametrize("line", re.findall(r"iea-fleet ((?:[a-z-]+) [^\n`]*)", "\n".join(blocks("console")) + PAGE))
def test_the_commands_are_there(line: str) -> None:
    command, *words = line.split()
    if command not in COMMANDS:
        pytest.fail(f"there is no command {command}")
    reference = (DOCS / "commands.md").read_text(encoding="utf-8")
    section = reference.split(f"## iea-fleet {command}\n")[1]
    for option in (word for word in words if word.startswith("--")):
        assert option in section
