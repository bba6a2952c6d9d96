"""One SSH connection: the handshake, the host key check, channels, and an end that leaves no thread behind."""

from __future__ import annotations

import contextlib
import hmac
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from socket import socket
from typing import Final, cast

import paramiko
from paramiko import Channel, ChannelException, Message
from paramiko.packet import Packetizer

from iea_fleet.errors import BrokenError, NotLetInError
from iea_fleet.transports.fingerprint import fingerprint
from iea_fleet.transports.ssh_errors import WIRE_ERRORS, in_our_words, silent
from iea_fleet.transports.wire import Wire

KEEPALIVE: Final = 15
"""Seconds between signs of life, so that no firewall forgets an idle connection."""

_HOST_KEY_TYPES: Final[Mapping[str, tuple[str, ...]]] = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_JOIN_SECONDS: Final = 2.0
_ENDING_SECONDS: Final = 0.3


class ForwardingRefusedError(Exception):
    """The far end did not open a channel. ``code`` is that of RFC 4254 §5.1, ``text`` its own words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class _Packetizer(Packetizer):
    """Without paramiko's own time limit for the handshake: a thread each, which outlives a failed connection."""

    def start_handshake(self, timeout: float) -> None:
        """The ``Wire`` watches the time."""

    def handshake_timed_out(self) -> bool:
        """Never: the ``Wire`` ends it."""
        return False


class _Transport(paramiko.Transport):
    """paramiko's transport, which keeps what the far end says when it refuses a channel.

    paramiko drops that text, dies of one that is not UTF-8, and keeps one refusal for all threads. The two methods
    below are not public: tests hold their behaviour.
    """

    def __init__(self, sock: socket) -> None:
        super().__init__(sock, packetizer_class=_Packetizer)
        self.refusals: dict[int, tuple[int, str]] = {}
        self._asking = threading.local()

    def _next_channel(self) -> int:
        self._asking.number = super()._next_channel()  # type: ignore[misc]
        return cast("int", self._asking.number)

    def _parse_channel_open_failure(self, message: Message) -> None:
        number, code, said = message.get_int(), message.get_int(), message.get_string()
        text = said.decode("utf-8", "replace")
        if number in self.channel_events:
            self.refusals[number] = (code, text)
        clean = Message()
        clean.add_int(number)
        clean.add_int(code)
        clean.add_string(text)
        clean.add_string("")
        clean.rewind()
        super()._parse_channel_open_failure(clean)  # type: ignore[misc]

    def refusal(self) -> tuple[int, str] | None:
        """Why the channel that this thread asked for last was refused, if it was."""
        return self.refusals.pop(getattr(self._asking, "number", -1), None)

    def get_exception(self) -> Exception | None:
        """What went wrong, once. A far end can make the reading thread fail in any way; here it gets one class."""
        error = super().get_exception()
        return error if error is None or isinstance(error, WIRE_ERRORS) else paramiko.SSHException(repr(error))


class Connection:
    """An SSH connection over a wire that is connected already.

    ``name`` is how errors call the far end. ``timeout`` is seconds without an answer, ``deadline`` seconds for the
    whole life of it, None for no end. Every method raises TransportError and nothing else of the wire.
    """

    def __init__(self, wire: Wire, name: str, timeout: float, deadline: float | None) -> None:
        self.name = name
        self.timeout = timeout
        self.round_trips = 0
        self._wire = wire
        wire.patience = timeout
        wire.deadline = time.monotonic() + deadline if deadline is not None else float("inf")
        try:
            self.transport = _Transport(cast("socket", wire))
        except WIRE_ERRORS as error:
            wire.close()
            raise in_our_words(error, name) from error
        # curve25519 costs 2 ms, the finite-field groups 26 to 87: they are for servers that have nothing else.
        options = self.transport.get_security_options()
        options.kex = sorted(options.kex, key=_cost_of_kex)
        self.transport.banner_timeout = timeout + _JOIN_SECONDS

    def shake_hands(self, host_key_types: Sequence[str] = (), *, only: bool = False) -> str:
        """Agree on keys and return the server's host key as ``type base64``.

        Keys of the given types are asked for first, and no others with ``only``.
        """
        options = self.transport.get_security_options()
        wished = [each for kind in host_key_types for each in _HOST_KEY_TYPES.get(kind, (kind,))]
        wished = [each for each in wished if each in options.key_types]
        options.key_types = [*wished, *(each for each in options.key_types if not only and each not in wished)]
        done = threading.Event()
        with self._their_errors():
            self.transport.start_client(event=done)
            self.wait(done)
            key = self.transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    def wait(self, done: threading.Event) -> None:
        """Wait for the far end. BrokenError when it is silent for ``timeout`` seconds or the connection ends."""
        self._wire.expect_answer(self.timeout)
        # The wire's own limit comes first and names the reason; this one is for a reading thread that hangs.
        done.wait(self.timeout + _JOIN_SECONDS)
        self._wire.answered()
        if not self.transport.is_active():
            raise in_our_words(self.transport.get_exception(), self.name, self._wire.verdict)
        if not done.is_set():
            raise silent(self.name)

    @contextlib.contextmanager
    def answer_expected(self) -> Iterator[None]:
        """Around a call of paramiko that waits for one answer without a limit of its own."""
        self.round_trips += 1
        self._wire.expect_answer(self.timeout)
        try:
            with self._their_errors():
                yield
        finally:
            self._wire.answered()

    @contextlib.contextmanager
    def _their_errors(self) -> Iterator[None]:
        try:
            yield
        except ForwardingRefusedError:
            raise
        except WIRE_ERRORS as error:
            raise in_our_words(error, self.name, self._wire.verdict) from error

    def lost(self, error: BaseException | None = None) -> BrokenError:
        """The error for a channel that ended when it should not."""
        found = in_our_words(error, self.name, self._wire.verdict)
        return found if isinstance(found, BrokenError) else BrokenError(found.sentence, found.hint)

    def raise_if_lost(self, channel: Channel) -> None:
        """Raise when this channel ended because the connection did, and not by the far end's word."""
        if channel.closed and not channel.eof_received:
            # paramiko marks channels as closed a moment before it marks the connection as ended.
            self.transport.join(_ENDING_SECONDS)
        if not self.transport.is_active():
            raise self.lost(self.transport.get_exception())

    def silent(self) -> BrokenError:
        """The error for a far end from which no answer came in time."""
        return silent(self.name)

    def seconds_left(self, wanted: float | None = None) -> float:
        """How long one wait may take now: ``wanted`` or the timeout, never beyond the deadline."""
        left = self._wire.deadline - time.monotonic()
        if left <= 0:
            raise silent(self.name, "deadline_passed")
        return min(left, self.timeout if wanted is None else wanted)

    def open_session(self) -> Channel:
        """A channel for a program or a subsystem. ForwardingRefusedError when the far end refuses it."""
        with self.answer_expected():
            try:
                return self.transport.open_session(timeout=self.timeout + _JOIN_SECONDS)
            except WIRE_ERRORS as error:
                raise self._refused(error) from error

    def open_forwarding(self, host: str, port: int, timeout: float) -> Channel:
        """A TCP connection made by the far end.

        ForwardingRefusedError when it does not make it, TimeoutError when it does not say within ``timeout`` seconds.
        """
        self.round_trips += 1
        try:
            return self.transport.open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=self.seconds_left(timeout)
            )
        except WIRE_ERRORS as error:
            refusal = self._refused(error)
            if refusal is error and self.transport.is_active():
                raise TimeoutError from error
            if isinstance(refusal, ForwardingRefusedError):
                raise refusal from error
            raise self.lost(error) from error

    def _refused(self, error: Exception) -> Exception:
        said = self.transport.refusal()
        if said is not None:
            return ForwardingRefusedError(*said)
        return ForwardingRefusedError(error.code, error.text) if isinstance(error, ChannelException) else error

    def close(self) -> None:
        """End it; more than once does no harm. The reading thread has ended when this returns."""
        self._wire.close()
        self.transport.close()
        if self.transport.ident is not None and self.transport is not threading.current_thread():
            self.transport.join(_JOIN_SECONDS)


def close_channel(channel: Channel) -> None:
    """Close a channel, whether or not anybody is left to be told."""
    with contextlib.suppress(*WIRE_ERRORS):
        channel.close()


def _cost_of_kex(name: str) -> int:
    for cost, part in enumerate(("curve25519-sha256", "ecdh", "mlkem", "group14", "group-exchange")):
        if name.startswith(part) or (cost > 2 and part in name):
            return cost
    return 9


def check_host_key(shown: str, pinned: Sequence[str], owners: Mapping[str, str], name: str, trusted_by: str) -> None:
    """Hold the host key that a server shows against the pinned ones; NotLetInError when it is none of them.

    ``trusted_by`` is the command (or the place in a file) by which a person pins a key; ``owners`` maps known keys to
    workstations.
    """
    encoded = shown.split()[1]
    if any(hmac.compare_digest(encoded, key.split()[1]) for key in pinned):
        return
    owner = owners.get(encoded, "")
    whose = f", which is the known key of {owner}" if owner and owner != name else ""
    described = f"{shown.split(maxsplit=1)[0]} {fingerprint(shown)}"
    if not pinned:
        raise NotLetInError(
            f"the host key of {name} is not known yet (it shows {described}{whose})",
            f"compare it at the machine, then {trusted_by}",
            code="host_key_unknown",
        )
    raise NotLetInError(
        f"the host key of {name} has changed: it shows {described}{whose}",
        "the machine was installed again, its address went to another one, or somebody listens in; "
        f"once you know which, {trusted_by}",
        code="host_key_changed",
    )
