"""Files that a controller had not renamed when it died go with the next apply, which need not write anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine
from lab_files import inventory, seen
from labs import RunningLab, running_lab

ONE, TWO = "nancy-01", "nancy-02"
TOKEN = "iea-fleet-0123456789abcdef"
OURS = (
    f"iea-fleet/.run.json.{TOKEN}",
    f"iea-fleet/.20260301-120000-test-1.bak.{TOKEN}",
    f"iea-fleet/.clock-fedcba9876543210.{TOKEN}",
    "iea-fleet/clock-0123456789abcdef",
    f"impact-emploi/.connexion.properties.{TOKEN}",
)
OTHERS = (
    "iea-fleet/note.txt",
    "iea-fleet/20260301-120000-test-1.bak",
    f"impact-emploi/.other.properties.{TOKEN}",
    "impact-emploi/.connexion.properties.swp",
    "impact-emploi/.connexion.properties.iea-fleet-0123456789ABCDEF",
)


@pytest.fixture(params=[("ssh", "ssh"), ("ssh-windows", "winrm-sealed"), ("winrm-https", "ssh-windows")], ids=str)
def two(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningLab]:
    """Two workstations whose settings are right, with strange files on both."""
    with running_lab(tmp_path, workstations=2, offices=1, kinds=request.param) as lab:
        assert CommandLine(tmp_path).run("apply", lab.inventory, "--yes").exit_code == 0
        for name in lab.names:
            for path in (*OURS, *OTHERS):
                lab.file(name, f"/{path}").write_bytes(b"secret=half")
        yield lab


def there(lab: RunningLab, name: str) -> set[str]:
    """Which of the strange files are there."""
    return {path for path in (*OURS, *OTHERS) if lab.file(name, f"/{path}").exists()}


def test_only_an_apply_that_may_write_there_removes_them(two: RunningLab, tmp_path: Path) -> None:
    cli = CommandLine(tmp_path)
    settings = {name: seen(two.file(name)) for name in two.names}
    held = inventory(two, "held", (f"{TWO}:\n", f"{TWO}:\n        hold: {{reason: en réparation}}\n"))
    for command in ("plan", "drift", "status"):
        assert cli.run(command, held).exit_code == 0
        assert all(there(two, name) == {*OURS, *OTHERS} for name in two.names)
    applied = cli.run("apply", held, "--yes", "--format", "json")
    assert applied.statuses == {ONE: "in_sync", TWO: "in_sync"}
    assert there(two, ONE) == set(OTHERS)
    assert there(two, TWO) == {*OURS, *OTHERS}, "a hold keeps everything as it is"
    assert {name: seen(two.file(name)) for name in two.names} == settings
    assert not two.file(ONE, "/iea-fleet/run.json").exists()


def test_a_push_that_writes_removes_them_too(two: RunningLab, tmp_path: Path) -> None:
    two.break_(ONE, "edited")
    applied = CommandLine(tmp_path).run("apply", two.inventory, "--yes", "--format", "json", "--limit", ONE)
    assert applied.statuses == {ONE: "changed"}
    assert there(two, ONE) == set(OTHERS)


def test_what_cannot_be_removed_does_no_harm_and_goes_later(two: RunningLab, tmp_path: Path) -> None:
    cli = CommandLine(tmp_path)
    two.break_(ONE, "read-only")
    assert cli.run("apply", two.inventory, "--yes", "--limit", ONE).exit_code == 0
    assert there(two, ONE) == {*OURS, *OTHERS}
    two.mend(ONE)
    assert cli.run("apply", two.inventory, "--yes", "--limit", ONE).exit_code == 0
    assert there(two, ONE) == set(OTHERS)
