"""Every fault of the lab, each on a workstation of its own: what drift, status and apply say of it, and write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from lab_files import Seen, inventory, left_behind, playbook, port, put_right, settings
from labs import RunningLab, running_lab

from iea_fleet.lab.faults import FAULTS, WINDOWS_FAULTS, WINRM_FAULTS


@dataclass(frozen=True, slots=True)
class Expected:
    """Status, reason code and words of the reason, of one command; ``address`` is the cell they stand in."""

    status: str
    code: str
    words: str
    address: str = "server_connection"


RIGHT = Expected("in_sync", "", "")
WRITTEN = Expected("changed", "changed", "written")
OFFLINE = Expected("offline", "refused", "refuses the connection; look whether its SSH server, or WinRM, runs there")
SILENT = Expected("failed", "no_banner", "")
LOST = Expected("failed", "connection_lost", "was lost")
NO_ANSWER = Expected("failed", "went_silent", "answered and then went silent")
PLANTED = Expected("held", "held_by_run", "is not signed by this history; it says run 20260101-000000-planted")
OTHER_KEY = Expected("failed", "host_key_changed", "")
UNREADABLE = Expected("unknown", "unreadable_format", "connexion.properties cannot be read")
HAND = Expected("drifted", "drifted", "« Sécurisé » is not ticked")
LEFTOVER = Expected("drifted", "drifted", "leftover « :80 »")
REFUSED = Expected("bad", "tray_refused", "« Autorisation refusée »: only support can repair this", "state.tray")
LICENCE = Expected("bad", "tray_licence", "« Licence d'installation non reconnue »: only support", "state.tray")
SCARAB = Expected("warn", "tray_assistance", "scarabée rouge", "state.tray")

CASES: dict[str, tuple[Expected, Expected, Expected]] = {
    # fault: drift of a right workstation, status of a right one, apply to one of before V72
    "offline": (OFFLINE, OFFLINE, OFFLINE),
    "hang": (SILENT, SILENT, SILENT),
    "slow=20": (RIGHT, RIGHT, WRITTEN),
    "drop-after=2": (LOST, LOST, LOST),
    "drop-before=2": (LOST, LOST, LOST),
    "lost-answer=2": (LOST, RIGHT, LOST),
    "pause-at=2": (NO_ANSWER, NO_ANSWER, NO_ANSWER),
    "die-after=2": (LOST, RIGHT, LOST),
    "stale-run": (RIGHT, RIGHT, LOST),
    "planted-run": (PLANTED, PLANTED, PLANTED),
    "clock=+3h": (RIGHT, RIGHT, WRITTEN),
    "clock=-3h": (RIGHT, RIGHT, WRITTEN),
    "read-only": (RIGHT, RIGHT, Expected("failed", "no_rights", "the private folder /iea-fleet cannot be made")),
    "disk-full": (RIGHT, RIGHT, Expected("failed", "disk_full", "the disk of the workstation is full")),
    "edited": (HAND, HAND, WRITTEN),
    "port-80": (LEFTOVER, LEFTOVER, WRITTEN),
    "refused": (RIGHT, REFUSED, REFUSED),
    "licence": (RIGHT, LICENCE, LICENCE),
    "assistance": (RIGHT, SCARAB, Expected("waiting", "assistance_mode", "leave it with support's password")),
    "iea-open": (RIGHT, RIGHT, Expected("waiting", "iea_open", "close it, then apply again")),
    "seal-fails": (RIGHT, RIGHT, WRITTEN),
    "seal-slow=20": (RIGHT, RIGHT, WRITTEN),
    "new-host-key": (OTHER_KEY, OTHER_KEY, OTHER_KEY),
    "garbage": (UNREADABLE, UNREADABLE, UNREADABLE),
}
FAULTY = {fault: f"nancy-{number:02}" for number, fault in enumerate(CASES, 1)}
SILENT_ONES = ("hang", "pause-at=2")
WRITES = {fault for fault, (_, _, apply) in CASES.items() if apply in (WRITTEN, REFUSED, LICENCE)}
BROKEN_OFF = ("drop-before=2", "lost-answer=2", "die-after=2", "stale-run")
"""Lose the connection as ``drop-after`` does: the controller cannot tell them apart."""
COMMANDS = ("drift", "status", "apply")


@dataclass(frozen=True, slots=True)
class Faults:
    """The three commands, and the files around the last one."""

    ran: dict[str, Ran]
    before: dict[str, Seen]
    after: dict[str, Seen]
    right: dict[str, bytes]
    left: list[Path]
    others: list[str]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    cli = CommandLine(tmp_path_factory.mktemp("faults"))
    with running_lab(cli.home, workstations=len(CASES) + 3, offices=1) as lab:
        # The others have time, however much else the machine has to do.
        silent = [port(lab, FAULTY[fault]) for fault in SILENT_ONES]
        hasty = [(f"{{port: {number}}}", f"{{port: {number}, timeout: 2}}") for number in silent]
        impatient = inventory(lab, "impatient", ("timeout: 10", "timeout: 120"), *hasty)
        ran = {}

        def broken(fresh: bool) -> None:
            for fault, name in FAULTY.items():
                # What a hand does to an old installation is no fault of it: it differs already.
                if not (fresh and fault in ("edited", "port-80")):
                    lab.break_(name, fault)

        with lab.restored():
            assert cli.run("apply", impatient, "--yes").exit_code == 0
            broken(fresh=False)
            for command in ("drift", "status"):
                ran[command] = cli.run(command, impatient, "--format", "json")
        broken(fresh=True)
        before = settings(lab)
        # SFTP tells the time of a change in whole seconds: a refusal that is written again has to show.
        time.sleep(1.1)
        # Each fault has its turn, however many came before it.
        whatever = playbook(lab, "whatever-fails", max_failed="100%")
        ran["apply"] = cli.run("apply", impatient, whatever, "--yes", "--format", "json")
        right = {name: put_right(lab, file.content) for name, file in before.items()}
        others = [name for name in lab.names if name not in FAULTY.values()]
        yield Faults(ran, before, settings(lab), right, left_behind(lab), others)


def test_every_fault_is_tried() -> None:
    assert {fault.partition("=")[0] for fault in (*CASES, "servers-down")} == {
        name.partition("=")[0] for name in FAULTS if name not in (*WINDOWS_FAULTS, *WINRM_FAULTS)
    }


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", CASES)
def test_a_fault_has_its_status_its_code_and_a_sentence(faults: Faults, fault: str, command: str) -> None:
    expected = CASES[fault][COMMANDS.index(command)]
    cell = faults.ran[command].cell(FAULTY[fault], expected.address)
    assert (cell["status"], cell["reason_code"]) == (expected.status, expected.code), cell["reason"]
    assert expected.words in cell["reason"]
    if expected not in (RIGHT, WRITTEN):
        assert len(cell["reason"].split()) > 3
        assert faults.ran[command].statuses[FAULTY[fault]] in (expected.status, "bad")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_other_workstations_are_not_touched_by_it(faults: Faults, command: str) -> None:
    assert len(faults.others) == 3
    for name in faults.others:
        assert faults.ran[command].statuses[name] == ("changed" if command == "apply" else "in_sync")


@pytest.mark.parametrize("fault", CASES)
def test_a_file_is_written_whole_or_left_alone(faults: Faults, fault: str) -> None:
    name = FAULTY[fault]
    if fault in WRITES or fault == "stale-run":
        assert faults.after[name].content == faults.right[name]
    else:
        assert faults.after[name] == faults.before[name]


def test_nothing_is_left_behind(faults: Faults) -> None:
    assert [path for path in faults.left if path.name.startswith(".")] == []


def test_codes_of_different_faults_differ() -> None:
    codes = [
        (expected.status, expected.code)
        for fault, (_, _, expected) in CASES.items()
        if expected != WRITTEN and fault not in BROKEN_OFF
    ]
    assert len(set(codes)) == len(codes)


ALONE = [
    # fault, command, exit code when it is the only one
    ("offline", "drift", 4),
    ("garbage", "drift", 4),
    ("new-host-key", "drift", 1),
    ("assistance", "status", 0),
    ("iea-open", "apply", 4),
]


@pytest.fixture(scope="module")
def right(six_workstations: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """Six workstations as the files ask."""
    with six_workstations.restored() as lab:
        assert CommandLine(tmp_path_factory.mktemp("right")).run("apply", lab.inventory, "--yes").exit_code == 0
        yield lab


@pytest.fixture
def kept(right: RunningLab) -> Iterator[RunningLab]:
    with right.restored() as restored:
        yield restored


@pytest.mark.parametrize(("fault", "command", "code"), ALONE)
def test_the_exit_code_of_a_fault_that_is_alone(
    cli: CommandLine, kept: RunningLab, fault: str, command: str, code: int
) -> None:
    alone = ["--limit", "nancy-01"]
    if command == "apply":
        kept.break_("nancy-01", "edited")
    kept.break_("nancy-01", fault)
    yes = ["--yes"] if command == "apply" else []
    assert cli.run(command, kept.inventory, *yes, *alone).exit_code == code


def test_servers_that_are_down(cli: CommandLine, kept: RunningLab) -> None:
    kept.break_("nancy-01", "edited")
    before = settings(kept)
    kept.break_("servers", "servers-down")
    apply = cli.run("apply", kept.inventory, "--yes", "--format", "json")
    assert apply.exit_code == 1
    cell = apply.cell("nancy-01")
    assert (cell["status"], cell["reason_code"]) == ("skipped", "test_first_failed")
    assert "nothing was written: the wanted servers do not answer from this workstation" in cell["reason"]
    assert settings(kept) == before
    status = cli.run("status", kept.inventory, "--format", "json")
    server = status.cell("nancy-01", "servers.authentication_url")
    assert (server["status"], server["reason_code"]) == ("bad", "refused")
    assert status.exit_code == 1
