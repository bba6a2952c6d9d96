"""Strange private folders and run files on a workstation: each has its words, and nothing is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from fleets import all_at_once
from lab_files import Seen, inventory, settings
from labs import running_lab
from offices import TURNS, in_turn

import iea_fleet
from iea_fleet.lab.kinds import Kind

NOBODY = 65534


def private(folder: Path) -> Path:
    return folder / "iea-fleet"


def made(folder: Path, mode: int = 0o700) -> Path:
    private(folder).mkdir()
    private(folder).chmod(mode)
    return private(folder)


def a_link(folder: Path) -> None:
    (folder / "elsewhere").mkdir(mode=0o700)
    private(folder).symlink_to("elsewhere")


def a_file(folder: Path) -> None:
    private(folder).write_bytes(b"mine")


def read_by_others(folder: Path) -> None:
    made(folder, 0o755)


def somebody_else_s(folder: Path) -> None:
    os.chown(made(folder), NOBODY, NOBODY)


def a_run_file(content: bytes) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        (made(folder) / "run.json").write_bytes(content)

    return put


def a_folder_as_run_file(folder: Path) -> None:
    (made(folder) / "run.json").mkdir()


def a_link_as_run_file(folder: Path) -> None:
    (folder / "passwd").write_bytes(b"root:x:0:0\n")
    (made(folder) / "run.json").symlink_to("../passwd")


@dataclass(frozen=True, slots=True)
class Case:
    """How the thing is put there, and what apply says of it; ``seen``: drift says the same."""

    put: Callable[[Path], None]
    status: str
    code: str
    words: str
    seen: bool = True


CASES = {
    "link": Case(a_link, "failed", "private_folder_not_ours", "/iea-fleet is a link, not a folder", seen=False),
    "file": Case(a_file, "failed", "private_folder_not_ours", "/iea-fleet is a file, not a folder", seen=False),
    "open": Case(read_by_others, "failed", "private_folder_not_ours", "can be read by others", seen=False),
    "other": Case(somebody_else_s, "failed", "private_folder_not_ours", "belongs to somebody else", seen=False),
    "garbage": Case(a_run_file(b"\x00\xff{"), "failed", "run_file_strange", "not a file of iea-fleet, or damaged"),
    "empty": Case(a_run_file(b""), "failed", "run_file_strange", "not a file of iea-fleet, or damaged"),
    "huge": Case(a_run_file(b"x" * 400_000), "failed", "run_file_strange", "400000 bytes"),
    "newer": Case(
        a_run_file(json.dumps({"iea_fleet_run": 2}).encode()), "failed", "run_file_strange", "another version"
    ),
    "folder": Case(a_folder_as_run_file, "failed", "run_file_strange", "is a folder where a file is expected"),
    "run-link": Case(a_link_as_run_file, "failed", "run_file_strange", "not a file of iea-fleet, or damaged"),
}
NAMES = {case: f"nancy-{number:02}" for number, case in enumerate(CASES, 1)}
ON_POSIX = {"other"}
"""The lab's Windows workstations tell whose a folder is by its rights alone."""


def tree(folder: Path) -> dict[str, bytes | str]:
    """Everything that a workstation has, links as where they lead."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@dataclass(frozen=True, slots=True)
class Strange:
    """What drift and apply said, and every file before and after."""

    drift: Ran
    apply: Ran
    before: dict[str, dict[str, bytes | str]]
    after: dict[str, dict[str, bytes | str]]
    settings: tuple[dict[str, Seen], dict[str, Seen]]
    well: set[str]
    """Where nothing is in the way."""


@pytest.fixture(scope="module", params=TURNS.values(), ids=TURNS)
def strange(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strange]:
    if os.geteuid() != 0:
        pytest.fail("giving a folder to somebody else needs root: run these tests as root, as the CI does")
    cli = CommandLine(tmp_path_factory.mktemp("strange"))
    workstations = len(CASES) + 1
    kinds = in_turn(request.param, workstations)
    with running_lab(cli.home, workstations, offices=1, kinds=kinds) as lab:
        tidy = inventory(lab, "tidy", ("timeout: 10", "timeout: 20"))
        folders = {name: lab.directory / "workstations" / name for name in lab.names}
        there = {case: name for case, name in NAMES.items() if case not in ON_POSIX or "ssh" in kinds}
        for case, name in there.items():
            CASES[case].put(lab.file(name, "/iea-fleet").parent)
        before, seen = {name: tree(folder) for name, folder in folders.items()}, settings(lab)
        drift = cli.run("drift", tidy, "--format", "json")
        apply = cli.run("apply", tidy, all_at_once(lab), "--yes", "--format", "json")
        after = {name: tree(folder) for name, folder in folders.items()}
        yield Strange(drift, apply, before, after, (seen, settings(lab)), {*lab.names} - {*there.values()})


@pytest.mark.parametrize("case", CASES)
def test_it_is_said_and_nothing_is_written(strange: Strange, case: str) -> None:
    name, expected = NAMES[case], CASES[case]
    if name in strange.well:
        assert (case in ON_POSIX, strange.apply.statuses[name]) == (True, "changed")
        return
    for ran in (strange.drift, strange.apply) if expected.seen else (strange.apply,):
        cell = ran.cell(name)
        assert (cell["status"], cell["reason_code"]) == (expected.status, expected.code), cell["reason"]
        assert expected.words in cell["reason"]
        assert len(cell["reason"].split(";")) > 1 or "correct" in cell["reason"], cell["reason"]
    assert strange.before[name] == strange.after[name]
    assert strange.settings[0][name] == strange.settings[1][name]


@pytest.mark.parametrize("kind", [kinds[0] for kinds in TURNS.values()])
def test_a_private_folder_below_a_link_is_not_used(tmp_path: Path, kind: Kind) -> None:
    """The link may lead elsewhere tomorrow, and with it run.json and the backups."""
    cli = CommandLine(tmp_path)
    with running_lab(tmp_path, workstations=1, offices=1, kinds=[kind]) as lab:
        (name,) = lab.names
        layout, private = lab.layout(name).name, lab.path(name, "/iea-fleet")
        kept = private.removesuffix("iea-fleet") + "var/kept"
        shipped = Path(iea_fleet.__file__).parent / "layouts" / f"{layout}.yml"
        text = shipped.read_text(encoding="utf-8")
        assert f"private: {private} " in text
        below = text.replace(f"private: {private} ", f"private: {kept}/iea-fleet ")
        (lab.directory / "below.yml").write_text(below, encoding="utf-8")
        file = inventory(lab, "below-a-link", (f"layout: {layout}", "layout: below.yml"))
        folder = lab.file(name, "/iea-fleet").parent
        (folder / "var").mkdir()
        (folder / "elsewhere").mkdir()
        (folder / "var" / "kept").symlink_to("../elsewhere")
        before = tree(folder)
        cell = cli.run("apply", file, "--yes", "--format", "json").cell(name)
        assert (cell["status"], cell["reason_code"]) == ("failed", "private_folder_not_ours")
        assert f"{kept}, where the private folder is kept, is a link" in cell["reason"]
        assert tree(folder) == before
        (folder / "var" / "kept").unlink()
        (folder / "elsewhere").rename(folder / "var" / "kept")
        assert cli.run("apply", file, "--yes", "--format", "json").statuses == {name: "changed"}


def test_the_one_without_anything_in_the_way_is_written(strange: Strange) -> None:
    assert strange.well
    assert {strange.apply.statuses[name] for name in strange.well} == {"changed"}
    assert strange.apply.exit_code == 1
