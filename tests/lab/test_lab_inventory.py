from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import httpx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from labs import LAYOUT, RunningLab, running_lab

from iea_fleet.errors import LabError
from iea_fleet.formats import format_named
from iea_fleet.lab import FAULTS
from iea_fleet.lab.faults import Fault
from iea_fleet.lab.installation import old_installation
from iea_fleet.lab.inventory import Reached, Wanted, inventory_text, lay_out
from iea_fleet.lab.net_entreprises import TEST_HOST
from iea_fleet.model.inventory import Identity, InventoryFile
from iea_fleet.model.version import IeaVersion, VersionRange
from iea_fleet.secrets import Secrets

REACHED = Reached(22, "ssh-ed25519 AAAA")
RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


@given(st.integers(1, 60).flatmap(lambda offices: st.tuples(st.just(offices), st.integers(offices, 1500))))
def test_workstations_are_spread_evenly_and_named_once(numbers: tuple[int, int]) -> None:
    offices, workstations = numbers
    laid = lay_out(offices, workstations)
    names = [name for office in laid for name in office.workstations]
    sizes = [len(office.workstations) for office in laid]
    assert len(laid) == len({office.name for office in laid}) == offices
    assert len(names) == len(set(names)) == workstations
    assert max(sizes) - min(sizes) <= 1


def wanted(key_file: Path) -> Wanted:
    url = "https://localhost:1"
    return Wanted(url, f"{url}/updates", key_file, "ca.pem", "http://127.0.0.1:2", RECIPIENT)


def test_many_offices_make_a_valid_inventory() -> None:
    laid = lay_out(45, 230)
    names = [name for office in laid for name in office.workstations]
    text = inventory_text("x", wanted(Path("/k")), laid, dict.fromkeys(names, REACHED))
    read = InventoryFile.model_validate(yaml.load(text, yaml.CSafeLoader))
    assert [name for office in read.offices.values() for name in office.workstations] == names


@pytest.mark.parametrize("folder", ["/home/é lève/lab", "/tmp/a: b #c", "/tmp/'q\"", "/x/true", "C:\\lab"])
def test_any_folder_can_stand_in_the_inventory(folder: str) -> None:
    assert (
        yaml.safe_load(inventory_text("x", wanted(Path(folder)), [], {}))["defaults"]["connection"]["key_file"]
        == folder
    )


def test_the_written_inventory_is_one(session_lab: RunningLab) -> None:
    text = session_lab.inventory.read_text("utf-8")
    read = InventoryFile.model_validate(yaml.safe_load(text))
    assert read.layout == LAYOUT.name == "lab"
    assert next(office.title for office in read.offices.values()) == "Maison des associations, Nancy"
    assert read.defaults is not None
    connection, asked = read.defaults.connection, read.defaults.server_connection
    assert connection is not None
    assert asked is not None
    key = Path(connection.key_file or "")
    assert key.is_absolute()
    assert key.stat().st_mode & 0o777 == 0o600
    assert (session_lab.directory / (asked.ca_file or "")).is_file()
    assert asked.update_url == f"{asked.authentication_url}/updates"
    found = [one for office in read.offices.values() for one in office.workstations.values()]
    assert {(one.address, one.connection.port) for one in found} == {  # type: ignore[union-attr]
        ("127.0.0.1", one.port) for one in session_lab.info.workstations
    }
    assert len({one.host_keys for one in found}) == len(found) == 6
    assert (
        max(
            len(line)
            for line in text.splitlines()
            if "host_keys" not in line and "recipients" not in line and "key_file" not in line
        )
        <= 90
    )


def test_the_inventory_knows_accounts_whose_passwords_the_portal_takes(tmp_path: Path) -> None:
    # A lab of its own: others change passwords at the portal of the one they share.
    with running_lab(tmp_path, 1, 1, accounts=True) as fresh:
        _accounts_are_good(fresh)


def _accounts_are_good(running: RunningLab) -> None:
    written = InventoryFile.model_validate(yaml.safe_load(running.inventory.read_text("utf-8")))
    identity = running.directory / "age-identity.txt"
    assert identity.stat().st_mode & 0o777 == 0o600
    assert (running.directory / ".gitignore").read_text() == "*\n"
    secrets = Secrets(written.secrets, running.directory)
    passwords = {name: secrets.password(one.password).get_secret_value() for name, one in written.identities.items()}
    assert len(set(passwords.values())) == 3
    service = written.net_entreprises_service
    assert service is not None
    assert service.proxy == running.info.net_entreprises.proxy
    assert service.ca_file is not None
    said = {name: login(running, one, passwords[name]) for name, one in written.identities.items()}
    assert said == {"ligue-54": 200, "ligue-88": 200, "ligue-55": 200}


def login(running: RunningLab, identity: Identity, password: str) -> int:
    fields = {**identity.model_dump(exclude={"password"}), "motdepasse": password}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
    with httpx.Client(verify=running.ca, proxy=running.info.net_entreprises.proxy, trust_env=False) as client:
        return client.post(
            f"https://{TEST_HOST}/authentifier/1.0/",
            content=f"<identifiants>{inner}</identifiants>".encode(),
            headers={"Content-Type": "application/xml"},
        ).status_code


def test_every_user_of_the_inventory_has_an_account_or_none_to_lose(session_lab: RunningLab) -> None:
    written = InventoryFile.model_validate(yaml.safe_load(session_lab.inventory.read_text("utf-8")))
    assigned = [user.net_entreprises for office in written.offices.values() for user in office.users.values()]
    assert set(assigned) == {*written.identities, "absent"}
    assert "Hélène Noël" in written.offices["nancy"].users
    for name, office in written.offices.items():
        for workstation in office.workstations:
            folder = session_lab.file(workstation, "/impact-emploi/utilisateurs")
            strangers = {path.stem for path in folder.iterdir()} - set(office.users)
            assert strangers == ({"stagiaire"} if workstation == "nancy-02" else set()), name


def test_a_monoposte_names_its_administrator() -> None:
    text = inventory_text("x", wanted(Path("/k")), lay_out(2, 2), dict.fromkeys(("nancy-01", "toul-01"), REACHED))
    read = InventoryFile.model_validate(yaml.safe_load(text))
    assert {office.installation for office in read.offices.values()} == {"standalone"}
    assert [list(office.users) for office in read.offices.values()] == [["Administrateur"]] * 2


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
