from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from labs import LAYOUT, RunningLab

from iea_fleet.errors import LabError
from iea_fleet.formats import format_named
from iea_fleet.lab import FAULTS
from iea_fleet.lab.faults import Fault
from iea_fleet.lab.installation import old_installation
from iea_fleet.lab.inventory import Reached, Wanted, inventory_text, lay_out
from iea_fleet.model.inventory import InventoryFile
from iea_fleet.model.version import IeaVersion, VersionRange


@given(st.integers(1, 60).flatmap(lambda offices: st.tuples(st.just(offices), st.integers(offices, 1500))))
def test_workstations_are_spread_evenly_and_named_once(numbers: tuple[int, int]) -> None:
    offices, workstations = numbers
    laid = lay_out(offices, workstations)
    names = [name for office in laid for name in office.workstations]
    sizes = [len(office.workstations) for office in laid]
    assert len(laid) == len({office.name for office in laid}) == offices
    assert len(names) == len(set(names)) == workstations
    assert max(sizes) - min(sizes) <= 1


def test_many_offices_make_a_valid_inventory() -> None:
    laid = lay_out(45, 230)
    names = [name for office in laid for name in office.workstations]
    wanted = Wanted("https://localhost:1", "https://localhost:1/updates", Path("/k"), "ca.pem")
    text = inventory_text("x", wanted, laid, dict.fromkeys(names, Reached(22, "ssh-ed25519 AAAA")))
    read = InventoryFile.model_validate(yaml.load(text, yaml.CSafeLoader))
    assert [name for office in read.offices.values() for name in office.workstations] == names


@pytest.mark.parametrize("folder", ["/home/é lève/lab", "/tmp/a: b #c", "/tmp/'q\"", "/x/true", "C:\\lab"])
def test_any_folder_can_stand_in_the_inventory(folder: str) -> None:
    wanted = Wanted("https://localhost:1", "https://localhost:1/updates", Path(folder), "ca.pem")
    assert yaml.safe_load(inventory_text("x", wanted, [], {}))["defaults"]["connection"]["key_file"] == folder


def test_the_written_inventory_is_one(session_lab: RunningLab) -> None:
    text = session_lab.inventory.read_text("utf-8")
    read = InventoryFile.model_validate(yaml.safe_load(text))
    assert read.layout == LAYOUT.name == "lab"
    assert next(office.title for office in read.offices.values()) == "Maison des associations, Nancy"
    assert read.defaults is not None
    connection, wanted = read.defaults.connection, read.defaults.server_connection
    assert connection is not None
    assert wanted is not None
    key = Path(connection.key_file or "")
    assert key.is_absolute()
    assert key.stat().st_mode & 0o777 == 0o600
    assert (session_lab.directory / (wanted.ca_file or "")).is_file()
    assert wanted.update_url == f"{wanted.authentication_url}/updates"
    found = [one for office in read.offices.values() for one in office.workstations.values()]
    assert {(one.address, one.connection.port) for one in found} == {  # type: ignore[union-attr]
        ("127.0.0.1", one.port) for one in session_lab.info.workstations
    }
    assert len({one.host_keys for one in found}) == len(found) == 6
    assert max(len(line) for line in text.splitlines() if "host_keys" not in line and "key_file" not in line) <= 90


def test_old_installations_differ_from_what_is_wanted_and_are_readable() -> None:
    states, versions, raw = [], set(), b""
    connection, state, version = LAYOUT.server_connection, LAYOUT.state_file, LAYOUT.version_file
    assert connection is not None
    assert state is not None
    assert version is not None
    keys = connection.keys
    assert keys.secure is not None
    assert keys.authentication_url is not None
    assert keys.update_url is not None
    read = format_named("properties").read
    for number in range(60):
        made = old_installation(number, 4711)
        names = (keys.secure.key, keys.authentication_url.key, keys.update_url.key, "serveur.assistance")
        found = read(made["connexion.properties"], names, "latin-1")
        assert len(found) == 4
        assert found["serveur.maj"] != "https://localhost:4711/updates"
        shown = read(made["etat.properties"], [state.key], "latin-1")[state.key]
        assert shown == ("echec" if ":80" in str(found["serveur.authentification"]) else "connecte")
        states.append(shown)
        versions.add(read(made["version.properties"], [version.key])[version.key])
        raw += made["connexion.properties"]
    assert states.count("connecte") > states.count("echec") > 0
    assert versions == {"V72", "3.02.004"}
    assert all(IeaVersion.parse(str(v)) in VersionRange.parse(LAYOUT.versions or "") for v in versions)
    assert b"\r\n" in raw
    assert b"\xe8" in raw


@pytest.mark.parametrize("kind", FAULTS)
def test_every_listed_fault_is_understood(kind: str) -> None:
    text = kind.replace("=MS", "=20").replace("=N", "=20").replace("=HOURS", "=+3h")
    assert str(Fault.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["ofline", "slow", "slow=", "slow=0", "slow=-1", "slow=²", "drop-after=x", "hang=3", ""]
)
def test_other_faults_are_refused_with_what_is_known(text: str) -> None:
    with pytest.raises(LabError) as refused:
        Fault.parse(text)
    assert "slow=" in str(refused.value) or "drop-after=" in str(refused.value)


def test_a_misspelt_fault_names_the_near_one() -> None:
    with pytest.raises(LabError, match="did you mean offline"):
        Fault.parse("ofline")
