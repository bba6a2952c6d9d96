"""HTTP to a WinRM service: over the one connection that a doorway made, with or without TLS, and within limits."""

from __future__ import annotations

import functools
import hashlib
import hmac
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeVar, cast

from iea_fleet.errors import BrokenError, TransportError
from iea_fleet.transports.base import Reach
from iea_fleet.transports.winrm_errors import NONSENSE, WIRE_ERRORS, in_our_words, told
from iea_fleet.transports.winrm_refusals import (
    certificate_changed,
    certificate_refused,
    https_on_http_port,
    hung_up,
    silent,
    tls_failed,
)
from iea_fleet.transports.wire import Wire

_LARGEST_BODY: Final = 1024 * 1024
"""Bytes of one answer that are believed: many times the largest envelope we ask for."""

_LOOK_SECONDS: Final = 3.0
"""How long a second connection may take that only looks at what answers."""

_NOTHING_SEEN: Final[tuple[type[Exception], ...]] = (*WIRE_ERRORS, TransportError)
_Result = TypeVar("_Result")


class Reply(NamedTuple):
    """An HTTP answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """One HTTP/1.1 connection to ``/wsman`` of a workstation.

    Python's own ``http.client`` carries it, not the pool that pypsrp would use: there are no redirects, proxies,
    ``.netrc`` nor second connections, so nothing can be sent twice, and a password to nobody else.
    """

    def __init__(self, wire: Wire, reach: Reach) -> None:
        self.round_trips = 0
        self.certificate = b""
        self._reach = reach
        self._wire = wire
        self._stream = _Stream(wire)
        self._deadline = time.monotonic() + reach.deadline
        self._in_step = True
        self._answered = False
        self._connection = http.client.HTTPConnection(reach.address, reach.port)
        self._connection.auto_open = 0
        self._connection.sock = cast("socket.socket", self._stream)

    @property
    def usable(self) -> bool:
        """Whether another question can be put: nothing is lost, and no answer is still on its way."""
        return self._in_step and self._connection.sock is not None

    def secure(self) -> None:
        """Begin TLS, and judge the certificate (kept as ``certificate``, DER) before anything else is sent.

        NotLetInError: ``certificate_changed`` when it is not the pinned one; ``certificate_untrusted`` and its like
        when none is pinned and ``ca_file`` (or this machine's store) does not vouch for it; BrokenError:
        ``http_on_https_port``, ``tls_refused``, ``ca_file_unreadable``, ``went_silent``, ``connection_lost``.
        """
        name, pinned = self._reach.workstation, self._reach.certificate
        context = _trust(self._reach)
        self._begin(self._reach.timeout)
        try:
            self.certificate = self._stream.start_tls(context, self._reach.address)
        except ssl.SSLCertVerificationError as error:
            raise certificate_refused(error, name, self._shown()) from error
        except WIRE_ERRORS as error:
            refused = isinstance(error, ssl.SSLError) and not hung_up(error)
            if refused or self._speaks_http():
                raise tls_failed(error, name) from error
            raise self._why(error) from error
        shown = fingerprint(self.certificate)
        if pinned is not None and not hmac.compare_digest(shown, pinned):
            raise certificate_changed(name, shown)

    def post(self, body: bytes, sent: Mapping[str, str], seconds: float) -> Reply:
        """One exchange. BrokenError when there is no whole answer within ``seconds``: the connection is over then."""
        self.round_trips += 1
        self._begin(seconds)
        self._in_step = False
        try:
            self._connection.request("POST", "/wsman", body, dict(sent))
            response = self._connection.getresponse()
            half = self._stream.ended  # before the last line of the head, which http.client takes for its end
            content = response.read(_LARGEST_BODY + 1)
            if half or (response.length and len(content) <= _LARGEST_BODY):
                raise http.client.IncompleteRead(b"")
        except WIRE_ERRORS as error:
            unheard = not (self._answered or self._reach.tls or isinstance(error, TimeoutError))
            if unheard and (shown := self._shown()):
                raise https_on_http_port(self._reach.workstation, shown) from error
            raise self._why(error) from error
        if len(content) > _LARGEST_BODY:
            raise told(NONSENSE, self._reach.workstation)
        self._in_step = self._answered = True
        headers = {name.lower(): response.getheader(name, "") for name in response.headers}
        return Reply(response.status, headers, content)

    def grant(self, seconds: float) -> None:
        """Allow so many seconds for a farewell, also where the deadline has passed."""
        self._deadline = max(self._deadline, time.monotonic() + seconds)

    def seconds_left(self, wanted: float) -> float:
        """How long something may take that would like so many seconds. BrokenError ``deadline_passed``."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise silent(self._reach.workstation, deadline=True)
        return min(wanted, left)

    def close(self) -> None:
        """End it; more than once does no harm."""
        self._connection.sock = None
        self._wire.close()

    def _begin(self, seconds: float) -> None:
        self._stream.limit = time.monotonic() + self.seconds_left(seconds)

    def _why(self, error: BaseException) -> TransportError:
        if isinstance(error, TimeoutError):
            heard = self._answered or bool(self.certificate)
            return silent(self._reach.workstation, deadline=time.monotonic() >= self._deadline, heard=heard)
        if isinstance(error, http.client.BadStatusLine) and "HTTP/".startswith(str(error)[:5].strip()):
            error = EOFError()  # the first half of an answer
        return in_our_words(error, self._reach.workstation, self._reach.user)

    def shown(self) -> bytes:
        """The certificate (DER) that a new connection shows; nothing where it speaks no TLS. Nothing is sent on it."""
        return self._look(lambda stream: stream.start_tls(_without_judgement(), self._reach.address))

    def _shown(self) -> str:
        shown = self.shown()
        return fingerprint(shown) if shown else ""

    def _speaks_http(self) -> bool:
        """Whether a new connection answers in plain HTTP to a question that tells nothing."""

        def ask(stream: _Stream) -> bytes:
            stream.sendall(b"OPTIONS * HTTP/1.0\r\n\r\n")
            return stream.read(5)

        return self._look(ask) == b"HTTP/"

    def _look(self, step: Callable[[_Stream], bytes]) -> bytes:
        """What a new connection gives at once, on which nobody logs in; nothing when it gives none."""
        try:
            seconds = self.seconds_left(min(_LOOK_SECONDS, self._reach.timeout))
            with socket.create_connection((self._reach.address, self._reach.port), seconds) as sock:
                stream = _Stream(Wire(sock))
                stream.limit = time.monotonic() + seconds
                return step(stream)
        except _NOTHING_SEEN:
            return b""


def fingerprint(certificate: bytes) -> str:
    """How an inventory writes a certificate: ``sha256:`` and the hexadecimal SHA-256 of its DER."""
    return f"sha256:{hashlib.sha256(certificate).hexdigest()}"


@functools.cache
def _without_judgement() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@functools.lru_cache(maxsize=32)
def _judging(ca_file: str | None, _: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def _trust(reach: Reach) -> ssl.SSLContext:
    """The TLS settings for a workstation. Building them costs 1 to 20 ms, so they are shared."""
    if reach.certificate is not None:
        return _without_judgement()
    try:
        return _judging(reach.ca_file, Path(reach.ca_file).stat().st_mtime_ns if reach.ca_file else 0)
    except (OSError, ssl.SSLError) as error:
        raise BrokenError(
            f"the file {reach.ca_file} holds no certificates that can be read ({error})",
            f"correct ca_file in the connection of {reach.workstation}",
            code="ca_file_unreadable",
        ) from error


class _Stream:
    """What ``http.client`` takes for a socket: a wire, with or without TLS on it, that never waits beyond ``limit``."""

    def __init__(self, wire: Wire) -> None:
        self.limit = float("inf")
        self.ended = False
        self._wire = wire
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    def start_tls(self, context: ssl.SSLContext, host: str) -> bytes:
        """Go on in TLS, and return the certificate that was shown (DER)."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._do(tls.do_handshake)
        self._tls = tls
        return tls.getpeercert(binary_form=True) or b""

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Where an answer is read from; closing it leaves the connection open."""
        return io.BufferedReader(_Answer(self))

    def sendall(self, data: bytes) -> None:
        """Send all of it. TimeoutError at the limit."""
        tls = self._tls
        if tls is None:
            self._send(data)
        else:
            self._do(lambda: tls.write(data))

    def read(self, size: int) -> bytes:
        """Some bytes, none at the end. TimeoutError at the limit."""
        tls = self._tls
        data = self._receive(size) if tls is None else self._do(lambda: tls.read(size))
        self.ended = not data
        return data

    def close(self) -> None:
        """``http.client`` is done with it; whoever owns the wire closes that."""

    def _receive(self, size: int) -> bytes:
        self._wire.settimeout(self._left())
        return self._wire.recv(size)

    def _send(self, data: bytes) -> None:
        while data:
            self._wire.settimeout(self._left())
            data = data[self._wire.send(data) :]

    def _left(self) -> float:
        left = self.limit - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _do(self, step: Callable[[], _Result]) -> _Result:
        """Carry out a step of TLS to its end, whatever it wants to send and receive for it."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._send(self._outgoing.read())
                if received := self._receive(65536):
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            else:
                self._send(self._outgoing.read())
                return result


class _Answer(io.RawIOBase):
    """One answer, as a file that is read."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what a BufferedReader hands over
        """Fill some of it."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
