"""The way in to many workstations at once: whoever does not answer costs a socket, and no worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from iea_fleet.errors import TransportError
from iea_fleet.transports.base import Reach
from iea_fleet.transports.jump import JumpHosts
from iea_fleet.transports.keys import SHARED, KeyRing
from iea_fleet.transports.porter import Porter
from iea_fleet.transports.wire import Wire

Entrance = Wire
"""A connection on which the SSH server has begun to speak; ``open_session`` takes it over."""


class Doorway:
    """Connects to workstations, directly or through their jump hosts, and hands over those that answer.

    ``ahead`` is how many may stand ready before anybody takes them (an SSH server ends a connection on which nobody
    logs in), ``in_flight`` how many are tried at the same time.
    """

    def __init__(self, *, ahead: int = 32, in_flight: int = 256, keys: KeyRing = SHARED) -> None:
        self._ahead = ahead
        self._in_flight = in_flight
        self._jumps = JumpHosts(keys)
        self._porters: list[Porter] = []
        self._closing = False

    def admit(self, reaches: Iterable[Reach]) -> Iterator[tuple[Reach, Entrance | TransportError]]:
        """Each workstation with its entrance or with why there is none, in the order in which that is known.

        OfflineError: ``refused``, ``no_route``, ``name_unknown``, ``no_answer``; BrokenError: ``no_banner``,
        ``closed_at_once``; for a jump host what is wrong with it, codes beginning with ``jump_``. Whoever takes an
        entrance closes it. It may be left early: what stands ready is closed.
        """
        if self._closing:
            return
        porter = Porter(list(reaches), self._jumps, self._ahead, self._in_flight)
        self._porters.append(porter)
        porter.start()
        try:
            while (outcome := porter.next()) is not None:
                yield outcome
        finally:
            porter.stop()
            porter.join()

    def close(self) -> None:
        """Admit nobody else. Sessions that are under way go on. May be called from a signal handler."""
        self._closing = True
        for porter in self._porters:
            porter.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for porter in self._porters:
            porter.join()
        self._jumps.close()
