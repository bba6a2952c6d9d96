"""The IEA authentication and update server as real HTTPS on loopback, with a certificate authority of their own."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import trustme


class _Page(BaseHTTPRequestHandler):
    # Headers and body leave apart; with Nagle's algorithm every answer would wait 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


class _Server(ThreadingHTTPServer):
    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.asked: list[str] = []
        # The handshake belongs to the thread of the request, not to the one that accepts.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None:
        """A client may leave whenever it wants."""


class HttpsServers:
    """The authentication and the update server, on one port, over TLS by an authority of their own."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        self._server = _Server(tls)
        self.authentication_url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.update_url = f"{self.authentication_url}/updates"

    @property
    def asked(self) -> list[str]:
        """The paths that were asked for."""
        return self._server.asked

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
