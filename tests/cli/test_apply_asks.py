"""apply on a terminal asks first; what moves while the question stands is stale."""

from __future__ import annotations

import re

import pytest
from command_line import CommandLine, Ran
from lab_files import put_right, settings
from labs import RunningLab

QUESTION = "Write to 6 workstations? Only yes is taken as yes: "


def test_yes_writes_what_was_shown_and_nothing_that_moved_since(cli: CommandLine, office: RunningLab) -> None:
    moved = "toul-02"
    before = settings(office)
    with cli.at_terminal("apply", office.inventory, "--format", "json") as terminal:
        terminal.wait_for(QUESTION)
        assert settings(office) == before
        by_hand = before[moved].content + b"# by hand\n"
        office.file(moved).write_bytes(by_hand)
        terminal.type("yes\n")
        assert terminal.end() == 1
    ran = Ran(1, terminal.result, terminal.screen)
    cell = ran.cell(moved)
    assert (cell["status"], cell["reason_code"]) == ("stale", "moved_since_plan")
    assert "changed after the plan was made; nothing was written" in cell["reason"]
    assert office.file(moved).read_bytes() == by_hand
    for name in set(office.names) - {moved}:
        assert ran.statuses[name] == "changed"
        assert office.file(name).read_bytes() == put_right(office, before[name].content)


def test_the_plan_is_shown_before_the_question(cli: CommandLine, office: RunningLab) -> None:
    with cli.at_terminal("apply", office.inventory) as terminal:
        terminal.wait_for(QUESTION)
        shown = re.sub(r"\s+", " ", terminal.screen)
        assert "6 workstations: 6 to change" in shown
        assert "secure: false → true" in shown
        terminal.type("no\n")
        assert terminal.end() == 1
    assert terminal.result == ""


@pytest.mark.parametrize("answer", ["y\n", "\n", "\x04"])
def test_anything_else_than_yes_writes_nothing(cli: CommandLine, office: RunningLab, answer: str) -> None:
    before = settings(office)
    with cli.at_terminal("apply", office.inventory) as terminal:
        terminal.wait_for(QUESTION)
        terminal.type(answer)
        assert terminal.end() == 1
    assert "nothing was written" in terminal.screen
    assert terminal.result == ""
    assert settings(office) == before
    assert cli.run("runs").out.strip() == "No run yet."


def test_ctrl_c_at_the_question_writes_nothing(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    with cli.at_terminal("apply", office.inventory) as terminal:
        terminal.wait_for(QUESTION)
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "nothing was written" in terminal.screen
    assert settings(office) == before


def test_without_a_change_nobody_is_asked(cli: CommandLine, office: RunningLab) -> None:
    assert cli.run("apply", office.inventory, "--yes").exit_code == 0
    with cli.at_terminal("apply", office.inventory) as terminal:
        assert terminal.end() == 0
    assert "Write to" not in terminal.screen
    assert "6 workstations: 6 in sync" in terminal.result


def test_without_a_terminal_and_without_yes_nothing_is_begun(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    ran = cli.run("apply", office.inventory, stdin="yes\n")
    assert ran.exit_code == 2
    assert ran.out == ""
    assert "there is no terminal to ask on; add --yes" in ran.err
    assert settings(office) == before
