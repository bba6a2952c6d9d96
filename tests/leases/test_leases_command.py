"""Who holds a workstation, and breaking it: the real command, against a run that is alive, dead, or not ours."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from command_line import CommandLine
from lab_files import patient_inventory, seen
from labs import RunningLab

ONE, TWO = "nancy-01", "nancy-02"
PATIENCE = 300
"""Seconds until a command is taken for hung, on a machine that has much else to do."""


def run_file(lab: RunningLab) -> Path:
    """Where the first workstation's run.json is."""
    return lab.file(ONE, "/iea-fleet/run.json")


@contextmanager
def stopped_at_work(cli: CommandLine, lab: RunningLab) -> Iterator[subprocess.Popen[str]]:
    """An apply that holds the first workstation, stopped before it writes a setting there."""
    lab.break_(ONE, "slow=150")
    patient = patient_inventory(lab, PATIENCE)
    with cli.started("apply", patient, "--yes", "--format", "json", "--limit", ONE) as process:
        until = time.monotonic() + PATIENCE
        while not run_file(lab).exists():
            assert time.monotonic() < until, "it took no run.json"
            time.sleep(0.002)
        process.send_signal(signal.SIGSTOP)
        lab.mend(ONE)
        yield process


def leases(cli: CommandLine, lab: RunningLab) -> list[dict[str, object]]:
    """What `leases list` found."""
    ran = cli.run("leases", lab.inventory, "list", "--format", "json")
    assert ran.exit_code == 0, ran
    found = ran.document["leases"]
    assert isinstance(found, list)
    return found


def test_a_free_fleet_is_held_by_nobody(office: RunningLab, cli: CommandLine) -> None:
    ran = cli.run("leases", office.inventory, "list")
    assert (ran.exit_code, ran.out) == (0, "3 workstations looked at: 0 held\n")
    assert ran.err == "", "nothing was compared, so nothing is in sync"
    broken = cli.run("leases", office.inventory, "break", ONE, "20260101-000000-0000")
    assert broken.exit_code == 2
    assert f"{ONE} is held by nobody" in broken.err


def test_breaking_a_live_lease_stops_that_run_before_its_next_step(office: RunningLab, cli: CommandLine) -> None:
    old = seen(office.file(ONE))
    with stopped_at_work(cli, office) as process:
        (found,) = leases(cli, office)
        assert (found["workstation"], found["alive"], found["ours"]) == (ONE, True, True)
        assert 0 <= float(str(found["age"])) < PATIENCE
        assert "@" in str(found["owner"])
        text = cli.run("leases", office.inventory, "list").out
        assert re.search(rf"^{ONE}  {found['run']}  ours, alive, by \S+, for \d", text)

        wrong = cli.run("leases", office.inventory, "break", ONE, "20260101-000000-0000", "--force")
        assert (wrong.exit_code, run_file(office).exists()) == (2, True)
        assert f"is held by {found['run']}, not by 20260101-000000-0000" in wrong.err
        refused = cli.run("leases", office.inventory, "break", ONE, str(found["run"]))
        assert (refused.exit_code, run_file(office).exists()) == (2, True)
        assert "is at work on" in refused.err

        broken = cli.run("leases", office.inventory, "break", ONE, str(found["run"]), "--force")
        assert (broken.exit_code, run_file(office).exists()) == (0, False)
        assert "was broken; run iea-fleet drift" in broken.out

        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, err
    (row,) = json.loads(out)["workstations"]
    assert (row["status"], row["reason_code"]) == ("failed", "lease_lost")
    assert seen(office.file(ONE)) == old
    assert not run_file(office).exists()
    runs = cli.run("runs", "--format", "json").document["runs"]
    assert [(one["run"]["command"], one["run"]["exit_code"]) for one in runs if one["run"]["command"] == "leases"] == [
        ("leases", 0)
    ]
    assert cli.run("runs", "verify").exit_code == 0


def test_a_dead_run_is_shown_dead_and_its_lease_can_be_broken(office: RunningLab, cli: CommandLine) -> None:
    with stopped_at_work(cli, office) as process:
        process.kill()
        process.wait()
    (found,) = leases(cli, office)
    assert (found["alive"], found["ours"]) == (False, True)
    assert "was interrupted here" in str(found["reason"])

    assert cli.run("leases", office.inventory, "break", ONE, str(found["run"])).exit_code == 0
    assert leases(cli, office) == []
    assert cli.run("apply", office.inventory, "--yes", "--limit", ONE).exit_code == 0


def test_a_run_of_another_history_needs_its_id_and_keeps_its_backups(
    office: RunningLab, cli: CommandLine, tmp_path: Path
) -> None:
    other = CommandLine(tmp_path / "other")
    other.home.mkdir()
    with stopped_at_work(other, office) as process:
        process.kill()
        process.wait()
    backup = run_file(office).with_name("somebody-1.bak")
    backup.write_bytes(b"old")
    (found,) = leases(cli, office)
    assert (found["ours"], found["alive"]) == (False, None)
    held = cli.run("apply", office.inventory, "--yes", "--format", "json", "--limit", ONE).cell(ONE)
    assert held["status"] == "held"
    assert f"iea-fleet leases INVENTORY break {ONE} {found['run']}" in held["reason"]

    assert cli.run("leases", office.inventory, "break", ONE, str(found["run"])).exit_code == 0
    assert backup.read_bytes() == b"old"
    assert not run_file(office).exists()


def test_garbage_is_broken_by_the_word_that_the_matrix_names(office: RunningLab, cli: CommandLine) -> None:
    run_file(office).parent.mkdir(mode=0o700)
    run_file(office).write_bytes(b"\xff\x00 nonsense")
    assert [one["run"] for one in leases(cli, office)] == ["unreadable"]
    drift = cli.run("drift", office.inventory, "--format", "json")
    assert f"iea-fleet leases INVENTORY break {ONE} unreadable" in drift.cell(ONE)["reason"]

    assert cli.run("leases", office.inventory, "break", ONE, "unreadable").exit_code == 0
    assert not run_file(office).exists()


def test_a_run_file_with_an_id_that_nobody_can_type_is_unreadable_too(office: RunningLab, cli: CommandLine) -> None:
    office.break_(ONE, "planted-run")
    planted = json.loads(run_file(office).read_bytes())
    run_file(office).write_text(json.dumps({**planted, "run": "\x1b[2J; rm -rf"}))
    assert [one["run"] for one in leases(cli, office)] == ["unreadable"]
    assert "\x1b" not in cli.run("leases", office.inventory, "list").out


def test_what_cannot_be_read_is_not_removed_from_here(office: RunningLab, cli: CommandLine) -> None:
    run_file(office).parent.mkdir(mode=0o700)
    run_file(office).write_bytes(b" " * 300_000)
    refused = cli.run("leases", office.inventory, "break", ONE, "unreadable")
    assert (refused.exit_code, run_file(office).exists()) == (2, True)
    assert "remove it there" in refused.err


def test_one_that_does_not_answer_is_told(office: RunningLab, cli: CommandLine) -> None:
    office.break_(TWO, "offline")
    ran = cli.run("leases", office.inventory, "list")
    assert ran.exit_code == 4
    assert "2 workstations looked at: 0 held" in ran.out
    assert f"not looked at: {TWO}" in ran.err
    assert cli.run("leases", office.inventory, "break", TWO, "unreadable").exit_code == 1
    assert cli.run("leases", office.inventory, "break", "nancy-*", "unreadable").exit_code == 2
