"""The records of runs by the real command: verified, pruned, shown as a page, and kept on a disk that is full."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import CommandLine
from lab_files import put_right, settings
from labs import RunningLab, running_lab

ONE = "nancy-01"
COMMIT = "c0ffee" * 6 + "abcd"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CommandLine, RunningLab]]:
    """A lab in a git repository, pushed to once."""
    cli = CommandLine(tmp_path_factory.mktemp("audited"))
    with running_lab(cli.home, workstations=2, offices=1) as lab:
        git = lab.directory / ".git"
        (git / "refs" / "heads").mkdir(parents=True)
        (git / "HEAD").write_text("ref: refs/heads/main\n")
        (git / "refs" / "heads" / "main").write_text(COMMIT + "\n")
        assert cli.run("apply", lab.inventory, "--yes").exit_code == 0
        yield cli, lab


def edit(cli: CommandLine, statement: str) -> None:
    """Another program writes into the history."""
    with closing(sqlite3.connect(cli.state / "history.sqlite")) as database, database:
        assert database.execute(statement).rowcount


def test_a_run_is_shown_with_all_that_an_audit_wants(audited: tuple[CommandLine, RunningLab]) -> None:
    cli, _ = audited
    shown = cli.run("show", "last", "--format", "json")
    run = shown.document["run"]
    assert (run["git_commit"], run["exit_code"], run["selected"]) == (COMMIT, 0, 2)
    assert run["user"]
    assert any(path.endswith("inventory.yml") for path in run["files"])
    secure = next(one for one in shown.cell(ONE)["differences"] if one["setting"] == "secure")
    assert (secure["before"], secure["after"]) == (False, True)

    page = cli.run("show", "last", "--format", "md")
    assert page.exit_code == 0
    assert page.out.startswith(f"# Run {run['id']}\n")
    assert f"| commit | {COMMIT} |" in page.out
    assert "| nancy-01 | settings | changed | secure | false | true |" in page.out
    assert COMMIT in cli.run("show", "last").out


def test_verify_prints_the_head_and_finds_an_edit(audited: tuple[CommandLine, RunningLab]) -> None:
    cli, lab = audited
    well = cli.run("runs", "verify")
    assert (well.exit_code, "each as it was written" in well.out) == (0, True)
    head = well.out.split("hash ")[1].split()[0]
    assert cli.run("drift", lab.inventory).exit_code == 0
    assert cli.run("runs", "verify", "--head", head).exit_code == 0
    assert cli.run("runs", "verify", "--head", "0" * 64).exit_code == 1

    edit(cli, "UPDATE outcomes SET office = 'metz' WHERE workstation = 'nancy-02'")
    bad = cli.run("runs", "verify")
    assert bad.exit_code == 1
    assert "(outcome of nancy-02 in run" in bad.err
    edit(cli, "UPDATE outcomes SET office = 'nancy' WHERE workstation = 'nancy-02'")
    assert cli.run("runs", "verify").exit_code == 0


def test_pruning_keeps_the_last_known_state(audited: tuple[CommandLine, RunningLab]) -> None:
    cli, lab = audited
    assert cli.run("runs", "prune", "--before", "2020-01-01").out.startswith("0 runs from before 1 Jan 2020")
    assert cli.run("runs", "prune", "--keep", "0d").exit_code == 0
    assert cli.run("runs").out == "No run yet.\n"
    verified = cli.run("runs", "verify")
    assert (verified.exit_code, "were pruned" in verified.out) == (0, True)
    last = cli.run("status", lab.inventory, "--last", "--format", "json")
    assert last.cell(ONE)["status"] == "in_sync"
    lab.break_(ONE, "edited")
    assert cli.run("drift", lab.inventory, "--format", "json").cell(ONE)["status"] == "drifted"
    lab.mend(ONE)


@pytest.mark.parametrize(
    "arguments",
    [(), ("--before", "2020-01-01", "--keep", "9d"), ("--keep", "400"), ("--keep", "-3d"), ("--before", "2999-01-01")],
)
def test_prune_wants_one_day_that_is_past(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert CommandLine(tmp_path).run("runs", "prune", *arguments).exit_code == 2


FILL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from iea_fleet.cli.main import main
sys.argv = ["iea-fleet", *sys.argv[2:]]
main()
"""


def test_a_disk_that_fills_while_running_stops_the_run_and_the_next_one_ends_it(tmp_path: Path) -> None:
    cli = CommandLine(tmp_path)
    with running_lab(tmp_path, workstations=12, offices=1) as lab:
        right = {name: put_right(lab, file.content) for name, file in settings(lab).items()}
        old = {name: file.content for name, file in settings(lab).items()}
        assert cli.run("drift", lab.inventory).exit_code == 3
        # A limit on the size of files stands for the disk: SQLite sees the same failing write.
        size = (cli.state / "history.sqlite").stat().st_size
        full = subprocess.run(
            [
                sys.executable,
                "-c",
                FILL,
                str(size + 12_000),
                "apply",
                str(lab.inventory),
                "--yes",
                "--concurrency",
                "1",
            ],
            env=cli.environment,
            cwd=cli.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert full.returncode == 1, full
        assert "iea-fleet: the history" in full.stderr
        assert "disk" in full.stderr
        between = {name: file.content for name, file in settings(lab).items()}
        assert all(between[name] in (old[name], right[name]) for name in right)
        assert any(between[name] == old[name] for name in right), "the disk was never full"
        assert not list((lab.directory / "workstations").glob("*/iea-fleet/run.json"))

        assert cli.run("runs", "verify").exit_code == 0
        assert cli.run("apply", lab.inventory, "--yes").exit_code == 0
        assert {name: file.content for name, file in settings(lab).items()} == right
        assert cli.run("runs", "verify").exit_code == 0
