"""Net-Entreprises accounts on the lab's workstations, pushed by the real command; no account is tested here."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import CommandLine
from lab_files import left_behind
from labs import RunningLab

SECRET, OTHER = "Pässw&<ord'1", 'Changé>"2'
USERS = {
    "dupont": {"net_entreprises": "ligue-54"},
    "martin": {"net_entreprises": "ligue-88"},
    "parti": {"net_entreprises": "absent"},
}
PLAYBOOK = {
    "version": 1,
    "name": "accounts alone",
    "resources": ["net_entreprises"],
    "probes": ["version"],
    "test_first": False,
    "rollout": {"max_failed": "100%"},
}
WRITTEN = {"siret": "12345678900015", "nom": "DUPONT", "prenom": "Hélène", "password": SECRET, "service": "97"}


@pytest.fixture
def inventory(office: RunningLab, tmp_path: Path) -> Path:
    """The lab's inventory with the same three users in each office, and two accounts whose passwords are variables."""
    return write_inventory(office, tmp_path)


def write_inventory(office: RunningLab, folder: Path, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    said = yaml.safe_load(office.inventory.read_bytes())
    said["secrets"] = {"env": {"kind": "env", "names": ["PW_A", "PW_B"]}}
    said["net_entreprises_service"] = {"environment": "test"}
    one = {"siret": "12345678900015", "nom": "DUPONT", "prenom": "Hélène", "service": "97"}
    said["identities"] = {
        "ligue-54": {**one, "password": "env:PW_A"},
        "ligue-88": {**one, "nom": "MARTIN", "password": "env:PW_B"},
    }
    for at_office in said["offices"].values():
        at_office["users"] = USERS
    said["defaults"]["server_connection"]["ca_file"] = str(office.directory / "ca.pem")
    if change is not None:
        change(said)
    path = folder / "inventory.yml"
    path.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    (folder / "accounts.yml").write_text(yaml.safe_dump(PLAYBOOK), encoding="utf-8")
    return path


def apply(cli: CommandLine, inventory: Path, *more: str, a: str = SECRET, b: str = OTHER):
    with_secrets = replace(cli, more={"PW_A": a, "PW_B": b})
    playbook = inventory.with_name("accounts.yml")
    return with_secrets.run("apply", inventory, playbook, "--yes", "--format", "json", *more)


def test_every_user_gets_exactly_the_account(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    ran = apply(cli, inventory)
    assert ran.exit_code == 0, ran.err
    for name in office.names:
        assert office.account(name, "dupont") == WRITTEN
        assert office.account(name, "martin") == {**WRITTEN, "nom": "MARTIN", "password": OTHER}
        file = office.file(name, "/impact-emploi/utilisateurs/dupont.xml")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert SECRET.encode() not in file.read_bytes()
        kept = office.file(name, "/iea-fleet")
        assert not kept.exists() or list(kept.iterdir()) == []
        assert ran.cell(name, "net_entreprises.dupont")["status"] == "changed"
    assert left_behind(office) == []
    assert {one["user"] for one in ran.document["follow_up"]["log_in_again"]} == {"dupont", "martin"}
    again = apply(cli, inventory)
    assert again.exit_code == 0
    assert {again.cell(name, "net_entreprises.dupont")["status"] for name in office.names} == {"in_sync"}


def test_one_password_changes_its_users_alone(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    apply(cli, inventory)
    others = {name: office.file(name, "/impact-emploi/utilisateurs/martin.xml").read_bytes() for name in office.names}
    ran = apply(cli, inventory, a="Nouveau-mdp-3")
    assert ran.exit_code == 0
    for name in office.names:
        (difference,) = ran.cell(name, "net_entreprises.dupont")["differences"]
        assert (difference["setting"], difference["secret"]) == ("password", True)
        assert ran.cell(name, "net_entreprises.martin")["status"] == "in_sync"
        assert office.account(name, "dupont")["password"] == "Nouveau-mdp-3"
        assert office.file(name, "/impact-emploi/utilisateurs/martin.xml").read_bytes() == others[name]


def test_an_account_typed_by_hand_is_drift(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    apply(cli, inventory)
    name = office.names[0]
    file = office.file(name, "/impact-emploi/utilisateurs/dupont.xml")
    file.write_bytes(file.read_bytes().replace(b"<motDePasse>", b"<motDePasse>x"))
    with_secrets = replace(cli, more={"PW_A": SECRET, "PW_B": OTHER})
    ran = with_secrets.run("drift", inventory, inventory.with_name("accounts.yml"), "--format", "json")
    assert ran.exit_code == 3
    assert ran.cell(name, "net_entreprises.dupont")["status"] == "drifted"
    assert ran.statuses[office.names[1]] in ("in_sync", "warn")


def test_who_left_loses_the_account(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    apply(cli, inventory)
    left = write_inventory(
        office,
        inventory.parent,
        lambda said: [one.update(users={"dupont": {"net_entreprises": "absent"}}) for one in said["offices"].values()],
    )
    ran = apply(cli, left)
    assert ran.exit_code == 0
    for name in office.names:
        assert ran.cell(name, "net_entreprises.dupont")["reason"] == "the account was removed"
        text = office.file(name, "/impact-emploi/utilisateurs/dupont.xml").read_text("utf-8")
        assert "siret" not in text
        assert "motDePasse" not in text
        assert "<utilisateur" in text
    assert ran.document["follow_up"]["log_in_again"] == []


def test_nothing_is_written_while_iea_is_open(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    name = office.names[0]
    office.break_(name, "iea-open")
    ran = apply(cli, inventory)
    assert ran.exit_code == 4
    cell = ran.cell(name, "net_entreprises.dupont")
    assert (cell["status"], cell["reason_code"]) == ("waiting", "iea_open")
    assert {"workstation": name, "user": "dupont", "status": "waiting"} in ran.document["follow_up"]["old_credentials"]


def test_a_seal_that_fails_leaves_everything(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    name = office.names[0]
    before = {path: path.read_bytes() for path in office.file(name, "/impact-emploi").rglob("*") if path.is_file()}
    office.break_(name, "seal-fails")
    ran = apply(cli, inventory)
    assert ran.exit_code == 1
    cell = ran.cell(name, "net_entreprises.dupont")
    assert (cell["status"], cell["reason_code"]) == ("failed", "seal_failed")
    assert SECRET not in ran.out + ran.err
    assert {path: path.read_bytes() for path in before} == before
    assert not office.file(name, "/iea-fleet/run.json").exists()


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("x" * 31, "31 characters"),
        ("two\nlines", "line end at place 4"),
        ("ends with a blank ", "at place 18"),
        ("no\u00a0break", "no-break space"),
    ],
)
def test_a_secret_that_the_portal_would_not_take(
    office: RunningLab, cli: CommandLine, inventory: Path, secret: str, said: str
) -> None:
    ran = apply(cli, inventory, a=secret)
    cell = ran.cell(office.names[0], "net_entreprises.dupont")
    assert cell["status"] == "unknown"
    assert said in cell["reason"]
    assert secret not in ran.out + ran.err
    assert ran.cell(office.names[0], "net_entreprises.martin")["status"] == "changed"


def test_a_saved_plan_names_secrets_and_is_stale_when_they_change(
    office: RunningLab, cli: CommandLine, inventory: Path
) -> None:
    with_secrets = replace(cli, more={"PW_A": SECRET, "PW_B": OTHER})
    playbook = inventory.with_name("accounts.yml")
    made = with_secrets.run("plan", inventory, playbook, "-o", "p.json")
    assert made.exit_code == 3
    text = (cli.home / "p.json").read_text("utf-8")
    assert SECRET not in text
    assert json.dumps(SECRET)[1:-1] not in text
    assert '"identity": "ligue-54"' in text
    ran = apply(cli, inventory, "--plan", "p.json", a="Nouveau-mdp-3")
    assert {ran.cell(name, "net_entreprises.dupont")["status"] for name in office.names} == {"stale"}
    ran = apply(cli, inventory, "--plan", "p.json")
    assert ran.exit_code == 0
    assert office.account(office.names[0], "dupont") == WRITTEN


def test_a_rollback_leaves_credentials(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    run = apply(cli, inventory).document["run"]["id"]
    ran = cli.run("rollback", run, "--yes", "--format", "json")
    assert {ran.cell(name, "net_entreprises.dupont")["reason_code"] for name in office.names} == {
        "credentials_left_out"
    }
    assert office.account(office.names[0], "dupont") == WRITTEN


def for_office(office: RunningLab, folder: Path) -> Path:
    """An inventory whose layout keeps one copy of the accounts for each office, on its first workstation."""
    layout = yaml.safe_load((Path(__file__).parents[2] / "iea_fleet/layouts/lab.yml").read_bytes())
    layout["net_entreprises"]["scope"] = "office"
    layout["name"] = "one-copy"
    (folder / "one-copy.yml").write_text(yaml.safe_dump(layout, allow_unicode=True), encoding="utf-8")

    def change(said: dict[str, Any]) -> None:
        said["layout"] = "one-copy.yml"
        for one in said["offices"].values():
            one["server"] = next(iter(one["workstations"]))

    return write_inventory(office, folder, change)


def test_one_copy_stands_on_the_server(office: RunningLab, cli: CommandLine, tmp_path: Path) -> None:
    inventory = for_office(office, tmp_path)
    ran = apply(cli, inventory)
    assert ran.exit_code == 0
    assert office.account("nancy-01", "dupont") == WRITTEN
    assert "net_entreprises.dupont" in {cell["address"] for cell in ran.workstations["nancy-01"]["cells"]}
    assert "net_entreprises.dupont" not in {cell["address"] for cell in ran.workstations["nancy-02"]["cells"]}


@pytest.mark.parametrize(
    ("fault", "code"),
    [("iea-open", "iea_open_elsewhere"), ("offline", "office_not_reached"), ("hang", "office_not_reached")],
)
def test_the_one_copy_waits_for_the_whole_office(
    office: RunningLab, cli: CommandLine, tmp_path: Path, fault: str, code: str
) -> None:
    inventory = for_office(office, tmp_path)
    office.break_("nancy-02", fault)
    ran = apply(cli, inventory, "--limit", "nancy-01")
    assert ran.exit_code == 4
    cell = ran.cell("nancy-01", "net_entreprises.dupont")
    assert (cell["status"], cell["reason_code"]) == ("waiting", code)
    assert "nancy-02" in cell["reason"]
    assert not office.file("nancy-01", "/iea-fleet/run.json").exists()
