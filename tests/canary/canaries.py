"""Known secrets, the places where they must not be, and a command that is watched while it runs."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from iea_fleet.secrets.redactor import forms

COMMAND = Path(sys.executable).with_name("iea-fleet")
LONGEST = 60
_HALF = 8


def canary(token: str) -> str:
    """A password with what formats escape in it; the letters of ``token`` are plain and stand nowhere else."""
    assert token.isalnum()
    assert len(token) == 2 * _HALF
    return f"CANARY-{token[:_HALF]}-é&<'{token[_HALF:]}"


@dataclass(frozen=True, slots=True)
class Said:
    """A command that has ended."""

    arguments: tuple[str, ...]
    exit_code: int
    out: str
    err: str


@dataclass
class Watched:
    """Runs the real command and keeps what it said, its words in the list of processes, and what its children got.

    ``environment`` is added to that of the command, and is no place where a secret must not be: it came by it.
    """

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    of_processes: set[bytes] = field(default_factory=set)

    def run(self, *arguments: str | Path, stdin: str = "", kill_when: Callable[[], bool] | None = None) -> Said:
        """Run it to its end, or kill it at a moment, without a terminal."""
        environment = {
            "HOME": str(self.home),
            "IEA_FLEET_STATE_DIR": str(self.home / "state"),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "COLUMNS": "60",  # narrow: what a table breaks over lines has to be hidden before
            "PYTHONWARNINGS": "default",
            **self.environment,
        }
        with (
            subprocess.Popen(
                [COMMAND, *arguments],
                env=environment,
                cwd=self.home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            ) as process,
            self.watching(process.pid),
        ):
            try:
                while kill_when and process.poll() is None:
                    if kill_when():
                        process.kill()
                    time.sleep(0.01)
                out, err = process.communicate(stdin, LONGEST)
            finally:
                process.kill()
        said = Said(tuple(map(str, arguments)), process.returncode, out, err)
        self.said.append(said)
        return said

    @contextlib.contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """Look meanwhile at the words of a process, and at the words and the environment of all it starts."""
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(pid, over))
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()

    def _watch(self, pid: int, over: threading.Event) -> None:
        while not over.wait(0.005):
            own = _read(pid, "cmdline")
            self.of_processes.add(own)
            for child in _descendants(pid):
                words = _read(child, "cmdline")
                # Until it has become another program it is a copy of the command, which may have secrets.
                if words != own:
                    self.of_processes |= {words, _read(child, "environ")}

    def places(self, *folders: Path, but: Iterable[Path] = ()) -> dict[str, bytes]:
        """All that was said and kept so far, by where it is; of ``folders`` too, ``but`` these files or folders."""
        left_out = tuple(but)
        found = {f"process {number}": text for number, text in enumerate(sorted(self.of_processes))}
        for one in self.said:
            named = " ".join(one.arguments)
            found |= {f"stdout of {named}": one.out.encode(), f"stderr of {named}": one.err.encode()}
        for folder in (self.home, *folders):
            for file in folder.rglob("*"):
                if file.is_file() and not any(file.is_relative_to(other) for other in left_out):
                    found[str(file)] = file.read_bytes()
        return found


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it has ended
        return []


def _read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:  # it has ended
        return b""


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in _tasks(pid):
        try:
            children = [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


def traces(secret: str) -> set[bytes]:
    """How a secret could be found in bytes: each form of the net, and, without it, its plain beginning and end."""
    found = set()
    for form in forms(secret):
        for encoding in ("utf-8", "latin-1", "utf-16-le"):
            found.add(form.encode(encoding, "surrogatepass" if encoding == "utf-16-le" else "ignore"))
    for part in (secret[7 : 7 + _HALF], secret[-_HALF:]):
        for data in (part.encode(), part.encode("utf-16-le")):
            found |= {data, data.hex().encode(), data.hex().upper().encode()}
            for before in range(3):
                letters = base64.b64encode(bytes(before) + data)
                found.add(letters[-(-8 * before // 6) : (before + len(data)) * 8 // 6])
    return found


def leaks(places: dict[str, bytes], *secrets: str) -> list[str]:
    """The places in which one of the secrets is, in whatever form."""
    wanted = {trace for secret in secrets for trace in traces(secret)}
    return sorted(where for where, text in places.items() if any(trace in text for trace in wanted))


def owner_only(file: Path, text: str) -> Path:
    """A file of secrets as programs want it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    return file
