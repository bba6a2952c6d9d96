"""The connection is lost at every request of a push, one workstation for each number: old file or new one, whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from command_line import CommandLine, Ran
from lab_files import Seen, left_behind, playbook, put_right, seen, settings
from labs import FOUR_KINDS, RunningLab, running_lab

from iea_fleet.lab.kinds import Kind

LAST = 120
"""A push takes fewer requests than this: the last workstations have to succeed, so no number is left out."""
CUTS = ("drop-after", "drop-before")
MAKES_SESSION = 5
"""Over WinRM fewer requests than these come before the session has begun."""
ON_WINDOWS = 1 if "CHAOS_KILLS" in os.environ else 13
"""How far apart the numbers are there."""


@dataclass(frozen=True, slots=True)
class Drops:
    """An apply over workstations that each lose their connection elsewhere, and the one after they were mended."""

    kind: Kind
    numbers: range
    workstation: dict[tuple[str, int], str]
    old: dict[str, Seen]
    right: dict[str, bytes]
    first: Ran
    between: dict[str, Seen]
    temporary: list[Path]
    second: Ran
    after: dict[str, Seen]
    left: list[Path]

    @property
    def over_winrm(self) -> bool:
        return self.kind.startswith("winrm")

    @property
    def opened(self) -> set[str]:
        """Those that lost it before their session had begun: over SSH requests come later, over WinRM they make it."""
        return {name for (_, number), name in self.workstation.items() if self.over_winrm and number < MAKES_SESSION}

    def new(self, cut: str) -> list[bool]:
        """Whether the file was new after the first apply, for each number."""
        names = [self.workstation[cut, number] for number in self.numbers]
        return [self.between[name].content == self.right[name] for name in names]


@pytest.fixture(scope="module", params=FOUR_KINDS)
def drops(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drops]:
    cli, kind = CommandLine(tmp_path_factory.mktemp("drops")), cast("Kind", request.param)
    numbers = range(1, LAST + 1, 1 if kind == "ssh" else ON_WINDOWS)
    each = [(cut, number) for number in numbers for cut in CUTS]
    with running_lab(cli.home, workstations=len(each), offices=1, kinds=[kind] * len(each)) as lab:
        workstation = dict(zip(each, lab.names, strict=True))
        old = settings(lab)
        for (cut, number), name in workstation.items():
            lab.break_(name, f"{cut}={number}")
        # Most of them fail on purpose, and each has to have its turn.
        whatever = playbook(lab, "whatever-fails", max_failed="100%")
        first = cli.run("apply", lab.inventory, whatever, "--yes", "--format", "json")
        between, temporary = {name: now(lab, name) for name in lab.names}, left_behind(lab)
        for name in lab.names:
            lab.mend(name)
        second = cli.run("apply", lab.inventory, "--yes", "--format", "json")
        right = {name: put_right(lab, file.content) for name, file in old.items()}
        after, left = settings(lab), left_behind(lab)
        yield Drops(kind, numbers, workstation, old, right, first, between, temporary, second, after, left)


def now(lab: RunningLab, name: str) -> Seen:
    """The settings; on Windows they may be where ReplaceFile has moved them, and none have their name."""
    file = lab.file(name)
    if not file.exists() and lab.kind(name) != "ssh":
        (file,) = lab.file(name, "/iea-fleet").glob(".connexion.properties.old.iea-fleet-*")
    return seen(file)


def test_every_request_of_a_push_was_dropped(drops: Drops) -> None:
    for cut in CUTS:
        statuses = [drops.first.statuses[drops.workstation[cut, number]] for number in drops.numbers]
        requests = statuses.count("failed")
        assert statuses == ["failed"] * requests + ["changed"] * (len(drops.numbers) - requests)
        assert requests < len(drops.numbers)
        assert drops.numbers[requests] > 10


def test_each_file_is_the_old_one_or_the_new_one(drops: Drops) -> None:
    for name, file in drops.between.items():
        assert file.content in (drops.old[name].content, drops.right[name]), name
    for cut in CUTS:
        first_written = drops.new(cut).index(True)
        assert first_written > 0
        assert all(drops.new(cut)[first_written:])


def test_the_request_that_renames_makes_the_difference(drops: Drops) -> None:
    """The same number, carried out or not: one file more is new."""
    more = sum(drops.new("drop-after")) - sum(drops.new("drop-before"))
    assert more == 1 if drops.numbers.step == 1 else more in (0, 1)


def test_the_cell_says_that_the_connection_was_lost(drops: Drops) -> None:
    rows = [row for row in drops.first.workstations.values() if row["status"] == "failed"]
    assert {row["reason_code"] for row in rows} == {"connection_lost"}
    assert all(row["reason"].startswith(f"the connection to {row['name']} was lost") for row in rows)
    for name, file in drops.between.items():
        row = drops.first.workstations[name]
        if row["status"] == "failed" and file.content == drops.right[name]:
            assert (
                "each file is whole, the old or the new one; the next iea-fleet apply settles the rest" in row["reason"]
            )
        if row["status"] == "failed" and "while the settings were being written" not in row["reason"]:
            before = "was lost, before this run wrote anything there; run it again"
            assert before in row["reason"] or (
                name in drops.opened and row["reason"].endswith("was lost; run it again")
            )
            assert file == drops.old[name]
    assert drops.first.exit_code == 1


def test_the_next_apply_ends_right_and_tidies_up(drops: Drops) -> None:
    assert drops.temporary, "no connection was lost between making a new file and renaming it"
    beside = "impact-emploi" if drops.kind == "ssh" else "ImpactEmploi"
    found = {path.parent.name for path in drops.temporary}
    if drops.over_winrm:
        assert found == {"iea-fleet"}, "the agent outlives its connection, and puts in place what it has begun"
    else:
        assert {"iea-fleet"} <= found <= {"iea-fleet", beside}
        assert beside in found or drops.numbers.step > 1
    assert drops.second.exit_code == 0
    assert {name: file.content for name, file in drops.after.items()} == drops.right
    assert [path for path in drops.left if path.suffix != ".bak"] == []


def test_what_was_new_already_is_not_written_again(drops: Drops) -> None:
    for name, status in drops.second.statuses.items():
        was_new = drops.between[name].content == drops.right[name]
        assert status == ("in_sync" if was_new else "changed"), name
        assert (drops.after[name] == drops.between[name]) is was_new, name
