"""Ctrl-C in the middle of an apply, and workstations that say nothing: what is finished, what is never begun."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from command_line import LONGEST, CommandLine, Ran
from lab_files import inventory, left_behind, playbook, put_right, settings
from labs import RunningLab, running_lab

SLOW = "slow=20"
SILENCE = 12
"""Seconds until a silence is believed: longer than nine workstations take on a busy machine."""


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with running_lab(tmp_path_factory.mktemp("twelve"), workstations=12) as lab:
        yield lab


@pytest.fixture
def lab(twelve: RunningLab) -> Iterator[RunningLab]:
    with twelve.restored() as restored:
        yield restored


def read_lines(process: subprocess.Popen[str], number: int) -> list[str]:
    """The first lines of stderr, as they come."""
    assert process.stderr is not None
    return [process.stderr.readline() for _ in range(number)]


def test_one_interrupt_finishes_what_is_in_hand_and_begins_no_other(cli: CommandLine, lab: RunningLab) -> None:
    before = settings(lab)
    for name in lab.names:
        lab.break_(name, SLOW)
    together = playbook(lab, "together", waves=["100%"])
    arguments = ("apply", lab.inventory, together, "--yes", "--concurrency", "2", "--format", "json")
    with cli.started(*arguments) as process:
        first = read_lines(process, 2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LONGEST)
    ran = Ran(process.returncode, out, "".join(first) + err)
    assert ran.exit_code == 130, ran
    assert ran.document["run"]["exit_code"] == 130
    way_on = f"then go on with: iea-fleet resume {ran.document['run']['id']}\n"
    assert f"finishing the workstations in hand, starting no other; once more stops at once; {way_on}" in ran.err

    finished = {name for name, status in ran.statuses.items() if status == "changed"}
    _, _, later = ran.err.partition("finishing the workstations in hand")
    assert later.count(": changed") <= 2, "two were in hand"
    assert 2 <= len(finished) < len(lab.names)
    for name in set(lab.names) - finished:
        row = ran.workstations[name]
        assert (row["status"], row["reason_code"]) == ("skipped", "interrupted")
        assert row["reason"] == "the run was interrupted before this workstation was begun"
    after = settings(lab)
    for name in lab.names:
        if name in finished:
            assert after[name].content == put_right(lab, before[name].content)
        else:
            assert after[name] == before[name]
    assert [path for path in left_behind(lab) if path.suffix != ".bak"] == []
    shown = cli.run("show", "last", "--format", "json")
    assert shown.statuses == ran.statuses
    assert shown.document["run"]["exit_code"] == 130


def test_a_second_interrupt_stops_at_once_and_leaves_whole_files(cli: CommandLine, lab: RunningLab) -> None:
    before = settings(lab)
    for name in lab.names:
        lab.break_(name, "slow=1000")
    together = playbook(lab, "together", waves=["100%"])
    with cli.started("apply", lab.inventory, together, "--yes", "--concurrency", "2") as process:
        # Nothing is told before the first workstation is done with: the lab's journal says that somebody is in.
        wait_for_a_client(lab)
        process.send_signal(signal.SIGINT)
        (said,) = read_lines(process, 1)
        assert "once more stops at once" in said
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, _ = process.communicate(timeout=LONGEST)
        assert time.monotonic() - began < 20, "one workstation takes over half a minute"
    assert process.returncode == 130
    assert out == ""
    for name, file in settings(lab).items():
        assert file.content in (before[name].content, put_right(lab, before[name].content))
    assert "not ended" in cli.run("runs").out


def wait_for_a_client(lab: RunningLab) -> None:
    journal = lab.directory / "lab.log"
    seen, until = journal.stat().st_size, time.monotonic() + 20
    while b"came in" not in journal.read_bytes()[seen:]:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("fault", ["hang", "offline"])
def test_silent_workstations_take_no_worker_from_the_others(cli: CommandLine, lab: RunningLab, fault: str) -> None:
    silent = lab.names[:3]
    for name in silent:
        lab.break_(name, fault)
    impatient = inventory(lab, "impatient", ("timeout: 10", f"timeout: {SILENCE}"))
    ended: dict[str, float] = {}
    began = time.monotonic()
    with cli.started("drift", impatient, "--concurrency", "1") as process:
        for _ in lab.names:
            (line,) = read_lines(process, 1)
            ended[line.split()[1].rstrip(":")] = time.monotonic() - began
        process.communicate(timeout=LONGEST)
    others = [ended[name] for name in lab.names if name not in silent]
    assert len(others) == 9
    if fault == "hang":
        assert max(others) < min(ended[name] for name in silent), "the others are done before a silence is believed"
        assert max(ended.values()) < 2 * SILENCE, "three silences are waited for together"
        assert process.returncode == 1
    else:
        assert process.returncode == 3, "pending ones come before offline ones"
