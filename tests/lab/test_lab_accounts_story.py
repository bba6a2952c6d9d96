"""The second fiche on the lab as it stands: accounts tested, pushed or kept back; one password changed everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from labs import RunningLab, running_lab

from iea_fleet import lab
from iea_fleet.lab.identities import WHO

ROTATE = Path(__file__).parents[2] / "playbooks/rotate-net-entreprises.yml"
NEW = "Nouveau&<'é' 2027"


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("second-fiche"))


@pytest.fixture(scope="module")
def office(cli: CommandLine) -> Iterator[RunningLab]:
    with running_lab(cli.home, accounts=True) as running:
        # Somebody changed it at the portal, and not in the files.
        lab.change_account(running.directory, "ligue-55", "set-password", "changé-ailleurs")
        yield running


@pytest.fixture(scope="module")
def first(cli: CommandLine, office: RunningLab) -> Ran:
    return cli.run("apply", office.inventory, "--yes", "--format", "json")


@pytest.fixture(scope="module")
def rotated(cli: CommandLine, office: RunningLab, first: Ran) -> Ran:
    assert first.exit_code == 1
    folder = ("--dir", office.directory)
    assert cli.run("lab", "portal", "set-password", "ligue-54", *folder, stdin=f"{NEW}\n").exit_code == 0
    kept = cli.run("secrets", office.inventory, "set", "net-entreprises/ligue-54", stdin=f"{NEW}\n")
    assert kept.exit_code == 0, kept.err
    return cli.run("apply", office.inventory, ROTATE, "--yes", "--format", "json")


def service(office: RunningLab) -> lab.ServiceInfo:
    now = lab.status(office.directory)
    assert now is not None
    return now.net_entreprises


def accounts(ran: Ran) -> dict[str, set[str]]:
    """The statuses of each user's cells, over all workstations."""
    found: dict[str, set[str]] = {}
    for row in ran.workstations.values():
        for cell in row["cells"]:
            if cell["address"].startswith("net_entreprises."):
                found.setdefault(cell["address"].partition(".")[2], set()).add(cell["status"])
    return found


def test_the_accepted_are_pushed_and_the_refused_kept_back(office: RunningLab, first: Ran) -> None:
    assert accounts(first) == {
        **{user: {"changed"} for user in ("dupont", "martin", "Hélène Noël", "lefevre", "parti")},
        "petit": {"skipped"},
        "stagiaire": {"warn"},
    }
    assert first.cell("toul-01", "net_entreprises.petit")["reason_code"] == "account_refused"
    assert first.cell("toul-01")["status"] == "changed"


def test_workstations_hold_what_the_portal_takes(cli: CommandLine, office: RunningLab, rotated: Ran) -> None:
    siret, nom, prenom = WHO["ligue-54"]
    wanted = {"siret": siret, "nom": nom, "prenom": prenom, "password": NEW, "service": "97"}
    for name, user in (("nancy-01", "dupont"), ("nancy-02", "Hélène Noël"), ("toul-02", "dupont")):
        assert office.account(name, user) == wanted
    assert office.account("epinal-01", "lefevre")["siret"] == WHO["ligue-88"][0]
    assert office.account("epinal-01", "lefevre")["password"] not in (NEW, "Ligue2019")
    assert office.account("epinal-02", "parti") == {}
    assert office.account("toul-02", "petit")["password"] == "Ligue2019"
    assert office.account("nancy-02", "stagiaire")["password"] == "Ligue2019"
    for folder in (cli.home / "state", office.directory / "workstations"):
        assert not [path for path in folder.rglob("*") if path.is_file() and NEW.encode() in path.read_bytes()]


def test_each_password_is_tested_once(cli: CommandLine, office: RunningLab, first: Ran, rotated: Ran) -> None:
    pushed = {user for user, statuses in accounts(rotated).items() if statuses == {"changed"}}
    assert pushed == {"dupont", "martin", "Hélène Noël"}
    again = cli.run("apply", office.inventory, "--yes", "--format", "json")
    assert accounts(again)["petit"] == {"skipped"}
    now = service(office)
    assert {one.name: one.asked for one in now.accounts} == {"ligue-54": 2, "ligue-88": 1, "ligue-55": 1}
    assert (now.requests, now.repeated_refusals) == (4, 0)
    assert now.account("ligue-55").refusals == 1
