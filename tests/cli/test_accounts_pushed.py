"""Net-Entreprises accounts on the lab's workstations, pushed by the real command; no account is tested here."""

from __future__ import annotations

import hashlib
import json
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import CommandLine
from lab_files import left_behind
from labs import RunningLab, running_lab
from offices import office_of_each_kind

from iea_fleet.lab import status

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


accounts_lab, kinds, office = office_of_each_kind("accounts_lab", workstations=6, offices=3)


@pytest.fixture
def inventory(office: RunningLab, tmp_path: Path) -> Path:
    """The lab's inventory with the same three users in each office, and two accounts whose passwords are variables."""
    return write_inventory(office, tmp_path)


def write_inventory(office: RunningLab, folder: Path, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    said = yaml.safe_load(office.inventory.read_bytes())
    opened = said.pop("secrets", {})  # what opens the way in to WinRM
    for backend in opened.values():
        backend["folder"] = str(office.directory / backend["folder"])
    said["secrets"] = {**opened, "env": {"kind": "env", "names": ["PW_A", "PW_B"]}}
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
    everything = {key: value for key, value in PLAYBOOK.items() if key != "resources"}
    (folder / "everything.yml").write_text(yaml.safe_dump(everything), encoding="utf-8")
    return path


def apply(cli: CommandLine, inventory: Path, *more: str, a: str = SECRET, b: str = OTHER, name: str = "accounts.yml"):
    with_secrets = replace(cli, more={"PW_A": a, "PW_B": b})
    playbook = inventory.with_name(name)
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


def change_layouts(said: dict[str, Any], folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Have the inventory name copies of the shipped layouts with something changed."""
    for name in ("lab", "lab-windows"):
        layout = yaml.safe_load((Path(__file__).parents[2] / f"iea_fleet/layouts/{name}.yml").read_bytes())
        change(layout)
        layout["name"] = f"changed-{name}"
        (folder / f"changed-{name}.yml").write_text(yaml.safe_dump(layout, allow_unicode=True), encoding="utf-8")
    for one in (said, *(one for at_office in said["offices"].values() for one in at_office["workstations"].values())):
        if "layout" in one:
            one["layout"] = f"changed-{one['layout']}.yml"


def for_office(office: RunningLab, folder: Path) -> Path:
    """An inventory whose layout keeps one copy of the accounts for each office, on its first workstation."""

    def change(said: dict[str, Any]) -> None:
        change_layouts(said, folder, lambda layout: layout["net_entreprises"].update(scope="office"))
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


def test_nothing_is_written_when_iea_is_opened_while_the_account_is_tested(tmp_path: Path) -> None:
    with running_lab(tmp_path, 2, 1, accounts=True) as lab:
        name, cli = lab.names[0], CommandLine(tmp_path)
        lab.break_("net-entreprises", "slow=4000")
        with cli.started("apply", lab.inventory, "--limit", name, "--yes", "--format", "json") as process:
            until = time.monotonic() + 60
            while not _asked(lab) and time.monotonic() < until:
                time.sleep(0.05)
            lab.break_(name, "iea-open")
            out, _ = process.communicate(timeout=120)
        cells = {cell["address"]: cell for cell in json.loads(out)["workstations"][0]["cells"]}
        assert cells["net_entreprises.dupont"]["reason_code"] == "iea_open"
        assert not lab.file(name, "/iea-fleet/run.json").exists()
        assert lab.account(name, "martin") == {}


def _asked(lab: RunningLab) -> int:
    now = status(lab.directory)
    assert now is not None
    return now.net_entreprises.requests


def test_what_a_dead_run_left_waits_until_iea_is_closed(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    name = office.names[0]
    office.break_(name, "stale-run")
    assert apply(cli, inventory, name="everything.yml").cell(name, "net_entreprises.dupont")["status"] == "failed"
    left = {path: path.read_bytes() for path in office.file(name, "/impact-emploi/utilisateurs").iterdir()}
    office.mend(name)
    office.break_(name, "iea-open")
    cell = apply(cli, inventory, name="everything.yml").cell(name, "net_entreprises.dupont")
    assert (cell["status"], cell["reason_code"]) == ("waiting", "iea_open")
    assert "interrupted run" in cell["reason"]
    assert {path: path.read_bytes() for path in left} == left
    assert office.file(name, "/iea-fleet/run.json").exists()
    office.mend(name)
    assert apply(cli, inventory, name="everything.yml").exit_code == 0
    assert office.account(name, "dupont") == WRITTEN


def test_breaking_a_lease_takes_the_backups_of_accounts_along(
    office: RunningLab, cli: CommandLine, inventory: Path
) -> None:
    name = office.names[0]
    office.break_(name, "stale-run")
    run = apply(cli, inventory, name="everything.yml").document["run"]["id"]
    kept = office.file(name, "/iea-fleet")
    assert [path for path in kept.iterdir() if b"<utilisateur" in path.read_bytes()]
    office.mend(name)
    broken = cli.run("leases", inventory, "break", name, run)
    assert broken.exit_code == 0, broken.err
    assert [path for path in kept.iterdir() if path.name == "run.json" or b"<utilisateur" in path.read_bytes()] == []


def test_the_report_says_that_accounts_were_not_tested(office: RunningLab, cli: CommandLine, inventory: Path) -> None:
    ran = apply(cli, inventory)
    assert "without a test at Net-Entreprises" in ran.cell(office.names[0], "net_entreprises.dupont")["reason"]
    assert "Net-Entreprises is not asked about accounts" in ran.err


def test_a_digest_of_a_file_with_a_plain_password_is_kept_nowhere(
    office: RunningLab, cli: CommandLine, tmp_path: Path
) -> None:
    def change(said: dict[str, Any]) -> None:
        change_layouts(said, tmp_path, lambda layout: layout["net_entreprises"]["keys"]["password"].pop("seal"))

    inventory = write_inventory(office, tmp_path, change)
    assert apply(cli, inventory).exit_code == 0
    file = office.file(office.names[0], "/impact-emploi/utilisateurs/dupont.xml")
    assert "&amp;&lt;ord'1" in file.read_text("utf-8")
    changed = replace(cli, more={"PW_A": "Nouveau-mdp-3", "PW_B": OTHER})
    made = changed.run("plan", inventory, inventory.with_name("accounts.yml"), "-o", "p.json")
    assert made.exit_code == 3, made.err
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest not in (cli.home / "p.json").read_text("utf-8")
    assert digest.encode() not in b"".join(path.read_bytes() for path in cli.state.iterdir())
    assert apply(cli, inventory, "--plan", "p.json", a="Nouveau-mdp-3").exit_code == 0
    assert "Nouveau-mdp-3" in file.read_text("utf-8")
