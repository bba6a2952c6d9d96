"""What one process cost, medians, and tables in Markdown."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

COMMAND = Path(sys.executable).with_name("iea-fleet")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall clock and of CPU (user and system) of one whole process, and its largest RSS in MB."""

    wall: float
    cpu: float
    megabytes: float


def measure(command: Sequence[object], folder: Path, code: int = 0, output: Path | None = None) -> Cost:
    """Run a command to its end. Its standard output goes to ``output``; another exit code than ``code`` is an error."""
    errors = folder / "bench.stderr"
    with errors.open("wb") as stderr, Path(output or os.devnull).open("wb") as stdout:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )
        # wait4 gives the resources of this one child, whatever else we started.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        tail = errors.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}, not {code}:\n{tail}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def medians(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(*(statistics.median(getattr(one, name) for one in costs) for name in ("wall", "cpu", "megabytes")))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(value: float) -> str:
    """Seconds for people."""
    return f"{value:.2f} s"


def milliseconds(value: float) -> str:
    """Seconds as milliseconds for people."""
    return f"{value * 1000:.1f} ms"


def machine() -> str:
    """What the figures were measured on: nothing that names the machine."""
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr  # noqa: S607 - the one on the PATH is meant
    facts: Mapping[str, str] = {
        "cores": str(os.cpu_count()),
        "system": platform.system(),
        "Python": platform.python_version(),
        "paramiko": version("paramiko"),
        "asyncssh": version("asyncssh"),
        "OpenSSH": said.split()[0].removeprefix("OpenSSH_").rstrip(","),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }
    return ", ".join(f"{name} {value}" for name, value in facts.items())
