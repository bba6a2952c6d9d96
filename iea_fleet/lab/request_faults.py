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


class RequestFaults:
    """Counts the requests of one connection: of files, programs and forwarded connections together."""

    def __init__(self, visit: Struck) -> None:
        self._visit = visit
        self._asked = 0

    @contextlib.asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """One request. SFTPConnectionLost in place of its answer, when a fault took the connection."""
        self._asked += 1
        number, visit = self._asked, self._visit
        if self._has_come("drop-before", number):
            self._strike(number, "dropped", visit.lose)
        if self._has_come("pause-at", number):
            await self._pause(number)
        if slow := visit.faults.get("slow"):
            await asyncio.sleep(slow.amount / 1000)
        try:
            yield
        finally:
            if self._has_come("drop-after", number):
                self._strike(number, "dropped", visit.lose)
            if self._has_come("die-after", number):
                visit.spend("die-after")
                self._strike(number, "ended by a restart", visit.restart)
            if self._has_come("lost-answer", number):
                visit.spend("lost-answer")
                await asyncio.sleep(SILENCE)
                self._strike(number, "ended, the answer lost", visit.lose)

    def _has_come(self, kind: str, number: int) -> bool:
        fault = self._visit.faults.get(kind)
        return fault is not None and number >= fault.amount

    def _strike(self, number: int, how: str, strike: Callable[[], None]) -> None:
        if not self._visit.lost:
            self._visit.note(f"connection {how} at request {number}")
        strike()
        raise asyncssh.SFTPConnectionLost("dropped")

    async def _pause(self, number: int) -> None:
        """Wait until the client has gone, and then do nothing, or until the workstation is mended, and go on."""
        self._visit.note(f"pauses at request {number}")
        while "pause-at" in self._visit.faults and not self._visit.lost:
            await asyncio.sleep(_LOOK_EVERY)
        if self._visit.lost:
            raise asyncssh.SFTPConnectionLost("the client has gone")
