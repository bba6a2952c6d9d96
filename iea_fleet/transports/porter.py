"""The thread behind a ``Doorway``: name lookups, connects and first words of many workstations, waited for together."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import queue
import resource
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from iea_fleet.errors import BrokenError, TransportError
from iea_fleet.transports.base import Reach
from iea_fleet.transports.jump import JumpHosts, closed_at_once, no_banner
from iea_fleet.transports.offline import offline, why_offline
from iea_fleet.transports.wire import Wire

Outcome = tuple[Reach, Wire | TransportError]
_Address = tuple[socket.AddressFamily, tuple[str, int]]

_HOPE: Final = 0.5
"""Seconds in which a living workstation takes the next step. One that takes longer keeps no place from others."""

_FRESH: Final = 30.0
"""Seconds a ready connection may wait for somebody; then it is made anew (sshd gives 120 s to log in)."""

_LOOK_AGAIN: Final = 0.05
_LOOKUPS: Final = 8
_SPARE_FILES: Final = 128


@dataclass(eq=False)
class _Attempt:
    """One workstation on its way in. ``sock`` is None while its name is looked up; ``limit`` ends this step."""

    reach: Reach
    limit: float
    hope: float
    addresses: deque[_Address] = field(default_factory=deque)
    sock: socket.socket | None = None
    connected: bool = False

    @property
    def where(self) -> str:
        return f"{self.reach.workstation} ({self.reach.address}:{self.reach.port})"


class Porter(threading.Thread):
    """Lets in one list of workstations. All but ``next`` and ``stop`` happens in its own thread."""

    def __init__(self, reaches: Sequence[Reach], jumps: JumpHosts, ahead: int, in_flight: int) -> None:
        super().__init__(name="doorway", daemon=True)
        self._todo = deque(reaches)
        self._jumps = jumps
        self._ahead = ahead
        self._most = min(in_flight, _affordable())
        self._attempts: set[_Attempt] = set()
        self._behind_jumps = 0
        # deque and SimpleQueue alone are touched by other threads: neither can block a signal handler.
        self._arrived: deque[Outcome | tuple[_Attempt, Future[list[_Address]]]] = deque()
        self._ready: deque[tuple[float, Outcome]] = deque()
        self._news: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopping = False
        # Between this thread and those of jump hosts: what arrives after the end is closed by whoever brings it.
        self._gate = threading.Lock()
        self._ended = False
        self._fell_over = False
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ, None)
        self._lookups: ThreadPoolExecutor | None = None

    def next(self) -> Outcome | None:
        """The next outcome; None after the last one, and once it was stopped."""
        while self._news.get() and not self._stopping:
            # None is ready when a connection had waited too long and is being made anew.
            with contextlib.suppress(IndexError):
                _, outcome = self._ready.popleft()
                self._ring()
                return outcome
        if self._fell_over:
            raise RuntimeError("the doorway ended before every workstation was told of")
        return None

    def stop(self) -> None:
        """End it, and close all that nobody took."""
        self._stopping = True
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake anyhow; closed: it has ended
            self._bell.send(b"!")

    def run(self) -> None:
        """Carry on until every workstation was taken by somebody, or until stopped."""
        try:
            while not self._stopping and (self._todo or self._attempts or self._behind_jumps or self._ready):
                self._begin_some()
                for key, _ in self._selector.select(self._pause()):
                    if key.data is None:
                        with contextlib.suppress(BlockingIOError):
                            self._ear.recv(4096)
                    else:
                        self._step(key.data)
                self._take_arrivals()
                self._give_up_late()
        finally:
            self._end()

    def _end(self) -> None:
        self._fell_over = not self._stopping and bool(self._todo or self._attempts or self._behind_jumps)
        self._stopping = True
        with self._gate:
            self._ended = True
        for attempt in list(self._attempts):
            self._forget(attempt)
        while self._ready or self._arrived:
            left = self._ready.popleft()[1] if self._ready else self._arrived.popleft()
            if isinstance(left[1], Wire):
                left[1].close()
        if self._lookups is not None:
            self._lookups.shutdown(wait=False, cancel_futures=True)
        self._selector.close()
        self._ear.close()
        self._bell.close()
        self._news.put(False)

    def _begin_some(self) -> None:
        now = time.monotonic()
        hopeful = len(self._ready) + sum(attempt.hope > now for attempt in self._attempts)
        while self._todo and hopeful < self._ahead and len(self._attempts) < self._most:
            reach = self._todo.popleft()
            if reach.jump is not None:
                self._behind_jumps += 1
                self._jumps.fetch(reach, self._arrive, lambda: not self._stopping)
                continue
            hopeful += 1
            self._begin(_Attempt(reach, now + reach.timeout, now + _HOPE))

    def _arrive(self, reach: Reach, found: Wire | TransportError) -> None:
        """From a thread of a jump host."""
        with self._gate:
            if not self._ended:
                self._arrived.append((reach, found))
                self._ring()
                return
        if isinstance(found, Wire):
            found.close()

    def _begin(self, attempt: _Attempt) -> None:
        self._attempts.add(attempt)
        host, port = attempt.reach.address, attempt.reach.port
        try:
            version = ipaddress.ip_address(host).version
        except ValueError:
            self._look_up(attempt, host, port)
            return
        attempt.addresses.append((socket.AF_INET if version == 4 else socket.AF_INET6, (host, port)))
        self._connect(attempt, offline("no_answer", attempt.where))

    def _look_up(self, attempt: _Attempt, host: str, port: int) -> None:
        if self._lookups is None:
            self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="name-lookup")

        def told(future: Future[list[_Address]]) -> None:
            self._arrived.append((attempt, future))
            self._ring()

        self._lookups.submit(_addresses, host, port).add_done_callback(told)

    def _take_arrivals(self) -> None:
        while self._arrived:
            who, what = self._arrived.popleft()
            if isinstance(who, Reach):
                assert not isinstance(what, Future)
                self._behind_jumps -= 1
                self._deliver(who, what)
            elif who in self._attempts and isinstance(what, Future) and not what.cancelled():
                error = what.exception()
                if isinstance(error, OSError | UnicodeError):
                    told = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, str(error))
                    self._finish(who, why_offline(told, who.where))
                    continue
                who.addresses.extend(what.result())
                self._connect(who, offline("name_unknown", who.where))

    def _connect(self, attempt: _Attempt, otherwise: TransportError) -> None:
        """Try the next address; when there is none any more, it ends with ``otherwise``."""
        while attempt.addresses:
            family, address = attempt.addresses.popleft()
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:
                otherwise = _no_room(error)
                break
            sock.setblocking(False)
            try:
                sock.connect(address)
            except BlockingIOError:
                pass
            except OSError as error:
                sock.close()
                otherwise = why_offline(error, attempt.where)
                continue
            attempt.sock = sock
            self._selector.register(sock, selectors.EVENT_WRITE, attempt)
            return
        self._finish(attempt, otherwise)

    def _step(self, attempt: _Attempt) -> None:
        """Something happened on the socket of an attempt: it is connected, or not, or the server speaks."""
        sock = attempt.sock
        if sock is None:
            return
        if not attempt.connected:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._drop_socket(attempt)
                self._connect(attempt, why_offline(OSError(code, os.strerror(code)), attempt.where))
                return
            if attempt.reach.transport == "winrm":
                self._hand_over(attempt, sock)  # a web server waits for the first word
                return
            now = time.monotonic()
            attempt.connected = True
            attempt.limit, attempt.hope = now + attempt.reach.timeout, now + _HOPE
            self._selector.modify(sock, selectors.EVENT_READ, attempt)
            return
        try:
            spoke = sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            spoke = b""
        if not spoke:
            self._finish(attempt, closed_at_once(attempt.where))
            return
        self._hand_over(attempt, sock)

    def _hand_over(self, attempt: _Attempt, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        sock.setblocking(True)
        attempt.sock = None
        self._finish(attempt, Wire(sock))

    def _give_up_late(self) -> None:
        now = time.monotonic()
        for attempt in [each for each in self._attempts if each.limit <= now]:
            if attempt.connected:
                self._finish(attempt, no_banner(attempt.where))
            elif attempt.sock is None:
                self._finish(attempt, offline("name_unknown", attempt.where, "the name lookup takes too long"))
            else:
                self._finish(attempt, offline("no_answer", attempt.where))
        while self._ready and self._ready[0][0] + _FRESH < now:
            try:
                since, (reach, found) = self._ready.popleft()
            except IndexError:
                return
            if isinstance(found, Wire) and since + _FRESH < now:
                found.close()
                self._todo.appendleft(reach)
            else:
                self._ready.appendleft((now, (reach, found)))

    def _pause(self) -> float:
        now = time.monotonic()
        ends = [attempt.limit for attempt in self._attempts]
        if self._ready:
            ends.append(self._ready[0][0] + _FRESH)
        if self._todo and len(self._ready) < self._ahead and len(self._attempts) < self._most:
            ends.append(now + _LOOK_AGAIN)
        return max(0.0, min(ends, default=now + 60) - now)

    def _finish(self, attempt: _Attempt, found: Wire | TransportError) -> None:
        self._forget(attempt)
        self._deliver(attempt.reach, found)

    def _deliver(self, reach: Reach, found: Wire | TransportError) -> None:
        self._ready.append((time.monotonic(), (reach, found)))
        self._news.put(True)

    def _forget(self, attempt: _Attempt) -> None:
        self._drop_socket(attempt)
        self._attempts.discard(attempt)

    def _drop_socket(self, attempt: _Attempt) -> None:
        if attempt.sock is not None:
            self._selector.unregister(attempt.sock)
            attempt.sock.close()
            attempt.sock = None


def _addresses(host: str, port: int) -> list[_Address]:
    """The addresses of a host in the order to try them. May take as long as the resolver likes."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


def _no_room(error: OSError) -> BrokenError:
    return BrokenError(
        f"this machine opens no further connection ({error.strerror})",
        "raise its limit of open files (ulimit -n), or lower --concurrency",
        code="too_many_files",
    )


def _affordable() -> int:
    """How many sockets may be open for attempts, so that sessions and everything else have their share."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(1, (soft - _SPARE_FILES) // 2)
