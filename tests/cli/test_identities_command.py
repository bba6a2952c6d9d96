"""The accounts of an inventory from the command line: shown, tested, held by the guard, and cleared by a person."""

from __future__ import annotations

import json
import signal
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from command_line import CommandLine, Ran
from labs import running_lab
from portals import ACCEPTED, REFUSED, Conversation, Portal, fields_of, http, saying

from iea_fleet.engine.schemas import DOCUMENTS

INVENTORY = """
version: 1
name: Comptes
secrets: {{env: {{kind: env, names: [ONE, TWO, MISSING]}}}}
net_entreprises_service: {{environment: test, proxy: "{proxy}", ca_file: "{ca_file}"}}
identities:
  one: {{siret: "78334512700014", nom: DUPONT, prenom: Hélène, password: "env:ONE", service: "97"}}
  same: {{siret: "78334512700014", nom: Dupont, prenom: Hélène, password: "env:ONE", service: "97"}}
  two: {{siret: "78339088300016", nom: "D'AMICO & FILS", prenom: Zoé, password: "env:TWO", service: "97"}}
  unset: {{siret: "78330055100018", nom: MULLER, prenom: Anne, password: "env:MISSING", service: "97"}}
offices:
  nancy:
    users: {{dupont: {{net_entreprises: one}}, martin: {{net_entreprises: one}}, damico: {{net_entreprises: two}}}}
    workstations:
      nancy-[01:02]: {{layout: none, connection: {{transport: none}}}}
"""
SECRETS = {"ONE": "alpha-CANARY", "TWO": "bravo-CANARY"}


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    with Portal(tmp_path, saying(ACCEPTED)) as opened:
        yield opened


@pytest.fixture
def inventory(tmp_path: Path, portal: Portal) -> Path:
    path = tmp_path / "inventory.yml"
    path.write_text(INVENTORY.format(proxy=portal.proxy, ca_file=portal.ca_file), encoding="utf-8")
    return path


@pytest.fixture
def secretive(tmp_path: Path) -> Iterator[CommandLine]:
    """The command, with the passwords in its environment; none of them ever comes out."""
    yield CommandLine(tmp_path, SECRETS)
    for file in (tmp_path / "state").iterdir():
        assert b"CANARY" not in file.read_bytes()


def verdicts(ran: Ran) -> dict[str, str | None]:
    jsonschema.validate(ran.document, DOCUMENTS["accounts.json"]())
    assert "CANARY" not in ran.out + ran.err
    return {one["identity"]: one["verdict"] and one["verdict"]["answered"] for one in ran.document["accounts"]}


def by_password(**answers: bytes) -> Conversation:
    def converse(request: bytes, stream: ssl.SSLSocket) -> None:
        stream.sendall(answers[fields_of(request)["motdepasse"].partition("-")[0]])

    return converse


def test_list_shows_what_is_known_and_sends_nothing(secretive: CommandLine, inventory: Path, portal: Portal):
    ran = secretive.run("identities", inventory, "list")
    assert ran.exit_code == 0
    assert ran.out.splitlines() == [
        "one  78334512700014 DUPONT Hélène, service 97, test",
        "  nancy/dupont, nancy/martin; 2 workstations",
        "  never tested",
        "same  78334512700014 Dupont Hélène, service 97, test",
        "  used by nobody; 0 workstations",
        "  never tested",
        "two  78339088300016 D'AMICO & FILS Zoé, service 97, test",
        "  nancy/damico; 2 workstations",
        "  never tested",
        "unset  78330055100018 MULLER Anne, service 97, test",
        "  used by nobody; 0 workstations",
        "  not tested: the environment variable MISSING is not set; set it for this command",
        "4 identities",
    ]
    assert portal.ways == []


def test_what_was_tested_is_remembered_until_it_is_cleared(secretive: CommandLine, inventory: Path, portal: Portal):
    portal.converse = by_password(alpha=ACCEPTED, bravo=REFUSED)
    tested = secretive.run("identities", inventory, "test", "--yes", "--format", "json")
    assert verdicts(tested) == {"one": "accepted", "same": "accepted", "two": "refused", "unset": None}
    assert tested.exit_code == 1
    assert tested.err.count("remembers no test") == 1
    assert len(portal.requests) == 2
    again = secretive.run("identities", inventory, "test", "--yes", "two", "one", "--format", "json")
    assert verdicts(again) == {"one": "accepted", "two": "refused"}
    assert [one["verdict"]["fresh"] for one in again.document["accounts"]] == [False, False]
    assert (len(portal.requests), again.err) == (2, "")
    assert verdicts(secretive.run("identities", inventory, "list", "--format", "json"))["two"] == "refused"

    cleared = secretive.run("identities", inventory, "clear", "two", "--yes")
    assert (cleared.exit_code, "one more failure" in cleared.err) == (0, True)
    assert verdicts(secretive.run("identities", inventory, "list", "--format", "json"))["two"] is None
    portal.converse = saying(ACCEPTED)
    assert verdicts(secretive.run("identities", inventory, "test", "two", "--yes", "--format", "json")) == {
        "two": "accepted"
    }
    assert len(portal.requests) == 3
    assert secretive.run("runs", "verify").exit_code == 0


def test_a_changed_secret_is_said_to_be_untested(secretive: CommandLine, inventory: Path, portal: Portal):
    portal.converse = saying(REFUSED)
    secretive.run("identities", inventory, "test", "two", "--yes")
    secretive.more["TWO"] = "charlie-CANARY"
    listed = secretive.run("identities", inventory, "list")
    assert "refused, just now, with another password than that of today" in listed.text
    portal.converse = saying(ACCEPTED)
    assert secretive.run("identities", inventory, "test", "two", "--yes").exit_code == 0


def test_exit_codes_tell_an_outage_from_a_refusal(secretive: CommandLine, inventory: Path, portal: Portal):
    portal.converse = saying(http(503))
    assert secretive.run("identities", inventory, "test", "one", "two", "--yes").exit_code == 4
    portal.converse = saying(http(403))
    secretive.more["ONE"] = "delta-CANARY"
    assert secretive.run("identities", inventory, "test", "one", "two", "--yes").exit_code == 1
    locked = secretive.run("identities", inventory, "clear", "one", "--yes")
    assert "one (same too: the same account): locked:" in locked.err


def test_nobody_is_asked_where_there_is_no_terminal(secretive: CommandLine, inventory: Path, portal: Portal):
    for verb in (["test"], ["test", "nobody", "--yes"], ["clear", "one", "--yes"], ["clear", "nobody", "--yes"]):
        assert secretive.run("identities", inventory, *verb).exit_code == 2
    secretive.run("identities", inventory, "test", "one", "--yes")
    refused = secretive.run("identities", inventory, "clear", "one")
    assert (refused.exit_code, "add --yes" in refused.err) == (2, True)
    assert len(portal.requests) == 1


def test_only_yes_is_taken_as_yes(secretive: CommandLine, inventory: Path, portal: Portal):
    for typed, code, requests in (("no\r", 1, 0), ("yes\r", 0, 1)):
        with secretive.at_terminal("identities", inventory, "test", "one", "same") as terminal:
            terminal.wait_for("Test 2 at Net-Entreprises (test, from controller)? Only yes is taken as yes: ")
            terminal.type(typed)
            assert terminal.end() == code
        assert len(portal.requests) == requests
    for typed, code in (("y\r", 1), ("yes\r", 0)):
        with secretive.at_terminal("identities", inventory, "clear", "one") as terminal:
            terminal.wait_for("Clear the account of one? Only yes is taken as yes: ")
            terminal.type(typed)
            assert terminal.end() == code


def test_ctrl_c_finishes_the_test_in_hand(secretive: CommandLine, inventory: Path, portal: Portal):
    asked, go_on = threading.Event(), threading.Event()

    def slow(_request: bytes, stream: ssl.SSLSocket) -> None:
        asked.set()
        go_on.wait(30)
        stream.sendall(ACCEPTED)

    portal.converse = slow
    with secretive.started("identities", inventory, "test", "--yes", "--format", "json") as process:
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        go_on.set()
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert [one["verdict"]["answered"] for one in json.loads(out)["accounts"]] == ["accepted"]
    assert len(portal.requests) == 1


def test_the_labs_own_service_from_here_and_from_a_workstation(tmp_path: Path):
    with running_lab(tmp_path, 1, 1, accounts=True) as lab:
        cli = CommandLine(tmp_path, {"IEA_FLEET_AGE_IDENTITY": str(lab.directory / "age-identity.txt")})
        here = cli.run("identities", lab.inventory, "test", "--yes", "--format", "json")
        assert sorted(map(str, verdicts(here).values())) == ["accepted"] * 3
        text = lab.inventory.read_text(encoding="utf-8")
        there = lab.directory / "there.yml"
        place = "net_entreprises_service:             # the lab's own, behind its proxy\n"
        assert place in text
        there.write_text(text.replace(place, f"{place}  test_from: {lab.names[0]}\n"), encoding="utf-8")
        name = next(name for name, verdict in verdicts(here).items() if verdict == "accepted")
        cli.run("lab", "portal", "lock", name, "--dir", lab.directory)
        assert cli.run("identities", there, "clear", name, "--yes").exit_code == 0
        assert verdicts(cli.run("identities", there, "test", name, "--yes", "--format", "json")) == {name: "locked"}
        cli.run("lab", "portal", "unlock", name, "--dir", lab.directory)
        assert verdicts(cli.run("identities", there, "test", name, "--yes", "--format", "json")) == {name: "locked"}
        assert cli.run("identities", there, "clear", name, "--yes").exit_code == 0
        assert cli.run("identities", there, "test", name, "--yes").exit_code == 0
