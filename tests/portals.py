"""A Net-Entreprises portal on loopback that answers whatever a test wants: a CONNECT proxy, and TLS behind it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self
from xml.etree import ElementTree as ET

import trustme

TEST_HOST = "test-services.net-entreprises.fr"
TOKEN = b"jeton-Zm9ydHktdHdv"
Conversation = Callable[[bytes, ssl.SSLSocket], None]
"""What is done with a whole request; the connection ends with it."""


def http(status: int, body: bytes = b"", **fields: str) -> bytes:
    """An answer as it is sent; underscores in the names of fields are hyphens."""
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


ACCEPTED = http(200, TOKEN, Content_Type="application/octet-stream")
REFUSED = http(401, WWW_Authenticate='Basic realm="net-entreprises.fr"')


def saying(answer: bytes) -> Conversation:
    """Say this, and end."""
    return lambda _request, stream: stream.sendall(answer)


def fields_of(request: bytes) -> dict[str, str]:
    """The fields of the form in a request."""
    return {child.tag: child.text or "" for child in ET.fromstring(request.partition(b"\r\n\r\n")[2])}


class Portal:
    """``requests`` are those that came whole; ``at_once`` is how many conversations there were at most at a time.

    ``proxy`` is the address for ``net_entreprises_service.proxy``, ``connect`` what is said to who asks there for the
    way; ``names`` are those in the certificate.
    """

    def __init__(self, folder: Path, converse: Conversation, names: tuple[str, ...] = (TEST_HOST,)) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "portal-ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names, "127.0.0.1").configure_cert(self._tls)
        self.converse = converse
        self.connect = b"HTTP/1.1 200 Connection established\r\n\r\n"
        self.ways: list[bytes] = []
        self.requests: list[bytes] = []
        self.at_once = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.proxy = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    @contextlib.contextmanager
    def behind_tls(self) -> Iterator[str]:
        """The address of a proxy that is itself spoken to in TLS, and leads to this one; for one conversation."""
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def carry() -> None:
                raw, _ = listener.accept()
                with (
                    socket.create_connection(self._listener.getsockname()) as far,
                    self._tls.wrap_socket(raw, server_side=True) as near,
                ):
                    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                    back.start()
                    _pump(near, far)
                    back.join(10)

            self._start(carry)
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(20)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(sock)
            self._start(self._hold, sock)

    def _hold(self, sock: socket.socket) -> None:
        with self._lock:
            self._busy += 1
            self.at_once = max(self.at_once, self._busy)
        try:
            with contextlib.suppress(OSError, EOFError), sock:
                self.ways.append(_head(sock))
                sock.sendall(self.connect)
                if self.connect.startswith(b"HTTP/1.1 200"):
                    self._serve(sock)
        finally:
            with self._lock:
                self._busy -= 1

    def _serve(self, sock: socket.socket) -> None:
        with self._tls.wrap_socket(sock, server_side=True) as stream:
            self._open.append(stream)
            request = _head(stream)
            fields = dict(line.split(": ", 1) for line in request.decode("latin-1").split("\r\n")[1:] if ": " in line)
            while len(request.partition(b"\r\n\r\n")[2]) < int(fields["Content-Length"]):
                request += stream.recv(65536)
            with self._lock:
                self.requests.append(request)
            self.converse(request, stream)
            with contextlib.suppress(OSError, ValueError):  # the conversation may have closed it
                stream.unwrap()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


def _head(sock: socket.socket) -> bytes:
    """What is sent up to the first empty line, and what came with it."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(1 if not isinstance(sock, ssl.SSLSocket) else 65536)
        if not more:
            raise EOFError
        head += more
    return head
