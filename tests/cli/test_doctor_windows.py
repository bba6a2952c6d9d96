"""``doctor`` on every kind of workstation of the lab, the Windows ones played by its stand-in for PowerShell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from command_line import CommandLine, Ran
from lab_files import inventory, settings
from labs import FOUR_KINDS, RunningLab, running_lab

KIND_OF = {f"nancy-{number:02}": kind for number, kind in enumerate(FOUR_KINDS, 1)}
POSIX, OVER_SSH, OVER_HTTPS, SEALED = KIND_OF
WINDOWS = (OVER_SSH, OVER_HTTPS, SEALED)
INSIDE = ["folders", "settings", "version", "run", "writing", "private", "room", "clock"]
WAY_IN = {
    POSIX: ["name", "port", "first_word", "host_key", "login"],
    OVER_SSH: ["name", "port", "first_word", "host_key", "login", "powershell"],
    OVER_HTTPS: ["name", "port", "certificate", "first_word", "login", "powershell"],
    SEALED: ["name", "port", "first_word", "login", "powershell"],
}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """One workstation of each kind."""
    with running_lab(tmp_path_factory.mktemp("four"), len(FOUR_KINDS), 1, kinds=FOUR_KINDS) as lab:
        yield lab


@pytest.fixture
def kinds(four: RunningLab) -> Iterator[RunningLab]:
    """The same, as if nobody had been there before."""
    with four.restored() as restored:
        yield restored


def steps(ran: Ran, workstation: str) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in ran.workstations[workstation]["steps"]}


def doctor(cli: CommandLine, lab: RunningLab, *more: str) -> Ran:
    file = inventory(lab, "patient", ("timeout: 10", "timeout: 5"))
    return cli.run("doctor", file, "--format", "json", *more)


def worst(ran: Ran, workstation: str) -> tuple[str, str, str]:
    """The first step that is not well."""
    found = (step for step in steps(ran, workstation).values() if step["finding"] != "ok")
    step = next(found, {"name": "", "finding": "ok", "reason_code": ""})
    return step["name"], step["finding"], step["reason_code"]


def files(lab: RunningLab) -> set[str]:
    """The paths of all files of all workstations."""
    tree = lab.directory / "workstations"
    return {str(path.relative_to(tree)) for path in tree.rglob("*")}


def test_every_kind_is_well_before_and_after_an_apply(kinds: RunningLab, cli: CommandLine) -> None:
    before = files(kinds), settings(kinds)
    ran = doctor(cli, kinds)
    assert ran.exit_code == 0
    for name in KIND_OF:
        assert (worst(ran, name), list(steps(ran, name))) == (("", "ok", ""), WAY_IN[name] + INSIDE)
        assert "the first apply makes it" in steps(ran, name)["private"]["seen"]
    assert (files(kinds), settings(kinds)) == before
    assert steps(ran, OVER_SSH)["first_word"]["seen"].startswith("SSH-2.0-OpenSSH_for_Windows")
    assert "made out to 127.0.0.1, nancy-03 by " in steps(ran, OVER_HTTPS)["certificate"]["seen"]
    assert "lets in by Negotiate" in steps(ran, SEALED)["first_word"]["seen"]
    for name in WINDOWS:
        assert "FullLanguage" in steps(ran, name)["powershell"]["seen"]

    assert cli.run("apply", kinds.inventory, "--yes").exit_code == 0
    after = doctor(cli, kinds)
    for name in KIND_OF:
        assert worst(after, name) == ("", "ok", "")
        assert steps(after, name)["private"]["seen"].endswith("is there, for us alone")


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize(
    ("fault", "step", "finding", "code"),
    [
        ("offline", "port", "bad", "refused"),
        ("constrained", "powershell", "bad", "constrained_language"),
        ("read-only", "writing", "bad", "no_rights"),
        ("disk-full", "writing", "bad", "disk_full"),
        ("clock=+3h", "clock", "warn", "clock_differs"),
        ("planted-run", "run", "warn", "held_by_run"),
        ("garbage", "settings", "bad", "unreadable_format"),
    ],
)
def test_a_fault_of_windows_is_named(
    kinds: RunningLab, cli: CommandLine, name: str, fault: str, step: str, finding: str, code: str
) -> None:
    kinds.break_(name, fault)
    ran = doctor(cli, kinds, "--limit", name)
    assert worst(ran, name) == (step, finding, code)
    assert steps(ran, name)[step]["remedy"]
    assert list(steps(ran, name)) == WAY_IN[name] + INSIDE
    assert ran.exit_code == {"offline": 4, "clock=+3h": 0, "planted-run": 0}.get(fault, 1)


@pytest.mark.parametrize(
    ("fault", "step", "code"),
    [
        ("new-host-key", "certificate", "certificate_changed"),
        ("expired-certificate", "certificate", "certificate_changed"),
        ("http-on-https", "certificate", "http_on_https_port"),
        ("proxy-in-the-way", "first_word", "proxy_in_the_way"),
        ("password-changed", "login", "password_refused"),
        ("quota-shells", "login", "too_many_shells"),
    ],
)
def test_a_fault_of_winrm_is_named(kinds: RunningLab, cli: CommandLine, fault: str, step: str, code: str) -> None:
    kinds.break_(OVER_HTTPS, fault)
    ran = doctor(cli, kinds, "--limit", OVER_HTTPS)
    assert worst(ran, OVER_HTTPS) == (step, "bad", code)
    after = (WAY_IN[OVER_HTTPS] + INSIDE)[(WAY_IN[OVER_HTTPS] + INSIDE).index(step) + 1 :]
    assert {steps(ran, OVER_HTTPS)[one]["finding"] for one in after} == {"not_tried"}


def test_a_slow_start_of_powershell_is_told_and_is_no_fault(kinds: RunningLab, cli: CommandLine) -> None:
    kinds.break_(OVER_SSH, "slow-powershell=6500")
    hurried = inventory(kinds, "hurried", ("timeout: 10", "timeout: 3"))
    ran = cli.run("doctor", hurried, "--format", "json", "--limit", OVER_SSH)
    found = steps(ran, OVER_SSH)
    assert (ran.exit_code, worst(ran, OVER_SSH)) == (0, ("powershell", "warn", "slow_powershell"))
    assert re.search(r"started in (6\.[5-9]|[7-9]\.\d|1\d\.\d) s$", found["powershell"]["seen"])
    assert "raise timeout" in found["powershell"]["remedy"]
    assert {found[one]["finding"] for one in INSIDE} == {"ok"}
    assert found["clock"]["seen"].startswith("like ours, to within ")


def test_over_ssh_files_are_looked_at_although_powershell_does_not_work(kinds: RunningLab, cli: CommandLine) -> None:
    kinds.break_(OVER_SSH, "constrained")
    kinds.break_(OVER_HTTPS, "constrained")
    ran = doctor(cli, kinds)
    over_ssh = {name: step["finding"] for name, step in steps(ran, OVER_SSH).items()}
    assert over_ssh == {
        **dict.fromkeys(WAY_IN[OVER_SSH] + INSIDE, "ok"),
        "powershell": "bad",
        "writing": "not_tried",
        "clock": "not_tried",
    }
    assert {steps(ran, OVER_HTTPS)[name]["finding"] for name in INSIDE} == {"not_tried"}


def test_a_wrong_password_is_sent_once(kinds: RunningLab, cli: CommandLine) -> None:
    journal = kinds.directory / "lab.log"
    kinds.break_(SEALED, "password-changed")
    before = len(journal.read_text(encoding="utf-8"))
    assert worst(doctor(cli, kinds, "--limit", SEALED), SEALED) == ("login", "bad", "password_refused")
    said = journal.read_text(encoding="utf-8")[before:]
    assert said.count("a client was not let in") == 1
