"""The real command ``iea-fleet`` in a process of its own, with its own home and its own state."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terminals import Terminal

COMMAND = Path(sys.executable).with_name("iea-fleet")
LONGEST = 300
"""Seconds until a command is taken for hung, on a machine that has much else to do."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command ended with and said."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The whole of stdout as JSON."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    @property
    def workstations(self) -> dict[str, dict[str, Any]]:
        """The rows of the document by workstation."""
        return {row["name"]: row for row in self.document["workstations"]}

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each workstation."""
        return {name: row["status"] for name, row in self.workstations.items()}

    def cell(self, workstation: str, address: str = "server_connection") -> dict[str, Any]:
        """One cell of the document."""
        cells = self.workstations[workstation]["cells"]
        return next(cell for cell in cells if cell["address"] == address)

    @property
    def text(self) -> str:
        """stdout with every line break and run of blanks as one blank: tables fold their sentences."""
        return " ".join(self.out.split())


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Runs the command. ``more`` is added to its environment."""

    home: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """Where its history and host keys are."""
        return self.home / "state"

    @property
    def environment(self) -> dict[str, str]:
        """All it inherits."""
        return {
            "HOME": str(self.home),
            "IEA_FLEET_STATE_DIR": str(self.state),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            "TERM": "xterm",
            "PYTHONWARNINGS": "default",
            **self.more,
        }

    def run(self, *arguments: str | Path, stdin: str = "", folder: Path | None = None) -> Ran:
        """Run it to its end, without a terminal. No traceback and no warning is ever in order."""
        done = subprocess.run(
            [COMMAND, *arguments],
            env=self.environment,
            cwd=folder or self.home,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LONGEST,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "Warning:" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def started(self, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        """Run it in the background; ended by force when the test leaves it behind."""
        with subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)

    @contextlib.contextmanager
    def at_terminal(self, *arguments: str | Path) -> Iterator[Terminal]:
        """Run it with a terminal as stdin and stderr; stdout goes to a file."""
        with Terminal([os.fspath(COMMAND), *map(os.fspath, arguments)], self.environment, self.home) as terminal:
            yield terminal
