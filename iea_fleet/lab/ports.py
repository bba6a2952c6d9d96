"""Ports of the lab, and who stands behind one: bound for good, so that who was switched off keeps its own."""

from __future__ import annotations

import abc
import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final, Protocol

import asyncssh

from iea_fleet.lab.faults import Fault
from iea_fleet.lab.network import HOST
from iea_fleet.lab.workstation import Workstation

_RESTART: Final = 1.0
_journal = logging.getLogger("iea_fleet.lab")


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


class Visitor(Protocol):
    """One connection that was let in."""

    def lose(self) -> None:
        """Cut it without a word."""
        ...


class Served(abc.ABC):
    """One workstation behind its port, whatever is spoken there."""

    def __init__(self, workstation: Workstation) -> None:
        self.workstation = workstation
        self.visits: set[Visitor] = set()
        self._closed = False
        self._door = Door(self._welcome)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unserved: set[socket.socket] = set()

    @property
    def port(self) -> int:
        """Where it is reached, for the whole life of the lab."""
        return self._door.port

    @abc.abstractmethod
    async def converse(self, connection: socket.socket) -> None:
        """Hold the conversation with one client. What it raises ends that alone."""

    def open(self) -> None:
        """Let clients in."""
        self._door.open()

    def close(self) -> None:
        """Drop every client and give the port back."""
        self._closed = True
        self._door.close()
        self.go_down()

    def spoil(self, fault: Fault) -> None:
        """Bring a fault into force. LabError when it cannot be."""
        self.workstation.spoil(fault)
        if fault.kind == "offline":
            self._door.shut()
            self.go_down()

    def mend(self) -> None:
        """End all faults."""
        if "hang" in self.workstation.faults:
            self._hang_up()
        self.workstation.mend()
        self._door.open()

    def restart(self) -> None:
        """Drop every client, and let new ones in a second later. What was being written stays as it is."""
        self._door.shut()
        self.go_down()
        asyncio.get_running_loop().call_later(_RESTART, self._started_again)

    def go_down(self) -> None:
        """Drop every client, and end what runs here."""
        self._hang_up()

    def _started_again(self) -> None:
        if "offline" not in self.workstation.faults and not self._closed:
            self._door.open()

    def _welcome(self, connection: socket.socket) -> None:
        self._unserved.add(connection)
        if "hang" in self.workstation.faults:
            return
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        self._unserved.discard(connection)
        try:
            await self.converse(connection)
        except (OSError, asyncssh.Error) as error:
            # A client may have chosen the words: they stay on one line.
            _journal.info("%s: a client was not let in: %s", self.workstation.name, " ".join(str(error).split()))

    def _hang_up(self) -> None:
        for visit in tuple(self.visits):
            visit.lose()
        for task in tuple(self._tasks):
            task.cancel()
        for connection in self._unserved:
            connection.close()
        self._unserved.clear()
