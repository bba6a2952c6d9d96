"""The whole story on a lab of its own: from old installations to kept ones, a hand and a dead machine between."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from command_line import CommandLine, Ran
from lab_files import Seen, left_behind, put_right, settings
from labs import running_lab
from offices import TURNS, Kinds, in_turn

from iea_fleet import lab as lab_room

EDITED, OFFLINE = "nancy-01", "toul-01"


@dataclass
class Story:
    """What each command of the story ended with, and the settings files before or after it."""

    ran: dict[str, Ran] = field(default_factory=dict)
    files: dict[str, dict[str, Seen]] = field(default_factory=dict)
    right: dict[str, bytes] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=TURNS.values(), ids=TURNS)
def kinds(request: pytest.FixtureRequest) -> Kinds:
    return tuple(request.param)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, kinds: Kinds) -> Iterator[Story]:
    told, cli = Story(), CommandLine(tmp_path_factory.mktemp("story"))
    with running_lab(cli.home, kinds=in_turn(kinds, 6)) as lab:

        def tell(step: str, command: str, *more: str) -> None:
            told.ran[step] = cli.run(command, lab.inventory, *more)
            told.files[step] = settings(lab)

        told.files["fresh"] = settings(lab)
        told.right = {name: put_right(lab, file.content) for name, file in told.files["fresh"].items()}
        tell("first drift", "drift")
        tell("plan", "plan")
        tell("apply", "apply", "--yes")
        told.left = [str(path) for path in left_behind(lab) if path.suffix != ".bak"]
        tell("drift after", "drift")
        tell("status", "status")
        lab.break_(EDITED, "edited")
        tell("drift after the edit", "drift")
        tell("drift as json", "drift", "--format", "json")
        tell("apply after the edit", "apply", "--yes", "--format", "json")
        tell("apply again", "apply", "--yes")
        lab.break_(OFFLINE, "offline")
        # Runs are listed by their ids, which begin with the second in which they started.
        time.sleep(1.0)
        tell("drift with one offline", "drift")
        told.ran["runs"] = cli.run("runs")
        told.ran["show last"] = cli.run("show", "last")
        first = told.ran["runs"].out.split()[0]
        told.ran["show by id"] = cli.run("show", first[:-2])
        three_days_pass(cli)
        lab_room.down(lab.directory)
        told.ran["last"] = cli.run("status", lab.inventory, "--last")
        told.ran["last as json"] = cli.run("status", lab.inventory, "--last", "--format", "json")
        yield told


def three_days_pass(cli: CommandLine) -> None:
    with closing(sqlite3.connect(cli.state / "history.sqlite")) as database, database:
        for column in ("found_at", "seen_at"):
            database.execute(f"UPDATE cells SET {column} = strftime('%Y-%m-%d %H:%M:%f000', {column}, '-3 days')")


def test_a_fresh_lab_differs_and_looking_touches_nothing(story: Story) -> None:
    assert story.ran["first drift"].exit_code == 3
    assert "6 workstations: 6 pending" in story.ran["first drift"].out
    assert story.ran["plan"].exit_code == 3
    assert "6 workstations: 6 to change" in story.ran["plan"].out
    assert "« Sécurisé » is not ticked" in story.ran["plan"].text
    assert "leftover « :80 »" in story.ran["plan"].text
    assert story.files["plan"] == story.files["fresh"]


def test_apply_sets_three_values_and_keeps_every_other_byte(story: Story) -> None:
    assert story.ran["apply"].exit_code == 0, story.ran["apply"]
    assert "6 workstations: 6 changed" in story.ran["apply"].out
    assert {name: file.content for name, file in story.files["apply"].items()} == story.right
    assert story.left == []
    odd = b"".join(story.right.values())
    assert all(kept in odd for kept in (b"/assistance", "Paramètres".encode("latin-1"), b"\r\n", b"\\u00a0", b"delai"))


def test_afterwards_nothing_differs_and_everything_answers(story: Story) -> None:
    assert story.ran["drift after"].exit_code == 0
    assert story.ran["status"].exit_code == 0
    assert "6 workstations: 6 in sync" in story.ran["status"].out
    assert story.ran["status"].out.count("✓ boule bleue") + story.ran["status"].out.count("✓ ok") >= 6 * 3
    assert story.files["status"] == story.files["apply"]


def test_a_hand_is_noticed_with_old_and_new_value_and_when_it_was_right(story: Story) -> None:
    drift = story.ran["drift after the edit"]
    assert drift.exit_code == 3
    assert "6 workstations: 1 drifted, 5 in sync" in drift.out
    assert "secure: false → true (« Sécurisé » is not ticked); was right until" in drift.text
    (difference,) = story.ran["drift as json"].cell(EDITED)["differences"]
    assert (difference["before"], difference["after"], difference["last_right"]) == (False, True, True)
    status_began = story.ran["drift as json"].document["run"]["started_at"]
    assert "2" < difference["last_right_at"] < status_began


def test_apply_puts_it_right_and_the_next_one_writes_nothing(story: Story) -> None:
    after_edit, again = story.ran["apply after the edit"], story.ran["apply again"]
    assert after_edit.exit_code == 0
    assert after_edit.statuses == {name: "changed" if name == EDITED else "in_sync" for name in story.right}
    assert {name: file.content for name, file in story.files["apply after the edit"].items()} == story.right
    assert again.exit_code == 0
    assert "6 workstations: 6 in sync" in again.out
    assert story.files["apply again"] == story.files["apply after the edit"]


def test_one_that_is_switched_off_is_offline_and_exits_4(story: Story) -> None:
    drift = story.ran["drift with one offline"]
    assert drift.exit_code == 4
    assert "1 offline, 5 in sync" in drift.out
    assert f"{OFFLINE} (127.0.0.1:" in drift.out
    assert "refuses the connection; look whether" in drift.text


def test_runs_and_show_tell_it_again(story: Story) -> None:
    runs = story.ran["runs"]
    assert runs.exit_code == 0
    listed = [line.split() for line in runs.out.splitlines() if not line.startswith(" ")]
    assert [run_id[:15] for run_id, *_ in listed] == sorted((run_id[:15] for run_id, *_ in listed), reverse=True)
    assert Counter(command for _, command, *_ in listed) == {"drift": 5, "apply": 3, "plan": 1, "status": 1}
    assert listed[0][1] == "drift"
    assert "exit 4" in runs.out.splitlines()[0]
    for shown in ("show last", "show by id"):
        assert story.ran[shown].exit_code == 0
        assert story.ran[shown].out == story.ran["show last"].out
    assert "1 offline, 5 in sync" in story.ran["show last"].out
    assert story.ran["show last"].text.startswith("run ")


def test_the_last_known_state_has_an_age_and_needs_nobody(story: Story) -> None:
    last = story.ran["last"]
    assert last.exit_code == 4, last
    assert "○ offline 3d" in last.text
    assert "last seen: settings in sync 3d ago" in last.text
    assert "✓ in sync 3d" in last.text
    assert last.err == ""
    cell = story.ran["last as json"].cell(OFFLINE)
    assert (cell["status"], cell["last_seen"]["status"]) == ("offline", "in_sync")
    assert story.ran["last as json"].exit_code == 4
