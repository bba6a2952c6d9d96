"""A command in a process of its own, and what it cost: peak memory, CPU and seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MB: Final = 1024 * 1024

# Linux keeps the highest memory of a process across exec, so that a child of a large test process would begin with
# what the tests use. This one is small.
_SMALL_PARENT: Final = """
import json, os, sys
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_maxrss, used.ru_utime + used.ru_stime], file)
"""


@dataclass(frozen=True)
class Measured:
    """How a command ended. ``peak`` is the most memory it ever held, in bytes; ``cpu`` is in seconds."""

    exit_code: int
    stdout: str
    stderr: str
    peak: int
    cpu: float


def measure(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None, seconds: float = 300
) -> Measured:
    """Run a command to its end; ``folder`` is where its figures are kept. TimeoutExpired after so many seconds."""
    figures = folder / f"measured-{os.urandom(4).hex()}.json"
    ended = subprocess.run(
        [sys.executable, "-S", "-E", "-c", _SMALL_PARENT, str(figures), *command],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=True,
    )
    exit_code, kilobytes, cpu = json.loads(figures.read_text())
    return Measured(
        exit_code,
        ended.stdout.decode("utf-8", "replace"),
        ended.stderr.decode("utf-8", "replace"),
        kilobytes * 1024,
        cpu,
    )
