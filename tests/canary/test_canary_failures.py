"""Every stage fails in turn, with --debug and in every format; what a workstation says back is hidden too."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from bastion import Bastion
from canaries import Watched, canary, leaks
from kept_secrets import BACKENDS, Kept
from labs import RunningLab, running_lab
from login_secrets import PASSWORD, PHRASE, inventory_of, locked

WRONG = canary("0badc0de9f8e7d6c")
ECHOING, BLABBING = "nancy-01", "nancy-02"
UNKNOWN = canary("c0ffee1122334455")
"""Never read by a command, so that the net cannot know it: only a workstation says it."""

FAULTS = (
    "new-host-key",
    "drop-after=2",
    "drop-before=3",
    "lost-answer=2",
    "garbage",
    "disk-full",
    "read-only",
    "iea-open",
    "offline",
    "refused",
    "stale-run",
    "planted-run",
)

COMMANDS = (
    ("validate", "{inventory}"),
    ("plan", "{inventory}", "{playbook}", "--debug", "-o", "plan.json"),
    ("show", "plan.json"),
    ("show", "plan.json", "--format", "json"),
    ("status", "{inventory}", "{tray}", "--debug"),
    ("drift", "{inventory}", "--debug", "--format", "json"),
    ("apply", "{inventory}", "{playbook}", "--yes", "--plan", "plan.json", "--limit", ECHOING, "--format", "json"),
    ("apply", "{inventory}", "{playbook}", "--yes", "--debug", "--verbose"),
    ("show", "last"),
    ("show", "last", "--format", "json"),
    ("show", "last", "--format", "md"),
    ("runs", "--format", "json"),
    ("status", "{inventory}", "--last"),
    ("apply", "{inventory}", "{playbook}", "--debug", "--yes", "--plan", "plan.json", "--format", "json"),
    ("leases", "{inventory}", "list"),
    ("trust", "scan", "{inventory}"),
)


def echo(lab: RunningLab, name: str, secret: str) -> None:
    """A workstation that says a secret back in its settings and as the reason of its tray state."""
    settings = lab.file(name)
    lines = settings.read_bytes().splitlines(keepends=True)
    typed = f"serveur.maj=https://iea:{secret}@example.org/updates\r\n".encode("latin-1")
    settings.write_bytes(b"".join(typed if line.startswith(b"serveur.maj") else line for line in lines))
    forms = (secret, quote(secret), base64.b64encode(f"iea:{secret}".encode()).decode(), secret.encode().hex())
    reason = " ".join(forms)
    lab.file(name, "/impact-emploi/etat.properties").write_text(f"etat=echec\nmotif={reason}\n", "latin-1")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watched, RunningLab]]:
    """All commands have run on a lab in which every workstation has a fault of its own."""
    folder = tmp_path_factory.mktemp("failing")
    watched = Watched(folder / "home")
    kept = folder / "kept"
    for each in (watched.home, kept):
        each.mkdir()
    with running_lab(folder, workstations=len(FAULTS) + 2, offices=1) as lab:
        secrets = BACKENDS["age"](kept, {"phrase": PHRASE, "password": PASSWORD})
        watched.environment |= secrets.environment
        connection = {"key_file": str(locked(lab, watched.home)), "timeout": 2}
        path = inventory_of(lab, secrets, key_passphrase="phrase", password="password", **connection)
        playbook = watched.home / "playbook.yml"
        playbook.write_text(json.dumps({"version": 1, "name": "whatever", "rollout": {"max_failed": "100%"}}))
        echo(lab, ECHOING, PHRASE)
        echo(lab, BLABBING, UNKNOWN)
        for number, fault in enumerate(FAULTS, 3):
            lab.break_(f"nancy-{number:02}", fault)
        tray = watched.home / "tray.yml"
        tray.write_text(json.dumps({"version": 1, "name": "tray", "probes": ["state"]}))
        for command in COMMANDS:
            watched.run(*(word.format(inventory=path, playbook=playbook, tray=tray) for word in command))
        yield watched, lab


def test_each_stage_did_fail(failing: tuple[Watched, RunningLab]) -> None:
    watched, _ = failing
    drift = json.loads(next(one.out for one in watched.said if one.arguments[0] == "drift"))
    codes = {row["reason_code"] for row in drift["workstations"]}
    assert {"host_key_changed", "connection_lost", "unreadable_format", "refused", "held_by_run"} <= codes
    assert [one for one in watched.said if one.exit_code == 2] == []


def test_no_secret_that_was_read_is_anywhere(failing: tuple[Watched, RunningLab]) -> None:
    watched, lab = failing
    places = watched.places(lab.directory, but=[lab.directory / "workstations" / ECHOING])
    assert leaks(places, PHRASE, PASSWORD) == []


def test_a_mark_is_never_written_to_a_workstation(failing: tuple[Watched, RunningLab]) -> None:
    """A plan in which something was hidden is not the plan of that workstation any more."""
    watched, lab = failing
    ran = next(one for one in watched.said if "--limit" in one.arguments)
    (row,) = json.loads(ran.out)["workstations"]
    assert row["status"] == "stale"
    files = [file for file in (lab.directory / "workstations").rglob("*") if file.is_file()]
    assert [file for file in files if b"[secret]" in file.read_bytes()] == []


def test_the_workstation_did_say_it(failing: tuple[Watched, RunningLab]) -> None:
    watched, _ = failing
    hidden = {one.arguments[0] for one in watched.said if "[secret]" in one.out.replace("\n", "")}
    assert {"plan", "show", "status", "drift", "apply"} <= hidden
    assert "[secret]" in (watched.home / "plan.json").read_text()


def test_the_search_finds_what_the_net_could_not_know(failing: tuple[Watched, RunningLab]) -> None:
    """The same workstation with a secret that nobody has read: the tests above can fail, for each kind of place."""
    watched, _ = failing
    found = leaks(watched.places(), UNKNOWN)
    for kind in ("stdout of plan", "stdout of drift", "stdout of show last --format md", "stderr of status"):
        assert [where for where in found if where.startswith(kind)] != [], kind
    assert str(watched.home / "plan.json") in found
    assert str(watched.home / "state" / "history.sqlite") in found


Login = Callable[[Bastion, dict[str, object], Kept], None]


def _wrong_password(bastion: Bastion, _connection: dict[str, object], _secrets: Kept) -> None:
    bastion.password = "another"


def _lost(bastion: Bastion, _connection: dict[str, object], _secrets: Kept) -> None:
    bastion.lost = True


def _unknown_jump(_bastion: Bastion, connection: dict[str, object], _secrets: Kept) -> None:
    with Bastion("") as other:
        connection["jump"] = {**connection["jump"], "host_keys": [other.host_key]}


def _wrong_phrase(_bastion: Bastion, connection: dict[str, object], _secrets: Kept) -> None:
    connection["key_passphrase"] = "wrong"


def _wrong_identity(_bastion: Bastion, _connection: dict[str, object], secrets: Kept) -> None:
    other = BACKENDS["age"](Path(secrets.environment["IEA_FLEET_AGE_IDENTITY"]).parent.parent, {})
    secrets.environment.update(other.environment)


STAGES: dict[str, tuple[Login, str]] = {
    "a wrong password": (_wrong_password, "jump_password_refused"),
    "lost while logging in": (_lost, "jump_connection_lost"),
    "an unknown jump host": (_unknown_jump, "jump_host_key_changed"),
    "a wrong passphrase": (_wrong_phrase, "jump_passphrase_wrong"),
    "a wrong age identity": (_wrong_identity, "secret_wrong_identity"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_login_that_fails_says_no_secret(
    stage: str, watched: Watched, kept: Path, lab: RunningLab, bastion: Bastion
) -> None:
    fail, code = STAGES[stage]
    secrets = BACKENDS["age"](kept, {"phrase": PHRASE, "password": PASSWORD, "wrong": WRONG})
    connection: dict[str, object] = {
        "key_file": str(locked(lab, watched.home)),
        "key_passphrase": "phrase",
        "password": "password",
        "jump": {"address": "127.0.0.1", "port": bastion.port, "user": "passerelle", "host_keys": [bastion.host_key]},
    }
    fail(bastion, connection, secrets)
    watched.environment |= secrets.environment
    ran = watched.run("drift", inventory_of(lab, secrets, **connection), "--debug", "--format", "json")
    assert {row["reason_code"] for row in json.loads(ran.out)["workstations"]} == {code}, ran
    assert leaks(watched.places(lab.directory), PHRASE, PASSWORD, WRONG) == []
