"""The faults of the lab that strike at one request: counted for each connection, before or after it is carried out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

import asyncssh

from iea_fleet.lab.faults import Fault

SILENCE = 1.0
"""Seconds between an answer that is lost and the end of its connection."""

CUT_OFF = "cut-off"
"""What ``stale-run`` becomes once the files of a push are written: the request in hand is its connection's last."""

_LOOK_EVERY = 0.02


class Struck(Protocol):
    """The connection that a fault strikes."""

    @property
    def lost(self) -> bool:
        """Whether it has ended."""
        ...

    @property
    def faults(self) -> Mapping[str, Fault]:
        """What is in force at its workstation."""
        ...

    def note(self, event: str) -> None:
        """Write a line of the journal."""
        ...

    def lose(self) -> None:
        """Cut it without a word."""
        ...

    def restart(self) -> None:
        """Its workstation restarts."""
        ...

    def spend(self, kind: str) -> None:
        """A fault that strikes once has struck."""
        ...


class DroppedError(Exception):
    """The connection is gone, and with it the answer to a request."""


class RequestFaults:
    """Counts the requests of one connection: of files, programs and forwarded connections together.

    ``dropped`` makes what is raised when a fault took the connection; SSH has an exception of its own for it.
    """

    def __init__(self, visit: Struck, dropped: Callable[[str], Exception] = asyncssh.SFTPConnectionLost) -> None:
        self._visit = visit
        self._dropped = dropped
        self._asked = 0

    @contextlib.asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """One request. SFTPConnectionLost in place of its answer, when a fault took the connection."""
        number = await self.before()
        try:
            yield
        finally:
            await self.after(number)

    async def before(self) -> int:
        """A request arrives: its number, from 1. Raises ``dropped`` when it is not to be carried out."""
        self._asked += 1
        number, visit = self._asked, self._visit
        if self.has_come("drop-before", number):
            self._strike(number, "dropped", visit.lose)
        if self.has_come("pause-at", number):
            await self._pause(number)
        if slow := visit.faults.get("slow"):
            await asyncio.sleep(slow.amount / 1000)
        return number

    async def after(self, number: int) -> None:
        """A request was carried out. Raises ``dropped`` when nobody is to hear of it."""
        visit = self._visit
        if self.has_come("drop-after", number):
            self._strike(number, "dropped", visit.lose)
        if CUT_OFF in visit.faults:
            visit.spend(CUT_OFF)
            self._strike(number, "cut off", visit.lose)
        if self.has_come("die-after", number):
            visit.spend("die-after")
            self._strike(number, "ended by a restart", visit.restart)
        if self.has_come("lost-answer", number):
            visit.spend("lost-answer")
            await asyncio.sleep(SILENCE)
            self._strike(number, "ended, the answer lost", visit.lose)

    def has_come(self, kind: str, number: int) -> bool:
        """Whether a fault of this kind is in force and strikes a request of this number."""
        fault = self._visit.faults.get(kind)
        return fault is not None and number >= fault.amount

    def _strike(self, number: int, how: str, strike: Callable[[], None]) -> None:
        if not self._visit.lost:
            self._visit.note(f"connection {how} at request {number}")
        strike()
        raise self._dropped("dropped")

    async def _pause(self, number: int) -> None:
        """Wait until the client has gone, and then do nothing, or until the workstation is mended, and go on."""
        self._visit.note(f"pauses at request {number}")
        while "pause-at" in self._visit.faults and not self._visit.lost:
            await asyncio.sleep(_LOOK_EVERY)
        if self._visit.lost:
            raise self._dropped("the client has gone")
