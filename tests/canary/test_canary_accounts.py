"""The password of an account: tested and pushed, with every fault of the service and of the workstations in turn."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from canaries import Said, Watched, canary, leaks
from kept_secrets import BACKENDS
from labs import RunningLab, running_lab
from login_secrets import ACCOUNT, IDENTITY, inventory_of, registered
from portals import Conversation, Portal, http, saying

from iea_fleet.lab import lifecycle
from iea_fleet.lab.faults import SERVICE, SERVICE_FAULTS

WRONG = canary("9b8a7c6d5e4f3021")
PLAYBOOK = {
    "version": 1,
    "name": "accounts alone",
    "resources": ["net_entreprises"],
    "probes": ["version"],
    "rollout": {"max_failed": "100%"},
}
FAULTS = ("seal-fails", "iea-open", "disk-full", "read-only", "drop-after=4", "stale-run", "seal-slow=20", "garbage")
IN_FILES = (
    ("plan", "{inventory}", "{playbook}", "--debug", "-o", "plan.json"),
    ("show", "plan.json"),
    ("apply", "{inventory}", "{playbook}", "--yes", "--debug"),
    ("drift", "{inventory}", "{playbook}", "--debug", "--format", "json"),
    ("status", "{inventory}", "--debug"),
    ("show", "last", "--format", "md"),
    ("show", "last", "--format", "json"),
    ("apply", "{inventory}", "{playbook}", "--yes", "--plan", "plan.json", "--no-test", "--format", "json"),
    ("identities", "{inventory}", "list"),
    ("identities", "{inventory}", "test", "--yes", "--debug", "--format", "json"),
    ("secrets", "{inventory}", "list"),
    ("secrets", "{inventory}", "list", "--format", "json"),
    ("secrets", "{inventory}", "check"),
    ("secrets", "{inventory}", "rekey"),
)
"""With a fault on each workstation."""


class Accounts:
    """A lab whose account has the canary for a password, and the files for it."""

    def __init__(self, lab: RunningLab, folder: Path) -> None:
        self.lab = lab
        kept = folder / "kept"
        kept.mkdir()
        self.watched = Watched(folder / "home")
        self.watched.home.mkdir()
        secrets = BACKENDS["age"](kept, {"right": ACCOUNT, "wrong": WRONG})
        self.watched.environment |= secrets.environment
        self.wrong = inventory_of(lab, secrets, "wrong").rename(lab.directory / "wrong.yml")
        self.right = inventory_of(lab, secrets, "right")
        self.playbook = self.watched.home / "accounts.yml"
        self.playbook.write_text(yaml.safe_dump(PLAYBOOK))

    def apply(self, state: str, inventory: Path) -> Said:
        """Push to one workstation, with a history that remembers nothing."""
        limited = ("--limit", "nancy-01", "--state-dir", state.replace(" ", "-"))
        return self.watched.run("apply", inventory, self.playbook, "--yes", "--debug", "--format", "json", *limited)

    def found(self) -> list[str]:
        return leaks(self.watched.places(self.lab.directory), ACCOUNT, WRONG)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    folder = tmp_path_factory.mktemp("accounts")
    with running_lab(folder, workstations=len(FAULTS), offices=1) as lab:
        yield Accounts(lab, folder)


@pytest.fixture
def restored(accounts: Accounts) -> Iterator[Accounts]:
    registered(accounts.lab)
    with accounts.lab.restored():
        yield accounts
    accounts.lab.mend(SERVICE)


def code_of(said: Said) -> str:
    (row,) = json.loads(said.out)["workstations"]
    return str(row["reason_code"])


@pytest.mark.parametrize("fault", SERVICE_FAULTS)
def test_a_service_that_fails_gives_nothing_away(restored: Accounts, fault: str) -> None:
    restored.lab.break_(SERVICE, fault.replace("=MS", "=20"))
    said = restored.apply(fault, restored.right)
    if fault == "slow=MS":
        assert said.exit_code == 0
    else:
        assert code_of(said).startswith("account_"), said
    assert restored.found() == []


REFUSALS = {"lock": "account_locked", "expire": "account_expired", "unregister": "account_not_registered"}


@pytest.mark.parametrize("verb", REFUSALS)
def test_an_account_that_is_not_let_in_is_not_told(restored: Accounts, verb: str) -> None:
    lifecycle.change_account(restored.lab.directory, IDENTITY, verb)
    assert code_of(restored.apply(verb, restored.right)) == REFUSALS[verb]
    assert restored.found() == []


def test_a_refused_password_is_not_told(restored: Accounts) -> None:
    assert code_of(restored.apply("refused", restored.wrong)) == "account_refused"
    assert restored.found() == []


ECHOES: dict[str, Conversation] = {
    "the form": lambda request, stream: stream.sendall(http(422, request, Content_Type="text/xml")),
    "a realm": saying(http(401, ACCOUNT.encode(), WWW_Authenticate=f'Basic realm="{ACCOUNT}"')),
    "a token": lambda request, stream: stream.sendall(http(200, request.rpartition(b"\r\n")[2])),
    "a field": saying(http(503, b"", X_Error=ACCOUNT)),
    "no HTTP": lambda request, stream: stream.sendall(b"ERR " + request),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_service_that_says_the_password_back_is_not_quoted(restored: Accounts, tmp_path: Path, echo: str) -> None:
    with Portal(tmp_path, ECHOES[echo]) as portal:
        document = yaml.safe_load(restored.right.read_text("utf-8"))
        document["net_entreprises_service"] |= {"proxy": portal.proxy, "ca_file": portal.ca_file}
        inventory = restored.lab.directory / "echo.yml"
        inventory.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        restored.apply(f"echo {echo}", inventory)
        assert len(portal.requests) == 1
        assert b"3c95e7d2" in portal.requests[0]
    assert restored.found() == []


def test_workstations_that_fail_give_nothing_away(restored: Accounts) -> None:
    lab, watched = restored.lab, restored.watched
    for name, fault in zip(lab.names, FAULTS, strict=True):
        lab.break_(name, fault)
    words = {"inventory": restored.right, "playbook": restored.playbook}
    said = [watched.run(*(str(word).format(**words) for word in command)) for command in IN_FILES]
    assert [one for one in said if one.exit_code == 2] == []
    codes = {row["reason_code"] for row in json.loads(said[3].out)["workstations"]}
    assert codes >= {"connection_lost"}
    applied = " ".join(said[2].err.split())
    for word in ("was not sealed", "IEA is open", "the disk of the workstation is full", "was lost"):
        assert word in applied, word
    assert lab.account("nancy-07", "dupont")["password"] == ACCOUNT
    assert restored.found() == []


def test_a_command_that_is_killed_leaves_no_secret(restored: Accounts) -> None:
    """While the password is being sealed: what the database has not taken over from its log stands there."""
    lab, watched = restored.lab, restored.watched
    lab.break_("nancy-01", "seal-slow=5000")
    asked = _asked(lab)
    said = watched.run(
        "apply", restored.right, restored.playbook, "--yes", "--debug", "--limit", "nancy-01", "--state-dir", "killed",
        kill_when=lambda: _asked(lab) > asked,
    )  # fmt: skip
    assert said.exit_code == -signal.SIGKILL
    assert (watched.home / "killed" / "history.sqlite-wal").stat().st_size > 0
    assert restored.found() == []


def _asked(lab: RunningLab) -> int:
    """How often the account was judged."""
    now = lifecycle.status(lab.directory)
    assert now is not None
    return now.net_entreprises.account(IDENTITY).asked


def test_a_value_that_is_set_goes_to_its_file_alone(restored: Accounts) -> None:
    new = canary("d1c2b3a495867708")
    said = restored.watched.run("secrets", restored.right, "set", "spare", "--debug", stdin=f"{new}\n")
    assert said.exit_code == 0, said
    refused = restored.watched.run("secrets", restored.right, "set", "spare", "--debug", stdin=f"{new}  two blanks\n")
    assert refused.exit_code == 1
    assert leaks(restored.watched.places(restored.lab.directory), new) == []
