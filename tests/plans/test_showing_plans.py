"""show FILE on a plan for 150 workstations: each change once, with its number, then the exceptions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command_line import CommandLine
from drawn_plans import ADDRESS, TICK, changing, saved, unreached

from iea_fleet.engine import saved_plan
from iea_fleet.history import History


@pytest.fixture
def file(cli: CommandLine) -> Path:
    targets = [changing(f"nancy-{number:03}", replace(TICK, last_right_at=None)) for number in range(1, 148)]
    path = cli.home / "p.json"
    with History.open(cli.state) as history:
        plan = saved(
            changing("nancy-200", ADDRESS),
            *targets,
            unreached("nancy-300"),
            changing("nancy-400"),
            history=history.key.fingerprint,
        )
        saved_plan.write(path, plan, history.key)
    return path


def test_147_alike_are_one_group_and_the_exceptions_come_after(cli: CommandLine, file: Path) -> None:
    shown = cli.run("show", file)
    assert shown.exit_code == 0, shown
    places = [
        shown.text.index(words)
        for words in (
            "plan of Réseau Grand Est",
            "limit nancy-*, !nancy-09",
            "commit cccccccc",
            "147 workstations: ▸ pending settings secure: false → true (« Sécurisé » is not ticked) nancy-[001:147]",
            "1 workstation: ▸ pending settings update_url: http://a.example → https://a.example/updates nancy-200",
            "○ offline: nancy-300 no answer",
            "Nothing to do on 1 workstation: nancy-400",
            "150 workstations: 148 to change",
        )
    ]
    assert places == sorted(places)
    assert len(shown.out.splitlines()) < 40


def test_what_a_plan_holds_cannot_command_the_terminal(cli: CommandLine) -> None:
    path = cli.home / "evil.json"
    with History.open(cli.state) as history:
        evil = replace(TICK, before="\x1b]0;owned\x07", setting="se\x1b[2Jcure")
        plan = replace(saved(changing("nancy-\x9b1m", evil), history=history.key.fingerprint), user="\x1b[31m")
        saved_plan.write(path, plan, history.key)
    shown = cli.run("show", path)
    assert shown.exit_code == 0
    assert not [character for character in shown.out if character != "\n" and not character.isprintable()]
