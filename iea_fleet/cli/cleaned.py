"""stdout and stderr behind the last net: a secret that was read does not leave this process as text.

This imports nothing heavy: a command that reads no secret has not loaded what hides them.
"""

from __future__ import annotations

import io
import sys
import threading
from typing import TextIO


def clean(text: str) -> str:
    """The text without the values of secrets that this process has read. Takes no lock: safe in a signal handler."""
    redactor = sys.modules.get("iea_fleet.secrets.redactor")
    cleaned: str = redactor.SHARED.clean(text) if redactor else text
    return cleaned


def clean_streams() -> None:
    """From now on everything that is written goes through the net: results, progress, logs, warnings, tracebacks."""
    sys.stdout, sys.stderr = _Cleaned(sys.stdout), _Cleaned(sys.stderr)


class _Cleaned(io.TextIOBase):
    """A stream that writes whole lines to another one, so that a value written in pieces is found too.

    It shows no ``buffer``: nobody can write past it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = ""
        # Reentrant: a signal handler may write while its own thread does.
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write the lines that are whole; what is begun waits for its end, or for ``flush``."""
        with self._lock:
            lines, end, self._begun = (self._begun + text).rpartition("\n")
            if end:
                self._stream.write(clean(lines + end))
        return len(text)

    def flush(self) -> None:
        """Write what is begun too."""
        with self._lock:
            if self._stream.closed:
                return
            begun, self._begun = self._begun, ""
            self._stream.write(clean(begun))
            self._stream.flush()

    def close(self) -> None:
        """The stream itself stays open: others hold it too."""
        self.flush()

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor of the stream behind."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream behind."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """That of the stream behind."""
        return self._stream.errors
