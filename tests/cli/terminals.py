"""A terminal to type on: a pseudo-terminal as stdin and stderr of a command."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 300
"""Seconds until a command is taken for hung, on a machine that has much else to do."""


class Terminal:
    """A command on a pseudo-terminal. ``screen`` is all that it showed there, ``result`` its stdout."""

    def __init__(self, argv: list[str], environment: dict[str, str], folder: Path) -> None:
        self.screen = ""
        self._result = folder / "stdout"
        self._ours, theirs = pty.openpty()
        try:
            with self._result.open("wb") as out:
                # Through setsid -c it is the controlling terminal: Ctrl-C comes as from a keyboard. Whoever started
                # the tests in the background has SIGINT ignored, and children inherit that (POSIX, sh, 2.11).
                self._process = subprocess.Popen(
                    ["setsid", "-c", "env", "--default-signal=INT", *argv],
                    env=environment,
                    cwd=folder,
                    stdin=theirs,
                    stdout=out,
                    stderr=theirs,
                )
        finally:
            os.close(theirs)

    @property
    def result(self) -> str:
        """What went to stdout."""
        return self._result.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Read until this stands on the screen."""
        until = time.monotonic() + PATIENCE
        while text not in self.screen:
            assert self._read(until), f"{text!r} never came:\n{self.screen}"

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        until = time.monotonic() + PATIENCE
        while self._read(until):
            pass
        return self._process.wait(max(1.0, until - time.monotonic()))

    def _read(self, until: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        try:
            part = os.read(self._ours, 65536)
        except OSError:
            # Linux ends a pseudo-terminal so once nobody holds the other side.
            return False
        self.screen += part.decode("utf-8", "replace")
        return bool(part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        os.close(self._ours)
