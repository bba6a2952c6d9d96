"""A fleet of lab workstations on which runs are killed, and what has to hold of it after each death and mending."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from command_line import CommandLine, Ran
from lab_files import left_behind, patient_inventory, playbook, put_right
from labs import RunningLab, running_lab

from iea_fleet.engine.load import load
from iea_fleet.history import History
from iea_fleet.lab.kinds import Kind
from iea_fleet.model.matrix import Status
from iea_fleet.model.target import Target

_BACKUP = re.compile(r"[0-9a-z-]+-[0-9]+\.bak")
_PAUSED = re.compile(r"(?P<name>[a-z]+-[0-9]+): pauses at request (?P<number>[0-9]+)$", re.MULTILINE)
_PATIENCE = 300.0


@dataclass
class Fleet:
    """A lab, the command with its history, and the settings files as they were before anybody came."""

    lab: RunningLab
    cli: CommandLine
    inventory: Path
    at_once: Path
    """The playbook that begins all workstations together, however many fail."""
    old: dict[str, bytes]
    right: dict[str, bytes]
    former: set[bytes] = field(default_factory=set)
    """Whole settings that were there at some time, and may be in a backup."""
    kills: int = 0
    targets: list[Target] = field(default_factory=list)
    _seen: int = field(default=0)

    def apply(self) -> Ran:
        """Run apply to its end."""
        return self.cli.run("apply", *self.files, "--yes", "--format", "json")

    @property
    def files(self) -> tuple[Path, Path]:
        """What apply is given."""
        return self.inventory, self.at_once

    def old_again(self) -> None:
        """Somebody puts the old settings back on every workstation."""
        for name, content in self.old.items():
            self.write(name, content)

    def write(self, name: str, content: bytes) -> None:
        """Somebody replaces the settings of one workstation; the file is whole at every moment."""
        fresh = self.lab.directory / f".{name}.by-hand"
        fresh.write_bytes(content)
        fresh.replace(self.lab.file(name))

    @contextmanager
    def killed_apply(self) -> Iterator[subprocess.Popen[str]]:
        """An apply in a process of its own, killed with SIGKILL at the end of the block."""
        with self.cli.started("apply", *self.files, "--yes", "--concurrency", "64") as process:
            yield process
            process.kill()
            process.communicate()
            self.kills += process.returncode < 0

    def mend(self) -> None:
        """Every workstation works again, also those that restart at this moment."""
        for one in self.lab.info.workstations:
            self.lab.mend(one.name)
            self.lab.end_shells(one.name)
        for one in self.lab.info.workstations:
            assert wait_until(lambda port=one.port: _answers(port))

    def assert_whole(self) -> None:
        """Every settings file is the old one or the new one.

        On Windows it may have none of its names for a moment, and whoever dies in that moment leaves the old one where
        ReplaceFile had moved it.
        """
        for name in self.lab.names:
            file = self.lab.file(name)
            if not file.exists() and self.lab.kind(name) != "ssh":
                aside = self.lab.file(name, "/iea-fleet").glob(".connexion.properties.old.iea-fleet-*")
                assert [path.read_bytes() for path in aside] == [self.old[name]], name
            else:
                assert file.read_bytes() in (self.old[name], self.right[name]), name

    def assert_settled(self, applied: Ran) -> None:
        """All is right and nothing is left but backups that hold no secret; the history says the same."""
        assert set(applied.statuses.values()) <= {"changed", "in_sync"}, applied.statuses
        assert applied.exit_code == 0
        assert {name: self.lab.file(name).read_bytes() for name in self.lab.names} == self.right
        self.assert_tidy()
        with History.open(self.cli.state) as history:
            (latest,) = history.runs(1)
            assert (latest.run.id, latest.run.exit_code) == (applied.document["run"]["id"], 0)
            last = history.last_rows(latest.run.inventory, self.targets)
            pushed = [cell for row in last for cell in row.cells if cell.address == "server_connection"]
            assert len(pushed) == len(self.lab.names)
            assert {cell.status for cell in pushed} <= {Status.CHANGED, Status.IN_SYNC}
            assert history.verify().broken == ""

    def assert_tidy(self, also: Iterable[bytes] = ()) -> None:
        """No temporary file, no ``run.json``, no backup but whole ones of settings; ``also`` are such."""
        whole = {*self.old.values(), *self.right.values(), *self.former, *also}
        for path in left_behind(self.lab):
            assert path.parent.name == "iea-fleet", path
            assert _BACKUP.fullmatch(path.name), path
            assert path.read_bytes() in whole, path

    def pauses(self) -> dict[str, int]:
        """At which request each workstation stopped, since ``forget_pauses``; what was on its way stops later."""
        stopped: dict[str, int] = {}
        for found in _PAUSED.finditer(self._journal()[self._seen :]):
            stopped.setdefault(found["name"], int(found["number"]))
        return stopped

    def stands_still(self) -> bool:
        """Whether each workstation has come to its pause, or has its outcome in the history: the push goes no further.

        The run before it has ended.
        """
        if not self.pauses():
            return False
        with History.open(self.cli.state) as history:
            (latest,) = history.runs(1)
            done = {row.workstation for row in history.rows(latest.run.id)}
        return latest.run.ended_at is None and done | self.pauses().keys() == set(self.lab.names)

    def forget_pauses(self) -> None:
        """What was journalled until now is not counted any more."""
        self._seen = len(self._journal())

    def _journal(self) -> str:
        return (self.lab.directory / "lab.log").read_text(encoding="utf-8")


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def fleet(home: Path, workstations: int, *kinds: Kind) -> Iterator[Fleet]:
    """A fleet of one office whose sessions wait longer for an answer than any test takes; ``kinds`` come in turn."""
    of_each = [kinds[number % len(kinds)] for number in range(workstations)] if kinds else []
    with running_lab(home, workstations=workstations, offices=1, kinds=of_each) as lab:
        old = {name: lab.file(name).read_bytes() for name in lab.names}
        right = {name: put_right(lab, content) for name, content in old.items()}
        patient = patient_inventory(lab, 120)
        targets = list(load(patient).selected)
        yield Fleet(lab, CommandLine(home), patient, all_at_once(lab), old, right, targets=targets)


def all_at_once(lab: RunningLab) -> Path:
    """A playbook of one wave, which no failure stops."""
    return playbook(lab, "at-once", waves=["100%"], max_failed="100%")


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> bool:
    """Wait for something; False when the process has ended before."""
    until = time.monotonic() + _PATIENCE
    while not true():
        if process is not None and process.poll() is not None:
            return true()
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)
    return True
