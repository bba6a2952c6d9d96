"""The remote shells of a lab workstation (WinRS, MS-WSMV): shells, their commands, what goes in and what comes out.

Nothing of HTTP is known here. A process belongs to its shell, not to the connection that started it: when that is lost
it goes on, until it ends, somebody ends it or its shell, the shell was idle for too long, or the workstation restarts.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol
from xml.sax.saxutils import escape

from iea_fleet.lab import wsman
from iea_fleet.lab.faults import Fault
from iea_fleet.lab.network import HOST
from iea_fleet.lab.powershell import Ended, PowerShell
from iea_fleet.lab.wsman import CONFIG, SHELL, TRANSFER, Message

CMD: Final = f"{SHELL}/cmd"
CREATE: Final = f"{TRANSFER}/Create"
COMMAND: Final = f"{SHELL}/Command"
SEND: Final = f"{SHELL}/Send"
RECEIVE: Final = f"{SHELL}/Receive"
SIGNAL: Final = f"{SHELL}/Signal"
DELETE: Final = f"{TRANSFER}/Delete"

ENVELOPE: Final = 500 * 1024
"""MaxEnvelopeSizekb of Windows, in bytes."""

SMALL_ENVELOPE: Final = 32 * 1024
"""The least that MaxEnvelopeSizekb can be."""

MOST_SHELLS: Final = 30
"""MaxShellsPerUser of Windows."""

_IDLE = 7200.0
_PIECE = 32_720
_AROUND = 4096


class Caller(Protocol):
    """The connection from which a request came."""

    def step(self) -> AbstractAsyncContextManager[None]:
        """One step of a process that it looks after."""
        ...


class Command:
    """One process. What it wrote is kept until a Receive takes it."""

    def __init__(self, program: PowerShell, line: str, caller: Caller) -> None:
        self.id = wsman.new_id()
        self.caller = caller
        self.received = 0
        self._program, self._line = program, line
        self._stdin, self._complete = bytearray(), asyncio.Event()
        self._output: dict[str, bytes] | None = None
        self._process = asyncio.get_running_loop().create_task(self._carry_out())

    def send(self, piece: bytes, *, last: bool) -> None:
        """A piece of its standard input. The fault ``pipe_ended`` when nobody reads it any more."""
        if self._complete.is_set():
            raise wsman.pipe_ended()
        self._stdin += piece
        if last:
            self._complete.set()

    def end(self) -> None:
        """Kill it, wherever it is."""
        self._process.cancel()

    async def receive(self, timeout: float, room: int) -> str:
        """Wait for its end; then what it wrote, in at most so many bytes of XML, and its state."""
        await asyncio.wait({self._process}, timeout=timeout)
        if not self._process.done():
            raise wsman.timed_out()
        if self._process.cancelled():
            raise wsman.aborted()
        ended = self._process.result()
        if self._output is None:
            self._output = {"stdout": ended.stdout, "stderr": ended.stderr}
        about, told = f'CommandId="{self.id}"', []
        for name, piece in _taken(self._output, max(room - _AROUND, _AROUND) * 3 // 4):
            told.append(f'<rsp:Stream Name="{name}" {about}>{base64.b64encode(piece).decode()}</rsp:Stream>')
        if any(self._output.values()):
            told.append(f'<rsp:CommandState {about} State="{SHELL}/CommandState/Running"/>')
        else:
            told += [f'<rsp:Stream Name="{name}" {about} End="true"/>' for name in self._output]
            told.append(
                f'<rsp:CommandState {about} State="{SHELL}/CommandState/Done">'
                f"<rsp:ExitCode>{ended.exit_code}</rsp:ExitCode></rsp:CommandState>"
            )
        return f"<rsp:ReceiveResponse>{''.join(told)}</rsp:ReceiveResponse>"

    async def _carry_out(self) -> Ended:
        refused = self._program.refusal(self._line)
        if refused is not None:
            self._complete.set()
            return refused
        await self._complete.wait()
        return await self._program.run(self._line, bytes(self._stdin), self._step)

    def _step(self) -> AbstractAsyncContextManager[None]:
        return self.caller.step()


def _taken(output: dict[str, bytes], room: int) -> Iterator[tuple[str, bytes]]:
    """What fits, taken from the output in pieces as Windows makes them."""
    for name, left in tuple(output.items()):
        for start in range(0, min(len(left), room), _PIECE):
            yield name, left[start : min(start + _PIECE, room)]
        output[name] = left[room:]
        room = max(room - len(left), 0)


class Shell:
    """One shell, which ends when nobody used it for ``idle`` seconds."""

    def __init__(self, message: Message, owner: str) -> None:
        asked = message.element("rsp:Shell")
        self.id = (asked.get("ShellId") or wsman.new_id()).upper()
        self.idle = wsman.seconds(wsman.text(asked, "rsp:IdleTimeOut"), _IDLE)
        self.streams = wsman.text(asked, "rsp:InputStreams"), wsman.text(asked, "rsp:OutputStreams")
        self.commands: dict[str, Command] = {}
        self.users = 0
        self.timer: asyncio.TimerHandle | None = None
        self._owner = owner

    def described(self) -> str:
        """The answer to its creation."""
        selector = f'<w:SelectorSet><w:Selector Name="ShellId">{escape(self.id)}</w:Selector></w:SelectorSet>'
        return (
            f"<x:ResourceCreated><a:Address>http://{HOST}/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>{CMD}"
            f"</w:ResourceURI>{selector}</a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>"
            f"{escape(self.id)}</rsp:ShellId><rsp:ResourceUri>{CMD}</rsp:ResourceUri><rsp:Owner>{escape(self._owner)}"
            f"</rsp:Owner><rsp:ClientIP>{HOST}</rsp:ClientIP><rsp:IdleTimeOut>PT{self.idle:.3f}S</rsp:IdleTimeOut>"
            f"<rsp:InputStreams>{escape(self.streams[0])}</rsp:InputStreams><rsp:OutputStreams>"
            f"{escape(self.streams[1])}</rsp:OutputStreams><rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime>"
            f"<rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity></rsp:Shell>"
        )


class Shells:
    """All shells of one workstation. ``faults`` are those in force there."""

    def __init__(self, program: PowerShell, faults: Mapping[str, Fault], owner: str) -> None:
        self._program, self._faults, self._owner = program, faults, owner
        self._shells: dict[str, Shell] = {}

    def __len__(self) -> int:
        return len(self._shells)

    @property
    def envelope(self) -> int:
        """How many bytes a message may have, either way."""
        return SMALL_ENVELOPE if "small-envelope" in self._faults else ENVELOPE

    def end(self) -> None:
        """End all shells and what runs in them."""
        for shell in tuple(self._shells.values()):
            self._end(shell)

    async def carry_out(self, message: Message, caller: Caller) -> str:
        """The body of the answer to one request. WsmanFault says why there is none."""
        if message.action == f"{TRANSFER}/Get" and message.resource == CONFIG:
            size = self.envelope // 1024
            return f'<c:Config xmlns:c="{CONFIG}"><c:MaxEnvelopeSizekb>{size}</c:MaxEnvelopeSizekb></c:Config>'
        if message.resource != CMD:
            raise wsman.unknown_resource(message.resource)
        if message.action == CREATE:
            return self._create(message)
        carry_out = {COMMAND: self._start, SEND: _send, SIGNAL: _signal, DELETE: self._delete}.get(message.action)
        with self._used(message.shell) as shell:
            if message.action == RECEIVE:
                return await self._receive(shell, message, caller)
            if carry_out is None:
                raise wsman.unknown_action(message.action)
            return carry_out(shell, message, caller)

    def _create(self, message: Message) -> str:
        if "quota-shells" in self._faults or len(self._shells) >= MOST_SHELLS:
            raise wsman.too_many_shells(MOST_SHELLS)
        shell = Shell(message, self._owner)
        if shell.id in self._shells:
            raise wsman.malformed(f"the shell {shell.id} is there already")
        self._shells[shell.id] = shell
        self._wait_idle(shell)
        return shell.described()

    @contextlib.contextmanager
    def _used(self, name: str) -> Iterator[Shell]:
        """A shell, which is not idle meanwhile. The fault ``not_found``."""
        shell = self._shells.get(name)
        if shell is None:
            raise wsman.not_found(f"the shell {name}")
        shell.users += 1
        try:
            yield shell
        finally:
            shell.users -= 1
            self._wait_idle(shell)

    def _wait_idle(self, shell: Shell) -> None:
        if shell.timer is not None:
            shell.timer.cancel()
        if self._shells.get(shell.id) is shell:
            shell.timer = asyncio.get_running_loop().call_later(shell.idle, self._look, shell)

    def _look(self, shell: Shell) -> None:
        if not shell.users:
            self._end(shell)

    def _end(self, shell: Shell) -> None:
        self._shells.pop(shell.id, None)
        if shell.timer is not None:
            shell.timer.cancel()
        for command in shell.commands.values():
            command.end()

    def _delete(self, shell: Shell, message: Message, caller: Caller) -> str:  # noqa: ARG002 - as its siblings
        self._end(shell)
        return ""

    def _start(self, shell: Shell, message: Message, caller: Caller) -> str:
        if "quota-operations" in self._faults:
            raise wsman.too_many_operations()
        if message.options.get("WINRS_SKIP_CMD_SHELL", "").upper() == "TRUE":
            # Recorded: then a program is found by its full path alone, also powershell.exe.
            raise wsman.no_such_program()
        asked = message.element("rsp:CommandLine")
        words = [*wsman.texts(asked, "rsp:Command"), *wsman.texts(asked, "rsp:Arguments")]
        command = Command(self._program, " ".join(words), caller)
        shell.commands[command.id] = command
        return f"<rsp:CommandResponse><rsp:CommandId>{command.id}</rsp:CommandId></rsp:CommandResponse>"

    async def _receive(self, shell: Shell, message: Message, caller: Caller) -> str:
        asked = message.element("rsp:Receive/rsp:DesiredStream")
        command = _command(shell, asked.get("CommandId"), caller)
        late = self._faults.get("operation-timeout")
        if late is not None and command.received < late.amount:
            command.received += 1
            raise wsman.timed_out()
        return await command.receive(message.timeout, min(message.largest, self.envelope))


def _send(shell: Shell, message: Message, caller: Caller) -> str:
    for stream in wsman.elements(message.element("rsp:Send"), "rsp:Stream"):
        command = _command(shell, stream.get("CommandId"), caller)
        try:
            piece = base64.b64decode(stream.text or "")
        except ValueError as error:
            raise wsman.malformed(str(error)) from error
        command.send(piece, last=(stream.get("End") or "").lower() == "true")
    return "<rsp:SendResponse/>"


def _signal(shell: Shell, message: Message, caller: Caller) -> str:  # noqa: ARG001 - as its siblings
    """Whatever the signal: the shells of the lab hold nothing that would survive Ctrl-C."""
    number = message.element("rsp:Signal").get("CommandId") or ""
    command = shell.commands.pop(number.upper(), None)
    if command is not None:
        command.end()
    return "<rsp:SignalResponse/>"


def _command(shell: Shell, number: str | None, caller: Caller) -> Command:
    command = shell.commands.get((number or "").upper())
    if command is None:
        raise wsman.not_found(f"the command {number}")
    command.caller = caller
    return command
