"""``windows-check`` on the lab's Windows workstations: a stand-in answers, so this is about our side of it alone."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from command_line import LONGEST, CommandLine
from lab_files import inventory, seen
from labs import RunningLab, running_lab

from iea_fleet.engine.windows_check.steps import ALWAYS_UNPROVEN, ON_THE_SCRATCH_FILE, STEPS
from iea_fleet.reports.windows_check_as_json import windows_check_schema

POSIX, SSH, WINRM = "nancy-01", "toul-01", "epinal-01"
VALIDATOR = jsonschema.Draft202012Validator(windows_check_schema())


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A POSIX workstation, a Windows one over SSH, and one over WinRM."""
    folder = tmp_path_factory.mktemp("three")
    with running_lab(folder, 3, 3, kinds=("ssh", "ssh-windows", "winrm-https")) as lab:
        yield lab


@pytest.fixture
def lab(three: RunningLab) -> Iterator[RunningLab]:
    with three.restored() as restored:
        yield restored


def the_check(document: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    (check,) = document["checks"]
    return check


def verdicts(check: dict[str, object]) -> dict[str, str]:
    steps = check["steps"]
    assert isinstance(steps, list)
    return {step["name"]: step["verdict"] for step in steps}


@pytest.mark.parametrize("name", [SSH, WINRM])
def test_every_step_is_as_expected_and_leaves_nothing_behind(lab: RunningLab, cli: CommandLine, name: str) -> None:
    tree = lab.directory / "workstations" / name
    before = {path: seen(path) for path in tree.rglob("*") if path.is_file()}
    ran = cli.run("windows-check", lab.inventory, "--limit", name, "--format", "json")
    assert list(VALIDATOR.iter_errors(ran.document)) == []
    check = the_check(ran.document)
    absent = set() if name == SSH else {"sftp", "servers_by_session"}
    assert verdicts(check) == dict.fromkeys([step for step in STEPS if step not in absent], "as_expected")
    assert (ran.exit_code, check["exit_code"], check["language"]) == (0, 0, "FullLanguage")
    after = {path: seen(path) for path in tree.rglob("*") if path.is_file()}
    registry = tree / "HKLM.json"
    assert [key for key in json.loads(registry.read_bytes()) if "iea-fleet" in key] == []
    assert {path: one for path, one in after.items() if path != registry} == before
    assert list(lab.file(name, "/iea-fleet").iterdir()) == []


def test_it_says_what_answers_prove_and_what_stays_unproven(lab: RunningLab, cli: CommandLine) -> None:
    ran = cli.run("windows-check", lab.inventory, "--limit", SSH)
    assert ran.exit_code == 0
    assert "the lab's stand-in for PowerShell: nothing here is about Windows" in ran.text
    assert "still unproven · everything about Windows" in ran.text
    for sentence in (*ALWAYS_UNPROVEN, *(words.proves for words in STEPS.values())):
        assert " ".join(sentence.split()) in ran.text
    assert f"{SSH}: {len(STEPS)} of {len(STEPS)} steps as expected" in ran.text


def test_a_workstation_that_a_run_holds_is_left_alone(lab: RunningLab, cli: CommandLine) -> None:
    lab.break_(SSH, "planted-run")
    private = lab.file(SSH, "/iea-fleet")
    before = {path: seen(path) for path in private.iterdir()}
    ran = cli.run("windows-check", lab.inventory, "--limit", SSH, "--format", "json")
    check = the_check(ran.document)
    assert (ran.exit_code, check["reason_code"], check["steps"]) == (4, "held_by_run", [])
    assert "iea-fleet leases INVENTORY break" in str(check["reason"])
    assert {path: seen(path) for path in private.iterdir()} == before


def test_a_workstation_that_the_inventory_holds_is_left_alone(lab: RunningLab, cli: CommandLine) -> None:
    held = inventory(lab, "held", (f"      {SSH}:\n", f"      {SSH}:\n        hold: {{reason: chantier}}\n"))
    ran = cli.run("windows-check", held, "--limit", SSH, "--format", "json")
    assert (ran.exit_code, the_check(ran.document)["reason_code"]) == (4, "held_by_inventory")
    assert not lab.file(SSH, "/iea-fleet").exists()


def test_one_that_is_switched_off(lab: RunningLab, cli: CommandLine) -> None:
    lab.break_(WINRM, "offline")
    ran = cli.run("windows-check", lab.inventory, "--limit", WINRM)
    assert ran.exit_code == 4
    assert "nothing was tried" in ran.text
    assert "refuses the connection" in ran.text


@pytest.mark.parametrize(
    ("name", "fault", "code"),
    [
        (SSH, "constrained", "constrained_language"),
        (WINRM, "execution-policy", "execution_policy"),
        (SSH, "script-blocked", "antivirus_blocked"),
        (WINRM, "powershell-blocked", "powershell_blocked"),
        (SSH, "torn-stdin", "agent_torn"),
    ],
)
def test_what_keeps_the_agent_from_starting(
    lab: RunningLab, cli: CommandLine, name: str, fault: str, code: str
) -> None:
    lab.break_(name, fault)
    ran = cli.run("windows-check", lab.inventory, "--limit", name, "--format", "json")
    first, *others = the_check(ran.document)["steps"]
    assert (ran.exit_code, first["verdict"], first["came"]) == (1, "unexpected", code)
    assert {step["verdict"] for step in others} == {"not_tried"}
    assert "; " in first["reason"], "there is a remedy"
    assert ("PowerShell said: " in first["reason"]) == (fault not in ("constrained", "torn-stdin"))


def test_noise_and_a_slow_start_do_no_harm(lab: RunningLab, cli: CommandLine) -> None:
    for fault in ("noise", "slow-powershell=100"):
        lab.break_(SSH, fault)
    ran = cli.run("windows-check", lab.inventory, "--limit", SSH, "--format", "json")
    check = the_check(ran.document)
    assert set(verdicts(check).values()) == {"as_expected"}
    assert all(step["seconds"] >= 0.1 for step in check["steps"] if step["name"] != "servers_by_session")


def test_a_full_disk_shows_and_the_rest_is_tried_all_the_same(lab: RunningLab, cli: CommandLine) -> None:
    assert cli.run("windows-check", lab.inventory, "--limit", WINRM).exit_code == 0
    lab.break_(WINRM, "disk-full")
    ran = cli.run("windows-check", lab.inventory, "--limit", WINRM, "--format", "json")
    check = the_check(ran.document)
    came = {step["name"]: step["came"] for step in check["steps"] if step["verdict"] != "as_expected"}
    assert ran.exit_code == 1
    assert came["room"] == "room, 0.0 MB"
    assert came["create"] == "failed: disk_full"
    reasons = {step["name"]: step["reason"] for step in check["steps"]}
    follow = {name for name, reason in reasons.items() if reason.startswith("follows from: a scratch file is made")}
    assert follow == ON_THE_SCRATCH_FILE - {"sftp"}
    assert "make room there" in reasons["room"]
    assert "make room there" in reasons["create"]
    assert verdicts(check)["run_action"] == verdicts(check)["torn"] == verdicts(check)["tidy"] == "as_expected"
    assert STEPS["replace"].unproven in check["unproven"]


def test_a_connection_that_is_lost_ends_it_with_what_was_seen(lab: RunningLab, cli: CommandLine) -> None:
    lab.break_(SSH, "drop-after=40")
    ran = cli.run("windows-check", lab.inventory, "--limit", SSH, "--format", "json")
    found = list(verdicts(the_check(ran.document)).values())
    lost = found.index("unexpected")
    assert ran.exit_code == 1
    assert set(found[:lost]) == {"as_expected"}
    assert set(found[lost + 1 :]) == {"not_tried"}


def test_an_operator_who_stops_leaves_no_scratch_file(lab: RunningLab, cli: CommandLine) -> None:
    lab.break_(SSH, "slow-powershell=300")
    private = lab.file(SSH, "/iea-fleet")
    with cli.started("windows-check", lab.inventory, "--limit", SSH, "--format", "json") as process:
        while process.poll() is None and not (private.is_dir() and list(private.glob("clock-*"))):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LONGEST)
    found = verdicts(the_check(json.loads(out)))
    assert process.returncode == 130
    assert found["sftp"] == "not_tried"
    assert found["tidy"] == "as_expected"
    assert list(private.iterdir()) == []


def test_only_windows_workstations_are_checked(lab: RunningLab, cli: CommandLine) -> None:
    refused = cli.run("windows-check", lab.inventory, "--limit", POSIX)
    assert refused.exit_code == 2
    assert f"no Windows workstation that is connected to (os: windows in its layout) among {POSIX}" in refused.err


def test_others_are_passed_over_by_name(lab: RunningLab, cli: CommandLine, tmp_path: Path) -> None:
    head = f"      {SSH}:\n        address: 127.0.0.1\n        layout: "
    guided = inventory(lab, "guided", (f"{head}lab-windows\n", f"{head}none\n"))
    ran = cli.run("windows-check", guided, "--format", "json", "--record", tmp_path / "record.json")
    assert [check["workstation"] for check in ran.document["checks"]] == [WINRM]
    assert ran.exit_code == 0
    (said,) = [line for line in ran.err.splitlines() if line.startswith("passed over")]
    assert said.endswith(f": {POSIX}, {SSH}")


def test_both_at_once(lab: RunningLab, cli: CommandLine) -> None:
    ran = cli.run("windows-check", lab.inventory, "--limit", f"{SSH},{WINRM}", "--format", "json")
    assert [check["workstation"] for check in ran.document["checks"]] == [SSH, WINRM]
    assert (ran.exit_code, "passed over" in ran.err) == (0, False)


@pytest.mark.parametrize("name", [SSH, WINRM])
def test_a_record_shows_the_same_again_and_no_names(
    lab: RunningLab, cli: CommandLine, tmp_path: Path, name: str
) -> None:
    record = tmp_path / "record.json"
    ran = cli.run("windows-check", lab.inventory, "--limit", name, "--format", "json", "--record", record)
    written = record.read_text(encoding="ascii")
    user = str(lab.declared(name).get("connection", {}).get("user", "iea-admin"))  # type: ignore[attr-defined]
    settings = lab.file(name).read_text("latin-1").splitlines()
    for word in (name, "127.0.0.1", "localhost", user, "S-1-5-21-1004336348", *(line for line in settings if line)):
        assert word not in written
    lab.break_(name, "offline")
    shown = cli.run("windows-check", lab.inventory, "--replay", record, "--format", "json")
    again, before = the_check(shown.document), the_check(ran.document)
    assert shown.exit_code == 0
    for one, other in zip(again["steps"], before["steps"], strict=True):
        assert {**one, "reason": ""} == {**other, "reason": ""}
    assert (again["at"], again["windows"], again["unproven"]) == (before["at"], before["windows"], before["unproven"])


def test_a_record_keeps_names_when_asked_to(lab: RunningLab, cli: CommandLine, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    cli.run("windows-check", lab.inventory, "--limit", SSH, "--record", record, "--keep-names")
    assert f'"workstation": "{SSH}"' in record.read_text(encoding="ascii")
    # Whoever was sent the file has no inventory of ours.
    assert f"{SSH}: {len(STEPS)} of" in cli.run("windows-check", "--replay", record).text
    without = cli.run("windows-check")
    assert without.exit_code == 2
    assert "no inventory is given" in without.err


def test_a_record_of_what_did_not_come_about_shows_that(lab: RunningLab, cli: CommandLine, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    lab.break_(WINRM, "offline")
    assert cli.run("windows-check", lab.inventory, "--limit", WINRM, "--record", record).exit_code == 4
    shown = cli.run("windows-check", lab.inventory, "--replay", record)
    assert shown.exit_code == 4
    assert "refuses the connection" in shown.text


def test_what_cannot_be_asked_for(lab: RunningLab, cli: CommandLine, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    both = ("--limit", f"{SSH},{WINRM}")
    assert cli.run("windows-check", lab.inventory, *both, "--record", record).exit_code == 2
    assert cli.run("windows-check", lab.inventory, "--limit", SSH, "--replay", record).exit_code == 2
    assert "cannot be read" in cli.run("windows-check", lab.inventory, "--replay", record).err
    record.write_text('{"schema": "iea-fleet/windows-record/1"}')
    assert "is no record" in cli.run("windows-check", lab.inventory, "--replay", record).err
    record.write_text('{"schema": "iea-fleet/windows-record/9"}')
    assert "another version" in cli.run("windows-check", lab.inventory, "--replay", record).err


def test_a_file_that_cannot_be_written_is_told_before_anything_is_tried(lab: RunningLab, cli: CommandLine) -> None:
    ran = cli.run("windows-check", lab.inventory, "--limit", SSH, "--record", lab.directory)
    assert (ran.exit_code, ran.out) == (2, "")
    assert "cannot be written" in ran.err
    assert not lab.file(SSH, "/iea-fleet").exists()
