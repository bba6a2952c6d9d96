"""Jump hosts: one checked, logged-in connection to each, shared by every workstation behind it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from paramiko import Channel

from iea_fleet.errors import BrokenError, NotLetInError, TransportError
from iea_fleet.model.inventory import Jump
from iea_fleet.transports.base import Reach
from iea_fleet.transports.connection import (
    KEEPALIVE,
    Connection,
    ForwardingRefusedError,
    check_host_key,
    close_channel,
)
from iea_fleet.transports.keys import SHARED, KeyRing
from iea_fleet.transports.login import Credentials, log_in
from iea_fleet.transports.offline import code_of_words, offline, why_offline
from iea_fleet.transports.ssh_errors import WIRE_ERRORS
from iea_fleet.transports.wire import Wire

Deliver = Callable[[Reach, Wire | TransportError], None]
_LOOK_AGAIN: Final = 0.1


class JumpHosts:
    """The jump hosts of one run. Each is tried once; what is wrong with it is told for each workstation behind it."""

    def __init__(self, keys: KeyRing = SHARED) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._hosts: dict[tuple[str, int, Credentials], _JumpHost] = {}
        self._closed = False

    def fetch(self, reach: Reach, deliver: Deliver, wanted: Callable[[], bool]) -> None:
        """Connect to a workstation behind its jump host, in a thread of that jump host, and deliver the outcome.

        Nothing is begun when it is no longer ``wanted``, and nothing is delivered any more after ``close``.
        """
        host = self._host(reach)
        if host is None:
            return

        def told(future: Future[Wire | TransportError | None]) -> None:
            if future.cancelled():
                return
            surprise = future.exception()
            found = future.result() if surprise is None else _surprise(reach, surprise)
            if found is not None:
                deliver(reach, found)

        host.pool.submit(host.fetch, reach, wanted).add_done_callback(told)

    def enter(self, reach: Reach) -> Wire:
        """Connect to a workstation behind its jump host. TransportError when that does not work."""
        host = self._host(reach)
        if host is None:
            raise BrokenError("the jump hosts are closed", code="connection_lost")
        return host.enter(reach)

    def _host(self, reach: Reach) -> _JumpHost | None:
        assert reach.jump is not None
        credentials = Credentials.of(reach, reach.jump.user)
        identity = (reach.jump.address, reach.jump.port, credentials)
        with self._lock:
            if self._closed:
                return None
            if identity not in self._hosts:
                self._hosts[identity] = _JumpHost(reach.jump, credentials, reach.timeout, self._keys)
            return self._hosts[identity]

    def close(self) -> None:
        """Begin nothing new; each connection ends with the last session that goes through it."""
        with self._lock:
            self._closed = True
            hosts = list(self._hosts.values())
        for host in hosts:
            host.close()


@dataclass
class _Failure:
    """What is wrong with a jump host, to be told again for each workstation."""

    kind: type[TransportError]
    sentence: str
    hint: str
    code: str

    def again(self) -> TransportError:
        return self.kind(self.sentence, self.hint, code=self.code)


class _JumpHost:
    def __init__(self, jump: Jump, credentials: Credentials, timeout: float, keys: KeyRing) -> None:
        self._jump = jump
        self._credentials = credentials
        self._timeout = timeout
        self._keys = keys
        self._name = f"the jump host {jump.address}:{jump.port}"
        self._opening = threading.Lock()
        self._counting = threading.Lock()
        self._seats = threading.Semaphore(jump.sessions)
        self._users = 0
        self._closing = False
        self._connection: Connection | None = None
        self._failure: _Failure | None = None
        # Its own few threads: a workstation that is silent behind it takes none from anybody else.
        self.pool = ThreadPoolExecutor(jump.sessions, thread_name_prefix=f"jump-{jump.address}")

    def fetch(self, reach: Reach, wanted: Callable[[], bool]) -> Wire | TransportError | None:
        try:
            return self.enter(reach) if wanted() else None
        except TransportError as error:
            return error

    def enter(self, reach: Reach) -> Wire:
        while not self._seats.acquire(timeout=_LOOK_AGAIN):
            self._go_on()
        with self._counting:
            self._users += 1
        try:
            self._go_on()
            wire = self._greeted(reach, self._connected())
        except BaseException:
            self._leave()
            raise
        wire.on_close(self._leave)
        return wire

    def _go_on(self) -> None:
        if self._closing:
            raise BrokenError(f"{self._name} is being left", code="connection_lost")

    def _leave(self) -> None:
        self._seats.release()
        with self._counting:
            self._users -= 1
            last = self._closing and self._users == 0
        if last and self._connection is not None:
            self._connection.close()

    def close(self) -> None:
        with self._counting:
            self._closing = True
            unused = self._users == 0
        self.pool.shutdown(wait=False, cancel_futures=True)
        if unused and self._connection is not None:
            self._connection.close()

    def _connected(self) -> Connection:
        with self._opening:
            if self._failure is None and self._connection is None:
                try:
                    self._connection = self._open()
                except TransportError as error:
                    hint = error.hint.replace("its connection", "jump")
                    code = error.code if error.code.startswith("jump_") else f"jump_{error.code}"
                    self._failure = _Failure(type(error), error.sentence, hint, code)
            if self._failure is not None:
                raise self._failure.again()
            assert self._connection is not None
            return self._connection

    def _open(self) -> Connection:
        jump = self._jump
        try:
            sock = socket.create_connection((jump.address, jump.port), timeout=self._timeout)
        except OSError as error:
            raise why_offline(error, self._name) from error
        connection = Connection(Wire(sock), self._name, self._timeout, None)
        try:
            shown = connection.shake_hands([key.split()[0] for key in jump.host_keys])
            place = "correct host_keys of jump in the inventory"
            check_host_key(shown, jump.host_keys, {}, self._name, trusted_by=place)
            log_in(connection, self._credentials, self._keys)
            connection.transport.set_keepalive(KEEPALIVE)
        except BaseException:
            connection.close()
            raise
        return connection

    def _greeted(self, reach: Reach, connection: Connection) -> Wire:
        """A forwarded connection on which the workstation has begun to speak."""
        where = f"{reach.workstation} ({reach.address}:{reach.port}) behind {self._name}"
        try:
            channel = connection.open_forwarding(reach.address, reach.port, reach.timeout)
        except TimeoutError as error:
            raise offline("no_answer", where) from error
        except ForwardingRefusedError as error:
            if error.code == 2:
                raise offline(code_of_words(error.text, reach.address), where, error.text) from error
            raise NotLetInError(
                f"{self._name} does not forward connections ({error.text})",
                "set AllowTcpForwarding and PermitOpen in its sshd_config",
                code="jump_forwarding_refused",
            ) from error
        except TransportError as error:
            raise BrokenError(f"{self._name}: {error.sentence}", error.hint, code=f"jump_{error.code}") from error
        return _first_bytes(channel, reach, where)


def _first_bytes(channel: Channel, reach: Reach, where: str) -> Wire:
    try:
        channel.settimeout(reach.timeout)
        first = channel.recv(4096)
    except TimeoutError as error:
        close_channel(channel)
        raise no_banner(where) from error
    except WIRE_ERRORS as error:
        close_channel(channel)
        raise closed_at_once(where) from error
    if not first:
        close_channel(channel)
        raise closed_at_once(where)
    return Wire(channel, first)


def _surprise(reach: Reach, error: BaseException) -> BrokenError:
    return BrokenError(
        f"iea-fleet met something it does not know on the way to {reach.workstation} ({type(error).__name__})",
        "report it",
        code="surprise",
    )


def no_banner(where: str) -> BrokenError:
    """Connected, and then nothing."""
    return BrokenError(
        f"{where} accepts the connection and then says nothing",
        "its SSH server hangs, or another program listens on that port",
        code="no_banner",
    )


def closed_at_once(where: str) -> BrokenError:
    """Connected, and then closed without a word."""
    return BrokenError(
        f"{where} accepts the connection and closes it without a word",
        "its SSH server may be overloaded (MaxStartups) or refuse our address",
        code="closed_at_once",
    )
