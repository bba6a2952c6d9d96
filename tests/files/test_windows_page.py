"""What ``docs/windows.md`` tells people to write is what the product reads."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from iea_fleet.cli.main import COMMANDS
from iea_fleet.engine.load import load
from iea_fleet.model.layout import Layout
from iea_fleet.model.request import Failed, ReadFile
from iea_fleet.model.target import SshConnection, WinrmConnection
from iea_fleet.transports.windows.answers import answer

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


def test_the_inventory_is_one_with_its_layout(tmp_path: Path) -> None:
    (layout,) = (block for block in blocks("yaml") if "\nroot:" in block)
    (inventory,) = (block for block in blocks("yaml") if "\noffices:" in block)
    (tmp_path / "impact-emploi-3.yml").write_text(layout, encoding="utf-8")
    (tmp_path / "inventory.yml").write_text(inventory, encoding="utf-8")
    loaded = load(tmp_path / "inventory.yml")
    assert [str(one) for one in loaded.warnings] == []
    over_ssh, *_, over_winrm = (target.connection for target in loaded.targets)
    assert isinstance(over_ssh, SshConnection)
    assert isinstance(over_winrm, WinrmConnection)
    assert (over_ssh.timeout, over_winrm.timeout) == (60, 60)
    assert str(over_winrm.password) == "age:winrm/nancy-accueil"


def test_the_steps_come_in_their_order() -> None:
    steps = re.findall(r"^[0-9]\. .*?\(#([^)]*)\)", PAGE, re.MULTILINE)
    titles = re.findall(r"^## (.*)", PAGE, re.MULTILINE)
    slugs = [re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert len(steps) == 8
    assert [slug for slug in slugs if slug[0].isdigit()] == steps


def test_a_file_that_the_antivirus_holds_has_the_words_of_the_product() -> None:
    line = b"failed code=" + base64.b64encode(b"busy") + b" detail="
    found = answer(ReadFile("C:/any"), line)
    assert isinstance(found, Failed)
    assert f"`failed`, reason code `{found.reason_code}`" in PAGE


@pytest.mark.parametrize("line", re.findall(r"iea-fleet ((?:[a-z-]+) [^\n`]*)", "\n".join(blocks("console")) + PAGE))
def test_the_commands_are_there(line: str) -> None:
    command, *words = line.split()
    if command not in COMMANDS:
        pytest.fail(f"there is no command {command}")
    reference = (DOCS / "commands.md").read_text(encoding="utf-8")
    section = reference.split(f"## iea-fleet {command}\n")[1]
    for option in (word for word in words if word.startswith("--")):
        assert option in section
