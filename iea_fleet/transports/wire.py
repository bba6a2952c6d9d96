"""The byte stream under an SSH connection: a socket or a forwarded channel, and how long it may be silent."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from paramiko import Channel


class Wire:
    """What paramiko takes for a socket.

    paramiko's reading thread asks ``recv`` at least ten times a second, so limits held here end every wait of every
    caller, also those waits for which paramiko itself knows no limit. ``verdict`` tells afterwards why it ended:
    ``deadline_passed``, ``went_silent`` or nothing.
    """

    def __init__(self, stream: socket.socket | Channel, first: bytes = b"") -> None:
        if isinstance(stream, socket.socket):
            # Small packets both ways: without it the two ends' delays add up to 40 ms for each answer.
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = stream
        self._first = first
        self._silent_after = float("inf")
        self._stuck_since: float | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._when_closed: list[Callable[[], None]] = []
        self.deadline = float("inf")
        self.patience = float("inf")
        self.verdict = ""

    def expect_answer(self, seconds: float) -> None:
        """End the connection when nothing is ``answered()`` within these seconds."""
        self._silent_after = time.monotonic() + seconds

    def answered(self) -> None:
        """Nobody waits any more."""
        self._silent_after = float("inf")

    def on_close(self, call: Callable[[], None]) -> None:
        """Have something called once when this closes."""
        self._when_closed.append(call)

    def _still_in_time(self) -> bool:
        now = time.monotonic()
        if now > self.deadline:
            self.verdict = "deadline_passed"
        elif now > self._silent_after or (self._stuck_since and now > self._stuck_since + self.patience):
            self.verdict = "went_silent"
        return not self.verdict

    def recv(self, size: int) -> bytes:
        """Bytes that came, as a socket gives them. EOFError when a limit has passed."""
        if not self._still_in_time():
            raise EOFError
        if self._first:
            taken, self._first = self._first[:size], self._first[size:]
            return taken
        return self._stream.recv(size)

    def give_back(self, data: bytes) -> None:
        """Have bytes that were received come once more, before all others."""
        self._first = data + self._first

    def send(self, data: bytes) -> int:
        """Send some of these bytes, as a socket does. BrokenPipeError when a limit has passed."""
        if not self._still_in_time():
            raise BrokenPipeError
        try:
            sent = self._stream.send(data)
        except TimeoutError:
            self._stuck_since = self._stuck_since or time.monotonic()
            raise
        self._stuck_since = None
        return sent

    def settimeout(self, seconds: float | None) -> None:
        """How long one ``recv`` or ``send`` may block."""
        self._stream.settimeout(seconds)

    def getpeername(self) -> object:
        """The far end, as the stream below names it."""
        return self._stream.getpeername()

    def close(self) -> None:
        """Close it, and wake whoever reads from it at once."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(OSError, EOFError):
            # A reader in another thread is not woken by close() alone.
            self._stream.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, EOFError):
            self._stream.close()
        for call in self._when_closed:
            call()
