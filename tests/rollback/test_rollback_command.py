"""Rolling back by the real command: what a run replaced comes back byte for byte, unless somebody was there since."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from lab_files import inventory, settings
from labs import RunningLab

ONE, TWO, THREE = "nancy-01", "nancy-02", "nancy-03"
BACKUPS = "/iea-fleet"


def applied(cli: CommandLine, lab: RunningLab, *more: str | Path) -> str:
    """Push; the run's id."""
    ran = cli.run("apply", *(more or (lab.inventory,)), "--yes", "--format", "json")
    assert ran.exit_code == 0, ran
    return str(ran.document["run"]["id"])


def rolled_back(cli: CommandLine, run: str, *more: str | Path) -> Ran:
    """Put back what a run replaced."""
    return cli.run("rollback", run, "--yes", "--format", "json", *more)


def contents(lab: RunningLab) -> dict[str, bytes]:
    """The settings file of every workstation."""
    return {name: file.content for name, file in settings(lab).items()}


def backups(lab: RunningLab, name: str) -> list[Path]:
    """The backups of a workstation, oldest first."""
    return sorted(lab.file(name, BACKUPS).glob("*.bak"))


def test_everything_comes_back_and_a_rollback_is_rolled_back(office: RunningLab, cli: CommandLine) -> None:
    old = contents(office)
    run = applied(cli, office)
    new = contents(office)

    back = rolled_back(cli, run)
    # With the settings of before V72 the servers are out of reach again, which is told.
    assert (back.exit_code, back.cell(ONE, "servers.update_url")["status"]) == (1, "bad")
    assert contents(office) == old
    assert back.document["run"]["command"] == "rollback"
    assert back.document["run"]["playbook"] == f"rollback of {run}"
    cell = back.cell(ONE)
    assert (cell["status"], cell["reason_code"]) == ("changed", "put_back")
    secure = next(difference for difference in cell["differences"] if difference["setting"] == "secure")
    assert (secure["before"], secure["after"]) == (True, False)
    assert not list(office.file(ONE, BACKUPS).glob("run.json"))

    drift = cli.run("drift", office.inventory, "--format", "json")
    assert set(drift.statuses.values()) == {"pending"}, drift.statuses

    again = rolled_back(cli, str(back.document["run"]["id"]))
    assert again.exit_code == 0, again
    assert contents(office) == new
    assert set(cli.run("drift", office.inventory, "--format", "json").statuses.values()) == {"in_sync"}
    assert cli.run("runs", "verify").exit_code == 0


def test_what_somebody_changed_since_is_left_alone(office: RunningLab, cli: CommandLine) -> None:
    old = contents(office)
    run = applied(cli, office)
    office.break_(TWO, "edited")
    edited = office.file(TWO).read_bytes()

    back = rolled_back(cli, run)
    assert back.exit_code == 1
    assert back.cell(TWO)["status"] == "stale"
    assert f"since run {run} wrote it" in back.cell(TWO)["reason"]
    assert office.file(TWO).read_bytes() == edited
    assert {name: content for name, content in contents(office).items() if name != TWO} == {
        name: content for name, content in old.items() if name != TWO
    }


def test_only_the_workstations_that_are_named(office: RunningLab, cli: CommandLine) -> None:
    old = contents(office)
    run = applied(cli, office)
    new = contents(office)
    back = rolled_back(cli, run, "--limit", ONE)
    assert list(back.statuses) == [ONE]
    assert contents(office) == {**new, ONE: old[ONE]}
    second = rolled_back(cli, run)
    assert (second.cell(ONE)["status"], second.cell(TWO)["status"]) == ("in_sync", "changed")
    assert f"already as it was before run {run}" in second.cell(ONE)["reason"]
    assert contents(office) == old


def test_without_its_backup_nothing_is_put_back(office: RunningLab, cli: CommandLine) -> None:
    run = applied(cli, office)
    new = contents(office)
    backups(office, ONE)[0].unlink()
    backups(office, TWO)[0].write_bytes(b"something else")
    back = rolled_back(cli, run)
    assert back.exit_code == 1
    for name in (ONE, TWO):
        assert (back.cell(name)["status"], back.cell(name)["reason_code"]) == ("failed", "backup_missing")
        assert "is kept nowhere" in back.cell(name)["reason"]
    assert back.cell(THREE)["status"] == "changed"
    assert {name: contents(office)[name] for name in (ONE, TWO)} == {name: new[name] for name in (ONE, TWO)}


def test_a_held_workstation_and_an_open_iea_are_left(office: RunningLab, cli: CommandLine) -> None:
    run = applied(cli, office)
    new = contents(office)
    office.break_(ONE, "iea-open")
    office.break_(TWO, "offline")
    held = inventory(office, "held", (f"{THREE}:\n", f"{THREE}:\n        hold: {{reason: en réparation}}\n"))
    back = rolled_back(cli, run, "--inventory", held)
    assert {name: back.cell(name)["status"] for name in new} == {ONE: "waiting", TWO: "offline", THREE: "held"}
    assert back.exit_code == 4
    assert contents(office) == new


def test_the_operator_sees_the_plan_and_says_yes(office: RunningLab, cli: CommandLine) -> None:
    old = contents(office)
    run = applied(cli, office)
    with cli.at_terminal("rollback", run) as terminal:
        terminal.wait_for("Only yes is taken as yes")
        assert "3 workstations:" in terminal.screen
        assert "secure: true → false" in terminal.screen
        terminal.type("no\n")
        assert terminal.end() == 1
    assert contents(office) != old
    with cli.at_terminal("rollback", run) as terminal:
        terminal.wait_for("Only yes is taken as yes")
        office.break_(ONE, "edited")
        terminal.type("yes\n")
        assert terminal.end() == 1
    assert {name: contents(office)[name] for name in (TWO, THREE)} == {name: old[name] for name in (TWO, THREE)}
    assert contents(office)[ONE] != old[ONE]


def test_a_rollback_that_was_killed_is_settled_by_the_next(office: RunningLab, cli: CommandLine) -> None:
    old = contents(office)
    run = applied(cli, office)
    new = contents(office)
    office.break_(ONE, "slow=60")
    with cli.started("rollback", run, "--yes", "--limit", ONE) as process:
        until = time.monotonic() + 300
        while not office.file(ONE, f"{BACKUPS}/run.json").exists():
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    office.mend(ONE)
    assert contents(office)[ONE] in (old[ONE], new[ONE])
    back = rolled_back(cli, run)
    assert {back.cell(name)["status"] for name in old} <= {"changed", "in_sync"}, back
    assert contents(office) == old
    assert not office.file(ONE, f"{BACKUPS}/run.json").exists()


def test_what_a_dead_run_wrote_and_a_later_one_finished_is_rolled_back(office: RunningLab, cli: CommandLine) -> None:
    """The dead run wrote it, so it is the one to roll back; the run that found it so replaced nothing."""
    old = contents(office)
    office.break_(ONE, "stale-run")
    cut = cli.run("apply", office.inventory, "--yes", "--format", "json", "--limit", ONE)
    assert cut.cell(ONE)["status"] == "failed"
    assert office.file(ONE, f"{BACKUPS}/run.json").exists()
    dead = str(cut.document["run"]["id"])
    assert "replaced nothing" in rolled_back(cli, dead).err

    finishes = applied(cli, office)
    assert not office.file(ONE, f"{BACKUPS}/run.json").exists()
    assert contents(office)[ONE] != old[ONE]
    assert cli.run("runs", "verify").exit_code == 0
    assert "replaced nothing on these" in rolled_back(cli, finishes, "--limit", ONE).err
    back = rolled_back(cli, dead)
    assert {name: back.cell(name)["status"] for name in back.statuses} == {ONE: "changed"}
    assert contents(office)[ONE] == old[ONE]
    assert {contents(office)[name] == old[name] for name in (TWO, THREE)} == {False}
    assert cli.run("runs", "verify").exit_code == 0


def test_a_file_that_a_run_made_is_removed_and_comes_back(office: RunningLab, cli: CommandLine) -> None:
    usual = office.layout(ONE).name
    layout = office.directory / "making-layout.yml"
    shipped = Path(__file__).parent.parent.parent / "iea_fleet" / "layouts" / f"{usual}.yml"
    text = shipped.read_text(encoding="utf-8")
    assert "  format: properties\n" in text
    layout.write_text(text.replace("server_connection:\n", 'server_connection:\n  new: ""\n', 1), encoding="utf-8")
    makes_it = inventory(office, "makes-it", (f"layout: {usual}", "layout: making-layout.yml"))
    office.file(ONE).unlink()

    run = applied(cli, office, makes_it, "--limit", ONE)
    made = office.file(ONE).read_bytes()
    back = rolled_back(cli, run)
    assert back.cell(ONE)["status"] == "changed", back
    assert not office.file(ONE).exists()
    assert cli.run("drift", makes_it, "--limit", ONE, "--format", "json").cell(ONE)["status"] == "pending"
    assert rolled_back(cli, str(back.document["run"]["id"])).exit_code == 0
    assert office.file(ONE).read_bytes() == made


def test_ten_backups_are_kept_and_the_oldest_run_cannot_be_rolled_back(office: RunningLab, cli: CommandLine) -> None:
    first = applied(cli, office, office.inventory, "--limit", ONE)
    kept = backups(office, ONE)
    runs = [first]
    for number in range(2, 12):
        old = office.file(ONE, f"{BACKUPS}/20260101-0000{number:02}-aaaa-1.bak")
        old.write_bytes(b"%d" % number)
        old.chmod(0o600)
    runs.append(str(rolled_back(cli, first).document["run"]["id"]))
    assert len(backups(office, ONE)) == 10
    assert kept[0] in backups(office, ONE)
    names = [path.name for path in backups(office, ONE)]
    assert names[-1].startswith(runs[-1]) or names[-2].startswith(runs[-1])
    assert "20260101-000002-aaaa-1.bak" not in names


@pytest.mark.parametrize("name", ["20990101", "last?"])
def test_a_run_that_nobody_knows(cli: CommandLine, name: str) -> None:
    assert rolled_back(cli, name).exit_code == 2


def test_runs_that_cannot_be_rolled_back_say_why(office: RunningLab, cli: CommandLine) -> None:
    drift = str(cli.run("drift", office.inventory, "--format", "json").document["run"]["id"])
    nothing = rolled_back(cli, drift)
    assert (nothing.exit_code, "replaced nothing" in nothing.err) == (2, True)
    run = applied(cli, office)
    other = inventory(office, "other", ("name: ", "name: Autre "))
    assert "was made with the inventory" in rolled_back(cli, run, "--inventory", other).err
    copy = inventory(office, "copy", ("nancy-01", "nancy-01"))
    from_copy = rolled_back(cli, run, "--inventory", copy)
    copy.unlink()
    lost = rolled_back(cli, str(from_copy.document["run"]["id"]))
    assert (lost.exit_code, f"is no longer at {copy}; name it with --inventory" in lost.err) == (2, True)
    unasked = cli.run("rollback", run)
    assert (unasked.exit_code, "add --yes" in unasked.err) == (2, True)
