"""Ports of the lab: bound for its whole life, so that a workstation that was switched off keeps its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from iea_fleet.lab.network import HOST


def reserve(port: int = 0) -> socket.socket:
    """A socket bound to this port (0: a free one) that does not listen: whoever connects is refused.

    OSError when somebody else took the port.
    """
    # The protocol has to be named: only where it is does asyncio turn Nagle's algorithm off (40 ms a piece).
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind((HOST, port))
    except BaseException:
        bound.close()
        raise
    return bound


class Door:
    """One port: open, it hands every connection that it accepts to ``welcome``; shut, it refuses them."""

    def __init__(self, welcome: Callable[[socket.socket], None]) -> None:
        self._welcome = welcome
        self._socket = reserve()
        self._open = False
        self.port: int = self._socket.getsockname()[1]

    def open(self) -> None:
        """Listen."""
        if not self._open:
            self._socket.listen(128)
            asyncio.get_running_loop().add_reader(self._socket, self._accept)
            self._open = True

    def shut(self) -> None:
        """Stop listening and keep the port."""
        if self._open:
            self.close()
            self._socket = reserve(self.port)

    def close(self) -> None:
        """Stop listening and give the port back."""
        if self._open:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._open = False
        self._socket.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            # The client left before we came, or no file is left to open: it asks again or gives up.
            return
        connection.setblocking(False)
        self._welcome(connection)
