"""HTTPS servers of the lab: one way for all of them to read a request and to write an answer (HTTP/1.1, RFC 9112)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import trustme

from iea_fleet.lab.ports import reserve

LARGEST = 16 * 1024
"""Bytes of a head, and of a body; neither a login nor an account needs more."""

PATIENCE = 10
"""Seconds for a client to send its request, and to take its answer."""


class UnclearError(Exception):
    """What was sent is no request."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. ``fields`` are the header fields by their names in lower case; ``path`` has no query."""

    method: str
    target: str
    fields: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target as far as it names a page."""
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer; ``fields`` are header fields beside those that every answer has."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    fields: Mapping[str, str] = field(default_factory=dict)

    def written(self, head_only: bool = False) -> bytes:
        """The answer as it is sent; the connection ends with it."""
        fields = {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.body)),
            "Connection": "close",
            **self.fields,
        }
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", *(f"{n}: {v}" for n, v in fields.items())]
        return "\r\n".join((*lines, "", "")).encode("latin-1") + (b"" if head_only else self.body)


UNCLEAR = HttpAnswer(400, "requête incompréhensible\n".encode())


async def read_head(reader: asyncio.StreamReader) -> HttpRequest:
    """A request without its body. UnclearError when it is none; EOFError or LimitOverrunError when it does not end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    words = head[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise UnclearError
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    return HttpRequest(words[0], words[1], fields)


class HttpsServer:
    """One port behind TLS, under ``names``, by a certificate of ``authority``.

    ``answer`` judges a request; None cuts the connection without a word. The port is kept while the server is stopped.
    """

    def __init__(
        self,
        authority: trustme.CA,
        names: tuple[str, ...],
        answer: Callable[[HttpRequest], Awaitable[HttpAnswer | None]],
    ) -> None:
        self._answer = answer
        self._socket = reserve()
        self._server: asyncio.Server | None = None
        self.port: int = self._socket.getsockname()[1]
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(self._tls)

    async def start(self) -> None:
        """Listen."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._converse, sock=self._socket, ssl=self._tls, limit=LARGEST, ssl_handshake_timeout=PATIENCE
            )

    def stop(self) -> None:
        """Refuse connections, and keep the port for the next start."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket = reserve(self.port)

    def close(self) -> None:
        """Stop, and give the port back."""
        if self._server is not None:
            self._server.close()
        self._socket.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head_only = False
            try:
                async with asyncio.timeout(PATIENCE):
                    request = await _read(reader)
                head_only = request.method == "HEAD"
                answer = await self._answer(request)
            except UnclearError:
                answer = UNCLEAR
            if answer is None:
                writer.transport.abort()
                return
            writer.write(answer.written(head_only))
            async with asyncio.timeout(PATIENCE):
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            # The client left, fell silent (TimeoutError is an OSError) or sent a head without end.
            writer.transport.abort()
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> HttpRequest:
    head = await read_head(reader)
    length = head.fields.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > LARGEST:
        raise UnclearError
    return HttpRequest(head.method, head.target, head.fields, await reader.readexactly(int(length)))
