"""The HTTP proxy of the lab: it leads to the lab's Net-Entreprises service, by CONNECT, and nowhere else (RFC 9110)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from iea_fleet.lab.https_server import LARGEST, PATIENCE, UNCLEAR, HttpAnswer, UnclearError, read_head
from iea_fleet.lab.network import HOST
from iea_fleet.lab.ports import reserve

_PIECE = 65536
_journal = logging.getLogger("iea_fleet.lab")


class Proxy:
    """``ways`` maps each host and port that it leads to, as a client asks (``name:443``), to a port of the lab."""

    def __init__(self, ways: Mapping[str, int]) -> None:
        self._ways = ways
        self._socket = reserve()
        self._server: asyncio.Server | None = None
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._converse, sock=self._socket, limit=LARGEST)

    def close(self) -> None:
        """Stop, and give the port back."""
        if self._server is not None:
            self._server.close()
        self._socket.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._lead(reader, writer)
                if isinstance(answer, HttpAnswer):
                    writer.write(answer.written())
                    await writer.drain()
            if not isinstance(answer, HttpAnswer):
                await _carry(reader, writer, *answer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            writer.close()

    async def _lead(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> HttpAnswer | tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection that was asked for, told to the client as made; or why there is none."""
        try:
            request = await read_head(reader)
        except UnclearError:
            return UNCLEAR
        if request.method != "CONNECT":
            return HttpAnswer(405, "ce proxy ne connaît que CONNECT\n".encode(), fields={"Allow": "CONNECT"})
        port = self._ways.get(request.target.lower())
        if port is None:
            _journal.info("proxy: no way to %r", request.target)
            return HttpAnswer(403, "ce proxy ne mène pas là\n".encode())
        try:
            there = await asyncio.open_connection(HOST, port)
        except OSError:
            return HttpAnswer(502, "le serveur ne répond pas\n".encode())
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return there


async def _carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until one side ends. ConnectionError when a side was cut."""
    ways = [asyncio.ensure_future(_pump(reader, far)), asyncio.ensure_future(_pump(far_reader, writer))]
    try:
        ended, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ended:
            way.result()
    finally:
        for way in ways:
            way.cancel()
        far.close()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
