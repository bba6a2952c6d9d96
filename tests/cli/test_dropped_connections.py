"""The connection is lost at every request of a push, one workstation for each number: old file or new one, whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from lab_files import Seen, left_behind, playbook, put_right, settings
from labs import running_lab

LAST = 110
"""A push takes fewer requests than this: the last workstations have to succeed, so no number is left out."""
KINDS = ("drop-after", "drop-before")


@dataclass(frozen=True, slots=True)
class Drops:
    """An apply over workstations that each lose their connection elsewhere, and the one after they were mended."""

    workstation: dict[tuple[str, int], str]
    old: dict[str, Seen]
    right: dict[str, bytes]
    first: Ran
    between: dict[str, Seen]
    temporary: list[Path]
    second: Ran
    after: dict[str, Seen]
    left: list[Path]


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drops]:
    cli = CommandLine(tmp_path_factory.mktemp("drops"))
    with running_lab(cli.home, workstations=2 * LAST, offices=1) as lab:
        numbers = [(kind, number) for number in range(1, LAST + 1) for kind in KINDS]
        workstation = dict(zip(numbers, lab.names, strict=True))
        old = settings(lab)
        for (kind, number), name in workstation.items():
            lab.break_(name, f"{kind}={number}")
        # Most of them fail on purpose, and each has to have its turn.
        whatever = playbook(lab, "whatever-fails", max_failed="100%")
        first = cli.run("apply", lab.inventory, whatever, "--yes", "--format", "json")
        between, temporary = settings(lab), left_behind(lab)
        for name in lab.names:
            lab.mend(name)
        second = cli.run("apply", lab.inventory, "--yes", "--format", "json")
        right = {name: put_right(lab, file.content) for name, file in old.items()}
        yield Drops(workstation, old, right, first, between, temporary, second, settings(lab), left_behind(lab))


def test_every_request_of_a_push_was_dropped(drops: Drops) -> None:
    for kind in KINDS:
        statuses = [drops.first.statuses[drops.workstation[kind, number]] for number in range(1, LAST + 1)]
        requests = statuses.count("failed")
        assert statuses == ["failed"] * requests + ["changed"] * (LAST - requests)
        assert 10 < requests < LAST


def test_each_file_is_the_old_one_or_the_new_one(drops: Drops) -> None:
    for name, file in drops.between.items():
        assert file.content in (drops.old[name].content, drops.right[name]), name
    for kind in KINDS:
        written = [
            drops.between[drops.workstation[kind, number]].content == drops.right[drops.workstation[kind, number]]
            for number in range(1, LAST + 1)
        ]
        first_written = written.index(True)
        assert first_written > 0
        assert all(written[first_written:])


def test_the_request_that_renames_makes_the_difference(drops: Drops) -> None:
    """The same number, carried out or not: one file more is new."""
    new = {
        kind: sum(
            drops.between[drops.workstation[kind, number]].content == drops.right[drops.workstation[kind, number]]
            for number in range(1, LAST + 1)
        )
        for kind in KINDS
    }
    assert new["drop-after"] == new["drop-before"] + 1


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
            assert "was lost, before this run wrote anything there; run it again" in row["reason"]
            assert file == drops.old[name]
    assert drops.first.exit_code == 1


def test_the_next_apply_ends_right_and_tidies_up(drops: Drops) -> None:
    assert drops.temporary, "no connection was lost between making a new file and renaming it"
    assert {path.parent.name for path in drops.temporary} == {"impact-emploi", "iea-fleet"}
    assert drops.second.exit_code == 0
    assert {name: file.content for name, file in drops.after.items()} == drops.right
    assert [path for path in drops.left if path.suffix != ".bak"] == []


def test_what_was_new_already_is_not_written_again(drops: Drops) -> None:
    for name, status in drops.second.statuses.items():
        was_new = drops.between[name].content == drops.right[name]
        assert status == ("in_sync" if was_new else "changed"), name
        assert (drops.after[name] == drops.between[name]) is was_new, name
