"""The one remote shell of a WinRM session, and the programs that run in it ([MS-WSMV] 3.1.4)."""

from __future__ import annotations

import base64
import contextlib
import copy
import math
import struct
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Final, TypeVar

from pypsrp.wsman import NAMESPACES, OptionSet, SelectorSet, WSMan, WSManAction

from iea_fleet.errors import BrokenError, TransportError
from iea_fleet.transports.base import Ended, Reach
from iea_fleet.transports.windows.frames import LARGEST_ANSWER
from iea_fleet.transports.winrm_errors import NONSENSE, WIRE_ERRORS, in_our_words, told
from iea_fleet.transports.winrm_login import Messages
from iea_fleet.transports.winrm_refusals import silent
from iea_fleet.transports.winrm_wire import Http

_RESOURCE: Final = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
_RSP: Final = f"{{{NAMESPACES['rsp']}}}"
_TERMINATE: Final = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/Terminate"
_UNRELEASED: Final = 8
"""How many ended programs may wait for the end of the shell: it allows 15 to 25, and to release one is an exchange."""

_IDLE_LEAST: Final = 60
_CLOSING: Final = 2.0
"""Seconds for the farewell: a workstation that does not answer ends the shell by itself, once it has been idle."""

# Made once: each making registers pypsrp's XML namespaces anew for all threads, and two at a time trip each other up.
# Its envelope of 150 KiB is what every version takes; 500 KiB, the default since Windows 8, can be lowered.
_PREPARED: Final = WSMan("localhost", no_proxy=True)

_Result = TypeVar("_Result")
# What pypsrp and pyspnego raise when parts of an answer are missing or are not what they should be.
_UNREADABLE: Final = (
    *(ET.ParseError, ValueError, LookupError, ArithmeticError),
    *(AttributeError, TypeError, StopIteration, struct.error),
)


class Shell:
    """A remote shell (WinRS) of a workstation that may be let in by its first message."""

    def __init__(self, http: Http, reach: Reach) -> None:
        self._http = http
        self._reach = reach
        self._messages = Messages(http, reach)
        self._id = ""
        self._ended = 0
        self._patience = max(1, int(reach.timeout / 2))
        # The workstation has to be able to say in time that there is nothing to say yet.
        self._messages.seconds = max(reach.timeout, self._patience + 1)
        self._wsman = copy.copy(_PREPARED)
        self._wsman.session_id = str(uuid.uuid4())
        # pypsrp's tests put their own in this place, too: all it is asked for is `endpoint`, `send` and `close`.
        self._wsman.transport = self._messages  # type: ignore[assignment]

    def open(self) -> None:
        """Open it. NotLetInError as of logging in, and ``access_denied``; BrokenError ``too_many_shells`` and others.

        A shell whose connection is lost ends once it has been idle for as long as a session may last.
        """
        body = ET.Element(f"{_RSP}Shell")
        idle = max(_IDLE_LEAST, math.ceil(self._reach.deadline))
        wanted = {"InputStreams": "stdin", "OutputStreams": "stdout stderr", "IdleTimeOut": f"PT{idle}S"}
        for name, text in wanted.items():
            ET.SubElement(body, f"{_RSP}{name}").text = text
        answer = self._ask(WSManAction.CREATE, body)
        self._id = answer.findtext(f".//{{{NAMESPACES['wsman']}}}Selector[@Name='ShellId']", "")
        if not self._id:
            raise told(NONSENSE, self._reach.workstation)

    def run(self, command_line: str, stdin: bytes, seconds: float) -> Ended:
        """Run a program to its end with this standard input, for so many seconds at most.

        Both streams together are kept up to ``LARGEST_ANSWER`` bytes. BrokenError ``went_silent`` when it is not done
        by then, ``deadline_passed`` when that is the session's end: it is terminated, and the session of no more use.
        """
        room = self._http.seconds_left(math.inf) - min(_CLOSING, self._reach.deadline / 4)
        if room <= 0:
            raise silent(self._reach.workstation, deadline=True)
        limit = time.monotonic() + min(seconds, room)
        command = self._start(command_line)
        try:
            self._feed(command, stdin)
            ended = self._wait(command, limit)
        except _TookTooLongError as error:
            with contextlib.suppress(TransportError):
                self._hurry()
                self._release(command)
            raise silent(self._reach.workstation, deadline=room < seconds) from error
        self._ended += 1
        if self._ended > _UNRELEASED:
            with contextlib.suppress(TransportError):  # the next message will tell; what this one brought is ours
                self._release(command)
        return ended

    def close(self) -> None:
        """Delete the shell and all that still runs in it. TransportError when nobody confirms that."""
        if self._id:
            self._hurry()
            self._ask(WSManAction.DELETE, None)
            self._id = ""

    def _hurry(self) -> None:
        """From here on it is about the farewell, which has its time beyond the deadline."""
        self._http.grant(_CLOSING)
        self._messages.seconds = min(self._messages.seconds, _CLOSING)

    def _start(self, command_line: str) -> str:
        """Through cmd.exe: without it, newer versions do nothing else and older ones want the whole path.

        The command line is constant, 2,000 of the 8,191 characters that cmd.exe takes, and has none that it would
        read in its own way. Standard input is a pipe and no console, which would echo it and end it at Ctrl-Z.
        """
        body = ET.Element(f"{_RSP}CommandLine")
        ET.SubElement(body, f"{_RSP}Command").text = command_line
        options = {"WINRS_CONSOLEMODE_STDIN": "FALSE", "WINRS_SKIP_CMD_SHELL": "FALSE"}
        command = self._ask(WSManAction.COMMAND, body, options).findtext(f".//{_RSP}CommandId")
        if not command:
            raise told(NONSENSE, self._reach.workstation)
        return command

    def _feed(self, command: str, stdin: bytes) -> None:
        size = self._wsman.max_payload_size
        for at in range(0, max(1, len(stdin)), size):
            body = ET.Element(f"{_RSP}Send")
            stream = ET.SubElement(body, f"{_RSP}Stream", Name="stdin", CommandId=command)
            if at + size >= len(stdin):
                stream.set("End", "true")
            stream.text = base64.b64encode(stdin[at : at + size]).decode()
            try:
                self._ask(WSManAction.SEND, body)
            except BrokenError as error:
                if error.code != "input_not_read":
                    raise
                return  # the program has ended: what it wrote before that says why

    def _wait(self, command: str, limit: float) -> Ended:
        body = ET.Element(f"{_RSP}Receive")
        ET.SubElement(body, f"{_RSP}DesiredStream", CommandId=command).text = "stdout stderr"
        kept = {"stdout": bytearray(), "stderr": bytearray()}
        while True:
            left = limit - time.monotonic()
            if left <= 0:
                raise _TookTooLongError
            try:
                answer = self._ask(WSManAction.RECEIVE, body, {"WSMAN_CMDSHELL_OPTION_KEEPALIVE": "TRUE"}, left)
            except BrokenError as error:
                if error.code != "operation_timeout":
                    raise
                continue
            exit_code = self._read(lambda: _taken(answer, kept))  # noqa: B023 - called at once
            if exit_code is not None:
                return Ended(exit_code, bytes(kept["stdout"]), bytes(kept["stderr"]))

    def _release(self, command: str) -> None:
        body = ET.Element(f"{_RSP}Signal", CommandId=command)
        ET.SubElement(body, f"{_RSP}Code").text = _TERMINATE
        self._ask(WSManAction.SIGNAL, body)

    def _ask(
        self, action: str, body: ET.Element | None, options: dict[str, str] | None = None, seconds: float | None = None
    ) -> ET.Element:
        """The answer to one message. ``seconds``: how long the workstation may wait before it answers."""
        chosen = SelectorSet()
        chosen.add_option("ShellId", self._id)
        wished = OptionSet()
        for name, value in (options or {}).items():
            wished.add_option(name, value)
        patience = self._patience if seconds is None else min(self._patience, max(1, int(seconds)))
        return self._read(
            lambda: self._wsman.invoke(
                action,
                _RESOURCE,
                body,
                wished if options else None,
                chosen if self._id else None,
                timeout=patience,
            )
        )

    def _read(self, call: Callable[[], _Result]) -> _Result:
        try:
            return call()
        except WIRE_ERRORS as error:
            raise in_our_words(error, self._reach.workstation, self._reach.user) from error
        except _UNREADABLE as error:
            raise told(NONSENSE, self._reach.workstation) from error


class _TookTooLongError(Exception):
    """A program is not done at its limit."""


def _taken(answer: ET.Element, kept: dict[str, bytearray]) -> int | None:
    """Keep what an answer to Receive brings; the exit code once the program is done."""
    for stream in answer.iter(f"{_RSP}Stream"):
        kept[stream.attrib["Name"]] += base64.b64decode(stream.text or "", validate=True)
    if sum(map(len, kept.values())) > LARGEST_ANSWER:
        raise ValueError("more output than can be")
    state = answer.find(f".//{_RSP}CommandState")
    if state is None or not state.attrib["State"].endswith("/Done"):
        return None
    return int(state.findtext(f"{_RSP}ExitCode", "0")) & 0xFFFFFFFF
