"""Wrong files, wrong names, a history that cannot be used: clear words on stderr, nothing on stdout, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from lab_files import inventory
from labs import RunningLab

VISITING = ("validate", "apply")


def yes(command: str) -> list[str]:
    return ["--yes"] if command == "apply" else []


@pytest.mark.parametrize("command", VISITING)
def test_an_inventory_that_is_not_there(cli: CommandLine, command: str) -> None:
    ran = cli.run(command, "inventaire.yml", *yes(command))
    assert (ran.exit_code, ran.out) == (2, "")
    assert "inventaire.yml" in ran.err
    assert "cannot be read" in ran.err or "is not there" in ran.err or "no such file" in ran.err.lower()
    assert not (cli.state / "history.sqlite").exists(), "nothing was begun"


@pytest.mark.parametrize("command", VISITING)
def test_every_mistake_has_its_place(cli: CommandLine, office: RunningLab, command: str) -> None:
    path = inventory(
        office,
        "mistaken",
        ("secure: true ", "secure: yes "),
        ("    timeout: 10", "    timout: 10"),
        ("title: Antenne de Toul", "titel: Antenne de Toul"),
    )
    ran = cli.run(command, path, *yes(command))
    assert (ran.exit_code, ran.out) == (2, "")
    lines = ran.err.splitlines()
    for key, text in (("timout", "timeout"), ("secure", "true"), ("titel", "title")):
        number, column = place(path, f"{key}: ")
        (line,) = [one for one in lines if one.startswith(f"{path}:{number}:")]
        assert int(line.removeprefix(f"{path}:{number}:").partition(":")[0]) >= column
        assert key in line
        assert text in line
    assert lines[-1] == "iea-fleet: 3 mistakes in the files"


def place(path: Path, text: str) -> tuple[int, int]:
    """Line and column (from 1) of a text in a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    number = next(number for number, line in enumerate(lines, 1) if text in line)
    return number, lines[number - 1].index(text) + 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "frobnicate"),
        (["drift"], "INVENTORY"),
        (["drift", "x.yml", "--concurrency", "0"], "--concurrency"),
        (["drift", "x.yml", "--format", "xml"], "xml"),
        (["schema", "inventaire"], "there is no schema of 'inventaire'; known: inventory"),
        (["show", "last"], "the history knows no run yet; plan, apply, drift and status make one"),
        (["trust", "add", "x.yml", "--fingerprint", "SHA256:x"], "name the workstation before --fingerprint"),
        (["lab", "break", "nancy-01", "offline"], "no lab runs in"),
    ],
)
def test_wrong_usage(cli: CommandLine, arguments: list[str], said: str) -> None:
    ran = cli.run(*arguments)
    assert ran.exit_code in ((1,) if arguments[0] == "lab" else (2,))
    assert ran.out == ""
    assert said in ran.err


def test_an_unknown_run_names_the_nearest(cli: CommandLine, office: RunningLab) -> None:
    known = cli.run("drift", office.inventory, "--format", "json").document["run"]["id"]
    ran = cli.run("show", known[:-1] + "zz")
    assert (ran.exit_code, ran.out) == (2, "")
    assert f"the history knows no run '{known[:-1]}zz'; nearest: {known}; see iea-fleet runs" in ran.err


@pytest.mark.parametrize("arguments", [["runs"], ["drift"]])
def test_a_damaged_history(cli: CommandLine, office: RunningLab, arguments: list[str]) -> None:
    cli.state.mkdir()
    (cli.state / "history.sqlite").write_bytes(b"this is no database, and never was one. " * 200)
    ran = cli.run(*arguments, *([office.inventory] if arguments == ["drift"] else []))
    assert (ran.exit_code, ran.out) == (1, "")
    assert str(cli.state / "history.sqlite") in ran.err
    assert len(ran.err.splitlines()) == 1
    assert "; " in ran.err, "the sentence has a hint"


def test_a_state_folder_that_cannot_be_made(cli: CommandLine, office: RunningLab) -> None:
    """A file stands where the folder should be: that stops root too."""
    (cli.home / "taken").write_text("")
    ran = cli.run("drift", office.inventory, "--state-dir", cli.home / "taken" / "state")
    assert (ran.exit_code, ran.out) == (1, "")
    assert "cannot be opened for writing" in ran.err
    assert "name another folder with --state-dir" in ran.err


def test_the_state_folder_can_be_named_by_option(cli: CommandLine, office: RunningLab) -> None:
    other = cli.home / "elsewhere"
    assert cli.run("drift", office.inventory, "--state-dir", other).exit_code == 3
    assert (other / "history.sqlite").exists()
    assert not cli.state.exists()
