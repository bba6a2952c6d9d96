"""The real command in waves over a lab: who comes first, what stops it, and what is said."""

from __future__ import annotations

import re
import signal
import time

import pytest
from command_line import CommandLine, Ran
from lab_files import playbook, put_right, settings
from labs import RunningLab
from offices import on_each_kind

PUSH = ("--yes", "--format", "json")


def in_order(ran: Ran) -> list[str]:
    """Waves and workstations as they were told of."""
    found = re.findall(r"^(wave \d of \d: \d+)|^\[\d+/\d+\] (\S+):", ran.err, re.MULTILINE)
    return [wave or name for wave, name in found]


def after(ran: Ran, wave: int) -> list[str]:
    """The workstations that were told of in one wave."""
    told = in_order(ran)
    begins = [number for number, one in enumerate(told) if one.startswith("wave ")] + [len(told)]
    return told[begins[wave - 1] + 1 : begins[wave]]


def test_a_wave_begins_when_the_one_before_has_ended_and_canaries_are_spread(
    cli: CommandLine, office: RunningLab
) -> None:
    ran = cli.run("apply", office.inventory, playbook(office, "four", waves=[2, "55%", "100%"]), *PUSH)
    assert ran.exit_code == 0, ran.err
    assert [one for one in in_order(ran) if one.startswith("wave")] == [
        "wave 1 of 3: 2",
        "wave 2 of 3: 4",
        "wave 3 of 3: 4",
    ]
    offices = {name: row["office"] for name, row in ran.workstations.items()}
    assert {offices[name] for name in after(ran, 1)} == set(offices.values())
    assert [len(after(ran, wave)) for wave in (1, 2, 3)] == [2, 4, 4]
    assert sorted(after(ran, 1) + after(ran, 2) + after(ran, 3)) == sorted(office.names)
    assert "budget: 0 failed of 10 selected; max_failed 5% = 0" in ran.err


def test_plan_drift_and_status_know_no_waves_and_no_budget(cli: CommandLine, office: RunningLab) -> None:
    for name in office.names[:5]:
        office.break_(name, "new-host-key")
    for command in ("plan", "drift", "status"):
        ran = cli.run(command, office.inventory, "--format", "json")
        assert "wave" not in ran.err
        assert "budget" not in ran.err
        assert set(ran.statuses.values()) <= {"failed", "pending", "bad"}


def test_the_first_failure_spends_the_budget_and_nobody_else_is_begun(cli: CommandLine, office: RunningLab) -> None:
    before, canary = settings(office), office.names[0]
    office.break_(canary, "read-only")
    ran = cli.run("apply", office.inventory, *PUSH)
    assert ran.exit_code == 1
    assert ran.statuses.pop(canary) == "failed"
    others = set(office.names) - {canary}
    for name in others:
        row = ran.workstations[name]
        assert (row["status"], row["reason_code"]) == ("skipped", "budget_spent")
        assert row["reason"].endswith("begun: 1 failed of 10 selected; max_failed 5% = 0")
    assert settings(office) == before
    assert "the budget is spent: 1 failed of 10 selected; max_failed 5% = 0; finishing those in hand" in ran.err
    assert cli.run("show", "last", "--format", "json").statuses == ran.statuses | {canary: "failed"}


def test_the_budget_is_asked_before_each_workstation_of_a_wave(cli: CommandLine, office: RunningLab) -> None:
    for name in office.names:
        office.break_(name, "read-only")
    generous = playbook(office, "generous", waves=["100%"], max_failed=3)
    ran = cli.run("apply", office.inventory, generous, *PUSH, "--concurrency", "1")
    statuses = list(ran.statuses.values())
    assert (statuses.count("failed"), statuses.count("skipped")) == (4, 6), "three are allowed, the fourth stops it"
    assert [line for line in ran.err.splitlines() if "budget" in line and not line.startswith("[")] == [
        "budget: 1 failed of 10 selected; max_failed 3",
        "budget: 2 failed of 10 selected; max_failed 3",
        "budget: 3 failed of 10 selected; max_failed 3",
        "the budget is spent: 4 failed of 10 selected; max_failed 3; finishing those in hand, starting no other",
    ]


@on_each_kind
def test_what_is_in_hand_when_the_budget_is_spent_is_finished(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    for name in office.names:
        office.break_(name, "slow=20")
    office.break_(office.names[0], "read-only")
    together = playbook(office, "together", waves=["100%"])
    ran = cli.run("apply", office.inventory, together, *PUSH, "--concurrency", "3")
    now = settings(office)
    for name, status in ran.statuses.items():
        whole = put_right(office, before[name].content) if status == "changed" else before[name].content
        assert now[name].content == whole
    assert ran.statuses[office.names[0]] == "failed"
    assert set(ran.statuses.values()) == {"failed", "changed", "skipped"}


def test_an_offline_or_waiting_canary_is_replaced_by_the_next_that_answers(
    cli: CommandLine, office: RunningLab
) -> None:
    first, second = office.names[0], next(name for name in office.names if not name.startswith("nancy"))
    office.break_(first, "offline")
    office.break_(second, "iea-open")
    ran = cli.run("apply", office.inventory, *PUSH)
    assert (ran.statuses[first], ran.cell(second)["status"]) == ("offline", "waiting")
    assert list(ran.statuses.values()).count("changed") == 8
    told = after(ran, 1)
    assert told[:2] == [first, second]
    assert [ran.statuses[name] for name in told[2:]] == ["changed"]


def test_max_offline_stops_a_rollout(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    for name in office.names[:5]:
        office.break_(name, "offline")
    ran = cli.run("apply", office.inventory, playbook(office, "watchful", max_offline="10%"), *PUSH)
    assert ran.exit_code == 1
    assert "offline of 10 selected; max_offline 10% = 1; finishing those in hand" in ran.err
    assert "budget_spent" in {row["reason_code"] for row in ran.workstations.values()}
    written = sum(file.content != before[name].content for name, file in settings(office).items())
    assert written <= 1


def test_what_was_bad_before_and_is_not_written_to_costs_nothing(cli: CommandLine, office: RunningLab) -> None:
    sick = office.names[0]
    assert cli.run("apply", office.inventory, "--yes", "--limit", sick).exit_code == 0
    office.break_(sick, "licence")
    ran = cli.run("apply", office.inventory, *PUSH)
    assert ran.exit_code == 1
    assert ran.statuses.pop(sick) == "bad"
    assert set(ran.statuses.values()) == {"bad", "changed"}
    assert "the budget is spent" not in ran.err


def test_what_is_bad_where_this_run_has_written_counts(cli: CommandLine, office: RunningLab) -> None:
    office.break_(office.names[0], "licence")
    ran = cli.run("apply", office.inventory, *PUSH)
    assert ran.statuses[office.names[0]] == "bad"
    assert "the budget is spent: 1 failed of 10 selected" in ran.err
    assert sorted(set(ran.statuses.values())) == ["bad", "skipped"]


def test_a_pause_between_waves_is_kept_and_ctrl_c_ends_it(cli: CommandLine, office: RunningLab) -> None:
    with cli.started("apply", office.inventory, *PUSH, "--wave-pause", "10m") as process:
        assert process.stderr is not None
        said = ""
        while "begins in" not in said:
            said = process.stderr.readline()
        assert said == "wave 2 of 2 begins in 10 min\n"
        time.sleep(0.2)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
        assert time.monotonic() - began < 60, "ten minutes were to be waited"
    ran = Ran(process.returncode, out, err)
    assert ran.exit_code == 130
    assert sorted(ran.statuses.values()) == ["changed"] + ["skipped"] * 9


def test_a_short_pause_only_delays(cli: CommandLine, office: RunningLab) -> None:
    began = time.monotonic()
    ran = cli.run("apply", office.inventory, *PUSH, "--wave-pause", "2s")
    assert time.monotonic() - began > 2
    assert set(ran.statuses.values()) == {"changed"}


@pytest.mark.parametrize(("answer", "code", "changed"), [("yes\n", 0, 10), ("no\n", 1, 1), ("\x03", 130, 1)])
def test_the_operator_lets_a_wave_begin_or_not(
    cli: CommandLine, office: RunningLab, answer: str, code: int, changed: int
) -> None:
    with cli.at_terminal("apply", office.inventory, *PUSH, "--confirm-waves") as terminal:
        terminal.wait_for("Begin wave 2 of 2, 9 workstations? Only yes is taken as yes: ")
        terminal.type(answer)
        assert terminal.end() == code
    ran = Ran(code, terminal.result, terminal.screen)
    assert list(ran.statuses.values()).count("changed") == changed
    codes = {row["reason_code"] for row in ran.workstations.values() if row["status"] == "skipped"}
    assert codes == {0: set(), 1: {"not_confirmed"}, 130: {"interrupted"}}[code]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--yes", "--confirm-waves"), "there is no terminal to ask on; leave it out, or take --wave-pause"),
        (("--yes", "--wave-pause", "soon"), "'soon' is no length of time; write seconds, or 5m, or 2h"),
        (("--yes", "--only", "sad"), "'sad' is not one of"),
    ],
)
def test_options_that_cannot_be(cli: CommandLine, office: RunningLab, more: tuple[str, ...], words: str) -> None:
    ran = cli.run("apply", office.inventory, *more)
    assert ran.exit_code == 2
    assert words in " ".join(ran.err.replace("│", " ").split())
