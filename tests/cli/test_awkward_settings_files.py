"""What can stand where the settings file should be: each its own reason code, and nothing is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from lab_files import left_behind, playbook
from labs import RunningLab, running_lab


def link(file: Path) -> None:
    file.rename(file.with_name("elsewhere.properties"))
    file.symlink_to("elsewhere.properties")


def dead_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere.properties")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def huge(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"#" * (4 * 1024 * 1024 + 1))


def two_names(file: Path) -> None:
    file.with_name("other.properties").hardlink_to(file)


def absent(file: Path) -> None:
    file.unlink()


def twice(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\nconnexion.securisee=N\n")


def no_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


CASES: dict[Callable[[Path], None], tuple[str, str, str]] = {
    # what was done: status, reason code and words of the reason after apply
    link: ("failed", "is_link", "is a link, and links are never written through; put the real path into the layout"),
    dead_link: ("unknown", "leads_nowhere", "is a link to something that is not there"),
    folder: ("unknown", "is_folder", "is a folder where a file is expected"),
    huge: ("unknown", "too_large", "more than the 4194304 that a settings file may have"),
    two_names: ("failed", "many_names", "is one of 2 names of the same file"),
    absent: ("waiting", "settings_absent", "open IEA once on this workstation"),
    twice: ("unknown", "duplicate_key", "stands twice in the file; remove one by hand"),
    no_folder: ("waiting", "settings_absent", "open IEA once on this workstation"),
}
NAMES = {make: f"nancy-{number:02}" for number, make in enumerate(CASES, 1)}


@dataclass(frozen=True, slots=True)
class Awkward:
    """drift and apply over workstations with such files; what was below them before and after the apply."""

    drift: Ran
    apply: Ran
    before: dict[str, list[tuple[str, bytes]]]
    after: dict[str, list[tuple[str, bytes]]]
    left: list[Path]


def below(lab: RunningLab, name: str) -> list[tuple[str, bytes]]:
    """Every file of a workstation but the tray state, links as links; what is below the private folder is ours."""
    found = []
    for path in sorted(lab.file(name, "").rglob("*")):
        if path.name not in ("etat.properties", "iea-fleet"):
            kept = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            found.append((str(path), kept))
    return found


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Awkward]:
    cli = CommandLine(tmp_path_factory.mktemp("awkward"))
    with running_lab(cli.home, workstations=len(CASES) + 1, offices=1) as lab:
        for make, name in NAMES.items():
            make(lab.file(name))
        drift = cli.run("drift", lab.inventory, "--format", "json")
        before = {name: below(lab, name) for name in lab.names}
        whatever = playbook(lab, "whatever-fails", max_failed="100%")
        apply = cli.run("apply", lab.inventory, whatever, "--yes", "--format", "json")
        after = {name: below(lab, name) for name in lab.names}
        yield Awkward(drift, apply, before, after, left_behind(lab))


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_each_has_its_own_words_and_is_left_alone(awkward: Awkward, make: Callable[[Path], None]) -> None:
    status, code, words = CASES[make]
    cell = awkward.apply.cell(NAMES[make])
    assert (cell["status"], cell["reason_code"]) == (status, code), cell["reason"]
    assert words in cell["reason"]
    assert awkward.after[NAMES[make]] == awkward.before[NAMES[make]]


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_drift_says_what_it_can_read_through(awkward: Awkward, make: Callable[[Path], None]) -> None:
    status, code, _ = CASES[make]
    cell = awkward.drift.cell(NAMES[make])
    # Reading does no harm: a link and a second name show what they lead to, and only writing is refused.
    assert (cell["status"], cell["reason_code"]) == (
        ("pending", "pending") if make in (link, two_names) else (status, code)
    )


def test_the_ordinary_one_beside_them_is_written(awkward: Awkward) -> None:
    assert awkward.apply.statuses[f"nancy-{len(CASES) + 1:02}"] == "changed"
    assert [path for path in awkward.left if path.name.startswith(".")] == []
