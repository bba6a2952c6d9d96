"""One connection to the WinRM endpoint of a lab workstation: HTTP/1.1 kept alive, a login, messages sealed or not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, Final, Protocol

from iea_fleet.lab.faults import Fault
from iea_fleet.lab.https_server import UNCLEAR, HttpAnswer, HttpRequest, UnclearError, read_head
from iea_fleet.lab.request_faults import DroppedError, RequestFaults
from iea_fleet.lab.winrm_authentication import SEALED_TYPE, Login, NotSealedError
from iea_fleet.lab.winrm_shells import RECEIVE, Shells
from iea_fleet.lab.workstation import Workstation
from iea_fleet.lab.wsman import SOAP_TYPE, Message, UnreadableError, WsmanFault

PATH: Final = "/wsman"
KEPT_ALIVE: Final = 120
"""Seconds that a connection may be idle, as http.sys has it."""

_PATIENCE = 30
_LARGEST_BODY = 4 * 1024 * 1024
_PROXY_PAGE = b"""<!DOCTYPE html><html><head><meta charset=utf-8><title>ERROR: Cache Access Denied</title></head>
<body><h1>Cache Access Denied.</h1><p>Sorry, you are not currently allowed to request this from this cache until you
have authenticated yourself.<hr></body></html>
"""
_journal = logging.getLogger("iea_fleet.lab")


class Host(Protocol):
    """The workstation that is visited."""

    workstation: Workstation
    shells: Shells
    tls: bool

    def restart(self) -> None:
        """Start again, which ends all connections and shells."""
        ...


class Visit:
    """One connection; ``login`` says who is at its other end."""

    def __init__(self, host: Host, login: Login) -> None:
        self.lost = False
        self._host, self._login = host, login
        self._requests = RequestFaults(self, DroppedError)
        self._transport: asyncio.BaseTransport | None = None
        self._polling: asyncio.Task[Any] | None = None
        self._known = False

    @property
    def faults(self) -> Mapping[str, Fault]:
        """What is in force at the workstation."""
        return self._host.workstation.faults

    def note(self, event: str) -> None:
        """Write a line of the journal."""
        _journal.info("%s: %s", self._host.workstation.name, event)

    def begin(self, transport: asyncio.BaseTransport) -> None:
        """Remember the connection, so that a fault can cut it."""
        self._transport = transport

    def misunderstand(self) -> None:
        """What comes in is not even text: say so, and wait for no more of it."""
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(UNCLEAR.written())
            self._transport.close()

    def lose(self) -> None:
        """Cut the connection without a word."""
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()
        self.hung_up()

    def hung_up(self) -> None:
        """The connection is gone: nobody waits for output any more. What runs goes on."""
        self.lost = True
        if self._polling is not None:
            self._polling.cancel()

    def restart(self) -> None:
        """The workstation restarts, and this connection ends with all others."""
        self._host.restart()

    def spend(self, kind: str) -> None:
        """A fault that strikes once has struck."""
        self._host.workstation.faults.pop(kind, None)

    @contextlib.asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """One step of a process: counted as a request while the connection lives, which the process outlives."""
        number = 0 if self.lost else await _outlived(self._requests.before())
        try:
            yield
        finally:
            if number and not self.lost:
                await _outlived(self._requests.after(number))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other, until one side has enough."""
        try:
            while not self.lost:
                async with asyncio.timeout(KEPT_ALIVE):
                    head = await read_head(reader)
                answer = await self._answer(head, reader)
                writer.write(answer.written())
                async with asyncio.timeout(_PATIENCE):
                    await writer.drain()
                if "close" in (answer.fields.get("Connection", "close"), head.fields.get("connection", "").lower()):
                    break
        except UnclearError:
            writer.write(UNCLEAR.written())
        except (DroppedError, OSError, EOFError, asyncio.LimitOverrunError):
            # The client left, fell silent (TimeoutError is an OSError), sent a head without end, or a fault cut it off.
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer(self, head: HttpRequest, reader: asyncio.StreamReader) -> HttpAnswer:
        self._host.workstation.exchanges += 1
        refused = _refused(head)
        if refused is not None:
            return refused
        async with asyncio.timeout(_PATIENCE):
            body = await reader.readexactly(int(head.fields["content-length"]))
        if "proxy-in-the-way" in self.faults:
            fields = {"Proxy-Authenticate": 'Basic realm="proxy"', "Via": "1.1 proxy"}
            return HttpAnswer(407, _PROXY_PAGE, "text/html; charset=utf-8", fields)
        verdict = self._login.judge(head.fields.get("authorization", ""))
        fields = {"WWW-Authenticate": verdict.challenge} if verdict.challenge else {}
        if not verdict.let_in:
            self._known = False
            if verdict.why:
                # A client may have chosen the words: they stay on one line.
                self.note(f"a client was not let in: {' '.join(verdict.why.split())}")
            return _kept(401, fields=fields)
        if not self._known:
            self.note("a client came in")
            self._known = True
        if not body:
            return _kept(200, fields=fields)
        return await self._exchange(head.fields.get("content-type", ""), body, fields)

    async def _exchange(self, content_type: str, body: bytes, fields: Mapping[str, str]) -> HttpAnswer:
        """One message of somebody who was let in, and its answer."""
        sealed = content_type.lower().startswith("multipart/encrypted")
        if not sealed and not self._host.tls:
            self.note("a message that was not sealed is refused")
            return _kept(500)
        try:
            plain = self._login.unseal(body) if sealed else body
        except NotSealedError as error:
            self.note(f"a sealed message cannot be opened: {error}")
            return HttpAnswer(400)
        number = await self._requests.before()
        if self._requests.has_come("unauthorized-at", number):
            self._login.revoke()
            return _kept(401, fields={"WWW-Authenticate": self._login.offers})
        status, answer = await self._carried_out(plain)
        await self._requests.after(number)
        if sealed and answer:
            return _kept(status, self._login.seal(answer), SEALED_TYPE, fields)
        return _kept(status, answer, SOAP_TYPE, fields)

    async def _carried_out(self, plain: bytes) -> tuple[int, bytes]:
        if len(plain) > self._host.shells.envelope:
            return 413, b""
        try:
            message = Message.read(plain)
        except UnreadableError:
            return 400, b""
        try:
            if message.action == RECEIVE:
                self._polling = asyncio.current_task()
            return 200, message.answer(await self._host.shells.carry_out(message, self))
        except WsmanFault as fault:
            return 500, message.refusal(fault)
        finally:
            self._polling = None


async def _outlived(counted: Coroutine[Any, Any, int | None]) -> int:
    """What a fault does to the connection is nothing to the process; only a restart ends it, here and now."""
    try:
        return await counted or 0
    except DroppedError:
        await asyncio.sleep(0)
        return 0


def _refused(head: HttpRequest) -> HttpAnswer | None:
    """Why a request is none for WinRM, whatever its body says; None when it may be one."""
    if head.path != PATH:
        return HttpAnswer(404)
    if head.method != "POST":
        return HttpAnswer(405, fields={"Allow": "POST"})
    length = head.fields.get("content-length", "")
    if not length.isascii() or not length.isdigit():
        return HttpAnswer(411)
    return HttpAnswer(413) if int(length) > _LARGEST_BODY else None


def _kept(
    status: int, body: bytes = b"", content_type: str = SOAP_TYPE, fields: Mapping[str, str] | None = None
) -> HttpAnswer:
    """An answer after which the connection stays."""
    return HttpAnswer(status, body, content_type, {"Connection": "keep-alive", **(fields or {})})
