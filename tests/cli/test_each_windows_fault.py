"""Every fault that only Windows has, over SSH and over WinRM: what drift and apply say of it, and write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from command_line import CommandLine, Ran
from lab_files import Seen, left_behind, playbook, put_right, settings
from labs import RunningLab, running_lab

from iea_fleet.lab.faults import WINDOWS_FAULTS
from iea_fleet.lab.kinds import Kind

CASES: dict[str, tuple[str, str]] = {
    # fault: the reason code of apply, and words of its reason
    "antivirus": ("file_busy", "another program on the workstation holds C:/ProgramData/ImpactEmploi"),
    "constrained": ("constrained_language", "AppLocker or WDAC"),
    "execution-policy": ("execution_policy", "the execution policy on"),
    "powershell-blocked": ("powershell_blocked", "a group policy on"),
    "script-blocked": ("antivirus_blocked", "takes the agent for harmful"),
    "slow-powershell=300": ("changed", "written"),
    "noise": ("changed", "written"),
    "torn-stdin": ("agent_torn", "did not arrive whole"),
}
KINDS: tuple[Kind, ...] = ("ssh-windows", "winrm-https")
FAULTY = {
    (fault, kind): f"nancy-{number:02}"
    for number, (fault, kind) in enumerate(((fault, kind) for fault in CASES for kind in KINDS), 1)
}
NO_MATTER = ("antivirus", "slow-powershell=300", "noise")
"""What reading does not stumble over, whichever way it goes."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What the commands said, and the settings before and after."""

    lab: RunningLab
    drift: Ran
    apply: Ran
    before: dict[str, Seen]
    after: dict[str, Seen]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    cli = CommandLine(tmp_path_factory.mktemp("windows-faults"))
    with running_lab(cli.home, len(FAULTY), 1, kinds=[kind for _, kind in FAULTY]) as lab:
        for (fault, _), name in FAULTY.items():
            lab.break_(name, fault)
        before = settings(lab)
        drift = cli.run("drift", lab.inventory, "--format", "json")
        whatever = playbook(lab, "whatever-fails", max_failed="100%")
        apply = cli.run("apply", lab.inventory, whatever, "--yes", "--format", "json")
        yield Faults(lab, drift, apply, before, settings(lab))


def test_every_fault_of_windows_is_tried() -> None:
    assert {fault.partition("=")[0] for fault in CASES} == {fault.partition("=")[0] for fault in WINDOWS_FAULTS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", CASES)
def test_a_fault_has_its_code_and_a_sentence(faults: Faults, fault: str, kind: Kind) -> None:
    code, words = CASES[fault]
    name = FAULTY[fault, kind]
    cell = faults.apply.cell(name)
    assert (cell["status"], cell["reason_code"]) == ("changed" if code == "changed" else "failed", code)
    assert words in cell["reason"]
    looked = faults.drift.cell(name)
    # Over SSH files are read without the agent.
    reads = kind == "ssh-windows" or fault in NO_MATTER
    assert (looked["status"], looked["reason_code"]) == (("pending", "pending") if reads else ("failed", code))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [fault for fault, (code, _) in CASES.items() if code not in ("changed", "file_busy")])
def test_what_was_not_begun_says_so_and_how_to_go_on(faults: Faults, fault: str, kind: Kind) -> None:
    reason = faults.apply.cell(FAULTY[fault, kind])["reason"]
    assert ", before this run wrote anything there; " in reason
    assert "settles" not in reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", CASES)
def test_a_file_is_written_whole_or_left_alone(faults: Faults, fault: str, kind: Kind) -> None:
    name = FAULTY[fault, kind]
    if CASES[fault][0] == "changed":
        assert faults.after[name].content == put_right(faults.lab, faults.before[name].content)
    else:
        assert faults.after[name].content == faults.before[name].content


def test_nothing_half_written_is_left_behind(faults: Faults) -> None:
    assert [path for path in left_behind(faults.lab) if path.suffix != ".bak"] == []


def test_codes_of_different_faults_differ() -> None:
    codes = [code for code, _ in CASES.values() if code != "changed"]
    assert len(set(codes)) == len(codes)
