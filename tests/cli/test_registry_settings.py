"""Settings kept in the Windows registry, by the real command on the lab's Windows workstations of each kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import CommandLine
from lab_files import inventory
from labs import FOUR_KINDS, LAYOUTS, RunningLab, running_lab

KINDS = FOUR_KINDS[1:]
KEY = "HKLM/SOFTWARE/Impact emploi/Connexion"
OTHERS = {
    "Police": {"kind": "ExpandString", "data": "%SystemRoot%\\Fonts\\Arial"},
    "Licence": {"kind": "Binary", "data": "AAEC/w=="},
    "Postes": {"kind": "MultiString", "data": ["un", "deux"]},
}
OLD = {
    "Securise": {"kind": "DWord", "data": 0},
    "Serveur": {"kind": "String", "data": "http://localhost:80"},
    **OTHERS,
}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    folder = tmp_path_factory.mktemp("registry")
    with running_lab(folder, len(KINDS), 1, kinds=KINDS) as lab:
        # The lab's IEA reads its file, whatever the layout says: with that one right its tray icon is blue.
        assert CommandLine(folder).run("apply", lab.inventory, "--yes").exit_code == 0
        yield lab


@pytest.fixture
def office(three: RunningLab) -> Iterator[RunningLab]:
    with three.restored() as lab:
        for name in lab.names:
            write(lab, name, {KEY: OLD, f"{KEY}/Sous-clé": {"Serveur": {"kind": "String", "data": "x"}}})
        yield lab


@pytest.fixture
def in_registry(office: RunningLab) -> Path:
    """The lab's inventory, by a layout that keeps the connection settings in the registry."""
    layout = LAYOUTS["lab-windows"].model_dump(mode="json", exclude_none=True)
    layout["name"] = "in-registry"
    layout["server_connection"] = {
        "file": KEY.replace("/", "\\"),
        "format": "registry",
        "keys": {
            "secure": {"key": "securise", "values": {"1": True, "0": False}},
            "authentication_url": {"key": "Serveur"},
            "update_url": {"key": "Mises à jour"},
        },
    }
    (office.directory / "in-registry.yml").write_text(yaml.safe_dump(layout, allow_unicode=True), encoding="utf-8")
    return inventory(office, "registry", ("layout: lab-windows", "layout: in-registry.yml"))


def keys(lab: RunningLab, name: str) -> dict[str, Any]:
    found = json.loads((lab.directory / "workstations" / name / "HKLM.json").read_bytes())
    assert isinstance(found, dict)
    return {path: values for path, values in found.items() if path.startswith(KEY)}


def write(lab: RunningLab, name: str, changed: dict[str, Any]) -> None:
    file = lab.directory / "workstations" / name / "HKLM.json"
    known = json.loads(file.read_bytes()) if file.exists() else {}
    file.write_text(json.dumps({**known, **changed}), encoding="utf-8")


def right(lab: RunningLab) -> dict[str, Any]:
    return {
        "Securise": {"kind": "DWord", "data": 1},
        "Serveur": {"kind": "String", "data": lab.info.authentication_url},
        "Mises à jour": {"kind": "String", "data": lab.info.update_url},
        **OTHERS,
    }


def test_from_a_plan_to_what_was_before(office: RunningLab, in_registry: Path, cli: CommandLine) -> None:
    before = {name: keys(office, name) for name in office.names}
    planned = cli.run("plan", in_registry, "--format", "json")
    assert planned.exit_code == 3, planned.out
    for name in office.names:
        found = {one["setting"]: (one["before"], one["after"]) for one in planned.cell(name)["differences"]}
        assert found["secure"] == (False, True)
        assert found["update_url"] == (None, office.info.update_url)
    assert {name: keys(office, name) for name in office.names} == before

    applied = cli.run("apply", in_registry, "--yes", "--format", "json")
    assert set(applied.statuses.values()) == {"changed"}, applied.out
    for name in office.names:
        assert keys(office, name) == {**before[name], KEY: right(office)}
    assert cli.run("apply", in_registry, "--yes").exit_code == 0
    assert cli.run("drift", in_registry).exit_code == 0

    write(office, office.names[0], {KEY: {**right(office), "Securise": {"kind": "DWord", "data": 0}}})
    drift = cli.run("drift", in_registry, "--format", "json")
    assert (drift.exit_code, drift.cell(office.names[0])["status"]) == (3, "drifted")
    assert "« Sécurisé » is not ticked" in drift.cell(office.names[0])["reason"]
    write(office, office.names[0], {KEY: right(office)})

    back = cli.run("rollback", str(applied.document["run"]["id"]), "--yes", "--format", "json")
    assert {back.cell(name)["reason_code"] for name in office.names} == {"put_back"}, back.out
    assert {name: keys(office, name) for name in office.names} == before


def test_a_number_takes_no_text_and_nothing_is_written(office: RunningLab, in_registry: Path, cli: CommandLine) -> None:
    name = office.names[0]
    write(office, name, {KEY: {**OLD, "Serveur": {"kind": "DWord", "data": 7}}})
    before = keys(office, name)
    cell = cli.run("apply", in_registry, "--yes", "--format", "json", "--limit", name).cell(name)
    assert (cell["status"], cell["reason_code"]) == ("failed", "cannot_hold")
    assert "it is a DWord in the registry: a whole number from 0 to 4294967295" in cell["reason"]
    assert keys(office, name) == before


def test_a_missing_key_waits_or_is_made_and_removed_again(
    office: RunningLab, in_registry: Path, cli: CommandLine
) -> None:
    for name in office.names:
        (office.directory / "workstations" / name / "HKLM.json").unlink()
    waiting = cli.run("apply", in_registry, "--yes", "--format", "json")
    assert {waiting.cell(name)["reason_code"] for name in office.names} == {"settings_absent"}
    shown = KEY.replace("/", "\\")
    assert f"the key {shown} is not there" in waiting.cell(office.names[0])["reason"]
    assert "its spelling, or HKLM\\SOFTWARE\\WOW6432Node" in waiting.cell(office.names[0])["reason"]
    looked = cli.run("doctor", in_registry, "--limit", office.names[0], "--verbose")
    assert (looked.exit_code, looked.out.count("HKLM/")) == (0, 0)
    assert "WOW6432Node" in looked.out

    layout = office.directory / "in-registry.yml"
    layout.write_text(layout.read_text("utf-8").replace("format: registry\n", 'format: registry\n  new: ""\n'), "utf-8")
    made = cli.run("apply", in_registry, "--yes", "--format", "json")
    assert set(made.statuses.values()) == {"changed"}, made.out
    texts = {name: {"kind": "String", "data": value["data"]} for name, value in right(office).items()}
    for name in office.names:
        found = keys(office, name)[KEY]
        assert found == {
            "securise": {"kind": "String", "data": "1"},
            "Serveur": texts["Serveur"],
            "Mises à jour": texts["Mises à jour"],
        }
    back = cli.run("rollback", str(made.document["run"]["id"]), "--yes", "--format", "json")
    assert {back.cell(name)["reason_code"] for name in office.names} == {"put_back"}, back.out
    assert [keys(office, name) for name in office.names] == [{}] * len(KINDS)
