"""Servers on loopback that behave badly in one chosen way, each ended by its own handle."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Self

Behaviour = Callable[[socket.socket], None]


class Loopback:
    """A TCP server; ``behave`` holds each conversation in a thread of its own, and may close it."""

    def __init__(self, behave: Behaviour, address: str = "127.0.0.1") -> None:
        self._listener = socket.create_server((address, 0), backlog=512)
        self.address = address
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._behave = behave
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

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
            self.accepted += 1
            self._open.append(sock)
            self._start(self._hold, sock)

    def _hold(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._behave(sock)

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address, self.port), timeout=10)


def silent(sock: socket.socket) -> None:
    """Accepts, reads, and never says a word."""
    while sock.recv(4096):
        pass


def saying(text: bytes) -> Behaviour:
    """Says this at once, and then nothing."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(text)
        silent(sock)

    return behave


def hanging_up(sock: socket.socket) -> None:
    """Closes at once."""
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def answering(text: bytes, context: ssl.SSLContext | None = None) -> Behaviour:
    """Reads a question, over TLS with a ``context``, and says this."""

    def behave(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(sock, server_side=True) if context else sock as stream:
            stream.recv(65536)
            stream.sendall(text)
            hanging_up(stream)

    return behave


class CuttingProxy(Loopback):
    """Passes bytes on to a server, and cuts both sides after ``bytes_down`` bytes from it, or goes silent."""

    def __init__(self, port: int, bytes_down: int, *, silent_after: bool = False) -> None:
        super().__init__(self._pass_on)
        self._target = port
        self._left = bytes_down
        self._silent_after = silent_after
        self.passed = 0

    def _pass_on(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._target))
        self._open.append(far)
        for each in (near, far):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._start(self._up, near, far)
        with contextlib.suppress(OSError):
            while data := far.recv(65536):
                sent = data[: max(0, self._left - self.passed)]
                self.passed += len(data)
                near.sendall(sent)
                if len(sent) < len(data):
                    break
        if self._silent_after and self.passed > self._left:
            while True:
                time.sleep(0.05)
                near.getpeername()
        for each in (near, far):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                far.sendall(data)

    def cut_soon(self, seconds: float) -> None:
        """Cut everything after a while."""

        def cut() -> None:
            time.sleep(seconds)
            for each in list(self._open):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        self._start(cut)
