"""Programs of a layout, run over SSH: no word of them is split or expanded, and no output is without bound."""

from __future__ import annotations

import select
import shlex
import time
from typing import Final

from paramiko import Channel

from iea_fleet.model.request import Failed, Ran, RunAction
from iea_fleet.transports.base import Ended
from iea_fleet.transports.connection import Connection, close_channel

MOST_OUTPUT: Final = 1024 * 1024
"""How many bytes of each output stream are kept; the rest is read and thrown away."""

_LOOK_AGAIN: Final = 0.25
_PUMP_AGAIN: Final = 0.02
_GRACE: Final = 1.0
"""How long output may still come after the exit code: a program left in the background holds the streams open."""

_PIECE: Final = 32768


def run_action(connection: Connection, channel: Channel, request: RunAction) -> Ran | Failed:
    """Run a program in a fresh session channel, which is closed afterwards.

    The login shell of the user gets the words quoted as POSIX shells want it (POSIX.1-2017, XCU 2.2.2). Failed:
    ``action_timeout`` (it may still be running), ``action_killed``, ``action_refused``.
    """
    command = shlex.join(request.argv)
    ended = converse(connection, channel, command, request.stdin, seconds=request.timeout, most_output=MOST_OUTPUT)
    if ended is None:
        return timed_out(request)
    if ended.exit_code < 0:
        return Failed("action_killed", f"{request.argv[0]} was ended by a signal; look at the workstation for why")
    return Ran(*ended)


def converse(
    connection: Connection, channel: Channel, command: str, stdin: bytes, *, seconds: float, most_output: int
) -> Ended | None:
    """Run a command line in a fresh session channel, which is closed afterwards; None if it took too long.

    ``most_output`` bytes of each output stream are kept. No terminal is asked for. BrokenError when the connection is
    lost or its deadline passes.
    """
    limit = time.monotonic() + connection.seconds_left(seconds)
    try:
        with connection.answer_expected():
            channel.exec_command(command)
        connection.round_trips += 1
        return _Conversation(channel, stdin, most_output).hold(limit, connection)
    finally:
        close_channel(channel)


class _Conversation:
    """Standard input on its way out, both outputs on their way in."""

    def __init__(self, channel: Channel, stdin: bytes, most_output: int) -> None:
        self._channel = channel
        self._most_output = most_output
        self._pending = memoryview(stdin)
        self._out = bytearray()
        self._errors = bytearray()
        self._input_open = True

    def hold(self, limit: float, connection: Connection) -> Ended | None:
        channel = self._channel
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        last_output = 0.0
        while True:
            self._push()
            if self._pull():
                last_output = time.monotonic()
            now = time.monotonic()
            ended = channel.exit_status_ready()
            if ended and self._drained(now, last_output):
                connection.raise_if_lost(channel)
                break
            last_output = last_output or (now if ended else 0.0)
            if now >= limit:
                connection.seconds_left()
                return None
            poll.poll(1000 * min(limit - now, _PUMP_AGAIN if self._pending else _LOOK_AGAIN))
        return Ended(channel.recv_exit_status(), bytes(self._out), bytes(self._errors))

    def _drained(self, now: float, last_output: float) -> bool:
        channel = self._channel
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        return bool(channel.eof_received) or channel.closed or (last_output > 0 and now > last_output + _GRACE)

    def _push(self) -> None:
        channel = self._channel
        try:
            while self._pending and channel.send_ready():
                self._pending = self._pending[channel.send(bytes(self._pending[:_PIECE])) :]
            if not self._pending and self._input_open:
                self._input_open = False
                channel.shutdown_write()
        except OSError:
            # The program ended, or closed its input, without reading all of it: that is its right.
            self._pending, self._input_open = self._pending[:0], False

    def _pull(self) -> bool:
        channel, came = self._channel, False
        while channel.recv_ready():
            data = channel.recv(_PIECE)
            came = came or bool(data)
            self._out += data[: self._most_output - len(self._out)]
        while channel.recv_stderr_ready():
            data = channel.recv_stderr(_PIECE)
            came = came or bool(data)
            self._errors += data[: self._most_output - len(self._errors)]
        return came


def timed_out(request: RunAction) -> Failed:
    """The answer for a program that took too long."""
    return Failed(
        "action_timeout",
        f"{request.argv[0]} did not end within {request.timeout:g} s; it may still be running on the workstation",
    )
