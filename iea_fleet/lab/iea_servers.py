"""The IEA authentication and update servers of the lab: HTTPS on one port, by the lab's own certificate authority.

The real ones share a host too (``https://impact-emploi.urssaf.fr`` and ``…/updates``). How IEA logs in is not
published; here a workstation posts its name and version and is told accepte, refus or licence.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import parse_qs

import trustme

from iea_fleet.lab.network import HOST
from iea_fleet.lab.ports import reserve

_LARGEST = 16 * 1024
_PATIENCE = 10
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}


class IeaServers:
    """Both servers. ``verdict`` says of a workstation's name what the authentication answers."""

    def __init__(self, verdict: Callable[[str], str]) -> None:
        self._verdict = verdict
        self._socket = reserve()
        self._server: asyncio.Server | None = None
        self.port: int = self._socket.getsockname()[1]
        authority = trustme.CA(organization_name="iea-fleet lab")
        self.ca_pem = authority.cert_pem.bytes()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", HOST).configure_cert(self._tls)

    @property
    def authentication_url(self) -> str:
        """The wanted authentication address."""
        return f"https://localhost:{self.port}"

    @property
    def update_url(self) -> str:
        """The wanted update address."""
        return f"https://localhost:{self.port}/updates"

    async def start(self) -> None:
        """Listen."""
        if self._server is None:
            # Streams of asyncio set TCP_NODELAY, and each answer is one write: no 40 ms wait on either side.
            self._server = await asyncio.start_server(
                self._converse, sock=self._socket, ssl=self._tls, limit=_LARGEST, ssl_handshake_timeout=_PATIENCE
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
            async with asyncio.timeout(_PATIENCE):
                status, text, head_only = await self._answer(reader)
                body = text.encode()
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + (b"" if head_only else body))
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            # The client left, fell silent (TimeoutError is an OSError) or sent a head without end.
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, str, bool]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        words = head[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return 400, "requête incompréhensible\n", False
        method, target, _ = words
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = fields.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > _LARGEST:
            return 400, "requête incompréhensible\n", False
        body = await reader.readexactly(int(length))
        status, text = self._judge(method, target.partition("?")[0].rstrip("/"), body)
        return status, text, method == "HEAD"

    def _judge(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        if path not in ("", "/updates"):
            return 404, "page inconnue\n"
        if method in ("GET", "HEAD"):
            name = "de mise à jour" if path else "d'authentification"
            return 200, f"Impact emploi association : serveur {name} du lab\n"
        if method != "POST" or path:
            return 405, "méthode refusée\n"
        workstation = parse_qs(body.decode("utf-8", "replace")).get("poste", [""])[0]
        result = self._verdict(workstation)
        return (200 if result == "accepte" else 403), f"resultat={result}\n"


def client_tls(ca_pem: bytes) -> ssl.SSLContext:
    """How the workstations of the lab judge the servers: by the lab's authority alone, name included."""
    return ssl.create_default_context(cadata=ca_pem.decode("ascii"))
