"""Carrying a run on: after its budget was spent, after Ctrl-C, after kill -9; and when there is nothing to carry on."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from command_line import CommandLine, Ran
from lab_files import playbook, put_right, settings
from labs import RunningLab
from offices import on_each_kind

PUSH = ("--yes", "--format", "json")
JSON = ("--format", "json")


def run_id(ran: Ran) -> str:
    found = ran.document["run"]["id"]
    assert isinstance(found, str)
    return found


def stopped_by_its_budget(cli: CommandLine, office: RunningLab, *more: str | Path) -> str:
    """A run whose first workstation failed: the nine others were not begun. It is mended afterwards."""
    office.break_(office.names[0], "read-only")
    ran = cli.run("apply", *(more or (office.inventory,)), *PUSH)
    assert sorted(ran.statuses.values()) == ["failed"] + ["skipped"] * 9
    office.mend(office.names[0])
    return run_id(ran)


@on_each_kind
def test_what_was_left_is_done_by_a_new_run_that_names_the_first(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    first = stopped_by_its_budget(cli, office)
    ran = cli.run("resume", first, *JSON)
    assert ran.exit_code == 0, ran.err
    assert ran.statuses == dict.fromkeys(office.names, "changed")
    assert ran.document["run"]["continues"] == first
    for name, file in settings(office).items():
        assert file.content == put_right(office, before[name].content)
    assert f"continues {first}" in cli.run("show", run_id(ran)).text
    assert f"continues {first}" in cli.run("runs").out
    assert cli.run("runs", "verify").exit_code == 0


def made_with_a_plan(cli: CommandLine, office: RunningLab, *more: str) -> tuple[str, Path]:
    """A run by a saved plan that was stopped by its first workstation, and the plan."""
    plan = cli.home / "p.json"
    assert cli.run("plan", office.inventory, "-o", plan, *more).exit_code == 3
    return stopped_by_its_budget(cli, office, office.inventory, "--plan", plan), plan


def test_a_run_by_a_saved_plan_is_carried_on_by_that_plan(cli: CommandLine, office: RunningLab) -> None:
    """What moved since the plan is stale also for the run that carries on; the others are written as it says."""
    before = settings(office)
    first, _ = made_with_a_plan(cli, office)
    moved = office.names[4]
    office.break_(moved, "edited")
    by_hand = settings(office)[moved]
    ran = cli.run("resume", first, *JSON)
    assert ran.exit_code == 1
    assert ran.statuses == dict.fromkeys(office.names, "changed") | {moved: "stale"}
    assert ran.cell(moved)["reason_code"] == "moved_since_plan"
    now = settings(office)
    assert now.pop(moved) == by_hand
    for name, file in now.items():
        assert file.content == put_right(office, before[name].content)
    again = cli.run("resume", run_id(ran), *JSON)
    assert again.statuses == {moved: "stale"}
    assert settings(office)[moved] == by_hand


def test_a_saved_plan_that_is_gone_or_another_one_is_not_carried_on(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    first, plan = made_with_a_plan(cli, office)
    kept = plan.read_bytes()
    assert cli.run("plan", office.inventory, "-o", plan).exit_code == 3
    other = cli.run("resume", first)
    assert other.exit_code == 2
    assert f"the files are not those of run {first}: " in other.err
    assert "p.json was changed" in " ".join(other.err.split())
    plan.write_bytes(kept.replace(b'"secure"', b'"unsafe"', 1))
    assert cli.run("resume", first).exit_code == 2
    plan.unlink()
    gone = cli.run("resume", first)
    assert gone.exit_code == 2
    assert "p.json" in gone.err
    assert settings(office) == before
    plan.write_bytes(kept)
    text = office.inventory.read_text(encoding="utf-8")
    office.inventory.write_text(text + "# a line more\n", encoding="utf-8")
    for more in ((), ("--with-changes",)):
        changed = cli.run("resume", first, *more)
        assert changed.exit_code == 2
        assert "inventory.yml was changed" in changed.err
    office.inventory.write_text(text, encoding="utf-8")
    assert cli.run("resume", first, *JSON).exit_code == 0


def test_one_that_the_plan_does_not_know_is_told_and_not_lost(cli: CommandLine, office: RunningLab) -> None:
    first, last = office.names[0], office.names[9]
    plan = cli.home / "p.json"
    assert cli.run("plan", office.inventory, "-o", plan, "--limit", first).exit_code == 3
    run = cli.run("apply", office.inventory, "--plan", plan, "--limit", f"{first},{last}", *PUSH)
    assert run.statuses == {first: "changed", last: "skipped"}
    ran = cli.run("resume", run_id(run), *JSON)
    assert ran.statuses == {last: "skipped"}
    assert ran.cell(last)["reason_code"] == "not_in_plan"


def test_what_is_done_is_not_visited_again(cli: CommandLine, office: RunningLab) -> None:
    fails = office.names[1]
    office.break_(fails, "read-only")
    allowed = playbook(office, "allowed", max_failed=1)
    first = cli.run("apply", office.inventory, allowed, *PUSH)
    assert sorted(first.statuses.values()) == ["changed"] * 9 + ["failed"]
    office.mend(fails)
    ran = cli.run("resume", run_id(first), *JSON)
    assert ran.statuses == {fails: "changed"}
    assert ran.document["run"]["selected"] == 1


def test_a_run_that_was_interrupted(cli: CommandLine, office: RunningLab) -> None:
    with cli.started("apply", office.inventory, *PUSH, "--wave-pause", "10m") as process:
        assert process.stderr is not None
        while "begins in" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    first = Ran(process.returncode, out, err)
    (canary,) = [name for name, status in first.statuses.items() if status == "changed"]
    with cli.started("resume", run_id(first), *JSON) as process:
        assert process.stderr is not None
        said = ""
        while "begins in" not in said:
            said = process.stderr.readline()
        assert said == "wave 2 of 2 begins in 10 min\n", "it goes on as it was asked for"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    second = Ran(process.returncode, out, err)
    assert set(second.statuses) == set(office.names) - {canary}


def test_a_run_that_was_killed_is_refused_while_it_lives(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    with cli.started("apply", office.inventory, *PUSH, "--wave-pause", "10m") as process:
        assert process.stderr is not None
        while "begins in" not in process.stderr.readline():
            pass
        first = cli.run("runs").out.split()[0]
        alive = cli.run("resume", first)
        assert alive.exit_code == 2
        assert f"run {first} is still going on, as process {process.pid} of" in alive.err
        process.kill()
        process.communicate(timeout=300)
    with cli.started("resume", first, *JSON) as process:
        assert process.stderr is not None
        while "begins in" not in process.stderr.readline():
            pass
        process.kill()
        process.communicate(timeout=300)
    again = cli.run("resume", first)
    assert again.exit_code == 2
    second = again.err.split("carried on already, by run ")[1].split(";")[0]
    assert f"iea-fleet resume {second} goes on from there" in again.err
    with cli.started("resume", second, *JSON) as process:
        assert process.stderr is not None
        while "begins in" not in process.stderr.readline():
            pass
        process.kill()
        process.communicate(timeout=300)
    now = settings(office)
    written = [name for name in office.names if now[name].content != before[name].content]
    assert len(written) == 3, "the canary of each run, another one each time"
    assert all(now[name].content == put_right(office, before[name].content) for name in written)


def test_changed_files_are_named_and_refused(cli: CommandLine, office: RunningLab) -> None:
    allowed = playbook(office, "edited-later", max_failed=0)
    first = stopped_by_its_budget(cli, office, office.inventory, allowed)
    allowed.write_text(allowed.read_text() + "test_first: false\n")
    refused = cli.run("resume", first)
    assert refused.exit_code == 2
    assert f"the files are not those of run {first}: edited-later.yml was changed" in refused.err
    assert "--with-changes" in refused.err
    ran = cli.run("resume", first, "--with-changes", *JSON)
    assert ran.exit_code == 0, ran.err
    assert "note: edited-later.yml was changed" in ran.err
    assert set(ran.statuses.values()) == {"changed"}


def test_the_files_are_found_from_any_folder(cli: CommandLine, office: RunningLab, tmp_path: Path) -> None:
    office.break_(office.names[0], "read-only")
    first = cli.run("apply", "inventory.yml", *PUSH, folder=office.directory)
    office.mend(office.names[0])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ran = cli.run("resume", run_id(first), *JSON, folder=elsewhere)
    assert ran.exit_code == 0, ran.err
    assert set(ran.statuses.values()) == {"changed"}


def test_a_run_that_ended_well_leaves_nothing(cli: CommandLine, office: RunningLab) -> None:
    first = run_id(cli.run("apply", office.inventory, *PUSH))
    before = settings(office)
    ran = cli.run("resume", first)
    assert (ran.exit_code, ran.out) == (0, "")
    assert f"there is nothing to resume: run {first} left no workstation undone" in ran.err
    assert settings(office) == before
    assert len(cli.run("runs").out.splitlines()) == 2


def test_what_cannot_be_carried_on(cli: CommandLine, office: RunningLab) -> None:
    looked = run_id(cli.run("drift", office.inventory, *JSON))
    ran = cli.run("resume", looked)
    assert ran.exit_code == 2
    assert "was a drift, and only an apply is carried on" in ran.err
    assert cli.run("resume", "2020").exit_code == 2


def test_only_those_last_known_to_be_so(cli: CommandLine, office: RunningLab) -> None:
    off, fails = office.names[1], office.names[2]
    nothing = cli.run("apply", office.inventory, "--yes", "--only", "failed")
    assert nothing.exit_code == 0
    assert "nothing is failed, as far as the history knows; iea-fleet drift looks again" in nothing.err
    office.break_(off, "offline")
    office.break_(fails, "read-only")
    allowed = playbook(office, "allowed", max_failed="100%")
    cli.run("apply", office.inventory, allowed, *PUSH)
    office.mend(off)
    office.mend(fails)
    assert cli.run("apply", office.inventory, *PUSH, "--only", "offline").statuses == {off: "changed"}
    assert cli.run("apply", office.inventory, *PUSH, "--only", "failed").statuses == {fails: "changed"}
    office.break_(off, "edited")
    cli.run("drift", office.inventory)
    assert cli.run("apply", office.inventory, *PUSH, "--only", "drifted", "--only", "pending").statuses == {
        off: "changed"
    }
    empty = cli.run("apply", office.inventory, *PUSH, "--only", "pending")
    assert (empty.exit_code, empty.document["workstations"]) == (0, [])


@on_each_kind
def test_who_is_switched_off_is_waited_for_and_has_one_outcome(cli: CommandLine, office: RunningLab) -> None:
    late, never = office.names[3], office.names[4]
    office.break_(late, "offline")
    office.break_(never, "offline")
    with cli.started("apply", office.inventory, *PUSH, "--wait-offline", "9s") as process:
        assert process.stderr is not None
        said = []
        while "trying again in" not in "".join(said):
            said.append(process.stderr.readline())
        assert said[-1].startswith("2 offline; trying again in ")
        office.mend(late)
        out, err = process.communicate(timeout=300)
    ran = Ran(process.returncode, out, "".join(said) + err)
    assert ran.exit_code == 4
    assert ran.statuses == dict.fromkeys(office.names, "changed") | {never: "offline"}
    assert ran.err.count(f" {late}: ") == 2, "offline first, then changed"
    assert ran.err.count(f" {never}: ") == 1
    assert cli.run("show", run_id(ran), *JSON).statuses == ran.statuses
    assert cli.run("runs", "verify").exit_code == 0


def test_ctrl_c_ends_the_waiting_and_keeps_what_was_done(cli: CommandLine, office: RunningLab) -> None:
    off = office.names[5]
    office.break_(off, "offline")
    with cli.started("apply", office.inventory, *PUSH, "--wait-offline", "2h") as process:
        assert process.stderr is not None
        while "trying again in" not in process.stderr.readline():
            pass
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
        assert time.monotonic() - began < 60, "two hours were to be waited"
    ran = Ran(process.returncode, out, err)
    assert ran.exit_code == 130
    assert ran.statuses == dict.fromkeys(office.names, "changed") | {off: "offline"}


def test_waiting_is_not_asked_about(cli: CommandLine, office: RunningLab) -> None:
    with cli.at_terminal("apply", office.inventory, "--wait-offline", "1h") as terminal:
        assert terminal.end() == 2
    assert "cannot be shown before; add --yes" in " ".join(terminal.screen.split())
