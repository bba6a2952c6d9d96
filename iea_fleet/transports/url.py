"""Whether a workstation reaches a web address: its TCP, forwarded over SSH, and our TLS and HTTP/1.1 over that."""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal, TypeVar

import httpcore
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from paramiko import Channel

from iea_fleet.model.request import Failed, NotReached, OpenUrl, Reached
from iea_fleet.transports.connection import Connection, ForwardingRefusedError, close_channel
from iea_fleet.transports.offline import code_of_words

Stage = Literal["connect", "tls", "certificate", "answer"]
_Result = TypeVar("_Result")
_LONGEST_LOCATION: Final = 500
"""Characters of a redirection that are told: a login page wants thousands, and a server may send millions."""

_ACCEPTED: Final = "text/html, application/json;q=0.9, */*;q=0.8"

_CERTIFICATE_CODES: Final = {
    # X509_V_ERR_… of OpenSSL's x509_vfy.h
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    18: "certificate_self_signed",
    19: "certificate_untrusted",
    20: "certificate_untrusted",
    21: "certificate_untrusted",
    23: "certificate_revoked",
    62: "certificate_wrong_name",
    64: "certificate_wrong_name",
}
_REASONS: Final = {
    "refused": "{where} refuses the connection: nothing listens there, or a firewall refuses it",
    "timeout": "{where} does not answer within {seconds:g} s: a firewall may swallow it",
    "no_route": "the workstation has no way to {where}: look at its network and firewall",
    "name_unknown": "the workstation cannot find the name {host}{said}: look at its DNS and the spelling",
    "tls_timeout": "{where} accepts the connection and then says nothing of TLS",
    "not_tls": "{where} does not speak TLS: http where https is wanted, or the wrong port",
    "tls_refused": "{where} ends the TLS handshake{said}",
    "certificate_expired": "the certificate of {host} has expired",
    "certificate_not_yet_valid": "the certificate of {host} is not valid yet: is a clock wrong?",
    "certificate_wrong_name": "the certificate shown for {host} belongs to another name",
    "certificate_untrusted": "the certificate of {host} comes from an authority that {judge} does not trust",
    "certificate_self_signed": "the certificate of {host} is signed by itself alone",
    "certificate_revoked": "the certificate of {host} has been revoked",
    "certificate_invalid": "the certificate of {host} is not valid{said}",
    "no_http": "{where} is there and does not answer in HTTP: the wrong port, or https where http is wanted",
    "answer_timeout": "{where} takes the question and does not answer within {seconds:g} s",
    "http_5xx": "{where} answers with the error {said}: the server itself is ill",
    "connection_lost": "{where} closes the connection without an answer",
}


class _NotReachedError(httpcore.NetworkError):
    """Why a server was not reached; httpcore lets it through as it is."""

    def __init__(self, stage: Stage, code: str, said: str = "") -> None:
        super().__init__(code.replace("_", " ") + (f": {said}" if said else ""))
        self.stage: Stage = stage
        self.code = code
        self.said = said


class _NoForwardingError(httpcore.ConnectError):
    """The SSH server of the workstation makes no connections for us: no fact about the server."""


@functools.lru_cache(maxsize=32)
def _context(ca_file: str | None, _: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """The TLS settings by which certificates are judged. Building them costs 1 to 20 ms, so they are shared."""
    return _context(ca_file, Path(ca_file).stat().st_mtime_ns if ca_file else 0)


def trusted_roots(ca_file: str) -> tuple[bytes, ...] | Failed:
    """The certificates (DER) of a file, for an ``OpenUrl`` that somebody else asks. Failed: ``ca_file_unreadable``."""
    try:
        found = x509.load_pem_x509_certificates(Path(ca_file).read_bytes())
    except (OSError, ValueError, x509.InvalidVersion) as error:
        return _unreadable(ca_file, error)
    return tuple(each.public_bytes(Encoding.DER) for each in found)


def _unreadable(ca_file: str | None, error: Exception) -> Failed:
    return Failed("ca_file_unreadable", f"the file {ca_file} holds no certificates that can be read: {error}")


def open_url(connection: Connection, request: OpenUrl) -> Reached | NotReached | Failed:
    """Ask for a web address from the workstation. One round trip each for TCP, TLS and HTTP.

    Redirects are told, not followed, and no body is read. Failed is what is no fact about the server:
    ``forwarding_refused``, ``ca_file_unreadable``. A proxy of the workstation is not used.
    """
    try:
        context = _trust(request.ca_file)
    except (OSError, ssl.SSLError) as error:
        return _unreadable(request.ca_file, error)
    started = time.monotonic()
    limit = started + connection.seconds_left(request.timeout)
    backend = Forwarding(connection, limit)
    url = httpcore.URL(request.url)
    try:
        with httpcore.ConnectionPool(ssl_context=context, network_backend=backend, retries=0) as pool:
            headers: dict[bytes | str, bytes | str] = {
                "Host": _authority(url),
                "Accept": _ACCEPTED,
                "User-Agent": "iea-fleet",
                "Connection": "close",
            }
            with pool.stream("GET", url, headers=headers) as response:
                return reached(request, response.status, _location(response), time.monotonic() - started)
    except _NotReachedError as error:
        return not_reached(request, error.stage, error.code, error.said, time.monotonic() - started)
    except _NoForwardingError as error:
        return Failed("forwarding_refused", str(error))
    except (httpcore.ProtocolError, httpcore.NetworkError) as error:
        return not_reached(request, "answer", "no_http", str(error), time.monotonic() - started)


def _authority(url: httpcore.URL) -> str:
    host, port = url.host.decode("ascii"), url.port
    return host if port is None else f"{host}:{port}"


def _location(response: httpcore.Response) -> str:
    return next((value.decode("latin-1") for name, value in response.headers if name.lower() == b"location"), "")


def reached(request: OpenUrl, status: int, location: str, seconds: float) -> Reached | NotReached:
    """The answer for an HTTP status, and where it redirects to ("": nowhere)."""
    if status >= 500:
        return not_reached(request, "answer", "http_5xx", str(status), seconds)
    redirected = 300 <= status < 400 and location
    return Reached(seconds, status, f"it redirects to {location[:_LONGEST_LOCATION]}" if redirected else "")


def not_reached(
    request: OpenUrl, stage: Stage, code: str, said: str, seconds: float, judge: str = "this controller"
) -> NotReached:
    """The answer with the sentence that belongs to this code; KeyError for a code that is none of ours.

    ``judge`` is whose trust store the certificate was held against.
    """
    url = httpcore.URL(request.url)
    host = url.host.decode("ascii")
    port = url.port or (443 if url.scheme == b"https" else 80)
    if code == "connection_lost" and url.scheme == b"http":
        code = "no_http"  # many a server of TLS hangs up on a question in the clear
    said = said if code == "http_5xx" or not said else f" ({said})"
    reason = _REASONS[code].format(host=host, where=f"{host}:{port}", seconds=request.timeout, said=said, judge=judge)
    return NotReached(stage, code, reason, seconds)


class Forwarding(httpcore.NetworkBackend):
    """Makes httpcore's connections through the workstation, until ``limit`` by the monotonic clock.

    What fails is an ``httpcore.NetworkError`` in words, or BrokenError when the workstation itself is lost.
    """

    def __init__(self, connection: Connection, limit: float) -> None:
        self._connection = connection
        self._limit = limit

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to host and port as the workstation sees them; the other arguments mean nothing there."""
        del timeout, local_address, socket_options
        try:
            channel = self._connection.open_forwarding(host, port, max(0.001, self._limit - time.monotonic()))
        except TimeoutError as error:
            raise _NotReachedError("connect", "timeout") from error
        except ForwardingRefusedError as error:
            if error.code != 2:  # RFC 4254 §5.1: 2 is "connect failed"; all others are no fact about the server
                raise _NoForwardingError(
                    f"the SSH server of the workstation does not forward connections ({error.text}); "
                    "set AllowTcpForwarding in its sshd_config to test servers from there"
                ) from error
            code = code_of_words(error.text, host)
            code = "timeout" if code == "no_answer" else code
            raise _NotReachedError("connect", code, error.text) from error
        return _Stream(channel, self._connection, self._limit)


class _Stream(httpcore.NetworkStream):
    """A forwarded channel, with or without TLS on it."""

    def __init__(self, channel: Channel, connection: Connection, limit: float) -> None:
        self._channel = channel
        self._connection = connection
        self._limit = limit
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._asked = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes of the answer; none at its end."""
        del timeout
        call = self._tls.read if self._tls else self._receive
        return self._do("answer", lambda: call(max_bytes))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send the question."""
        del timeout
        if self._tls is None:
            self._do("answer", lambda: self._send(buffer))
        else:
            tls = self._tls
            self._do("answer", lambda: tls.write(buffer))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on in TLS over the same channel; once."""
        del timeout
        if self._tls is not None:
            raise httpcore.ConnectError("through a workstation a proxy is spoken to in plain http:// alone")
        self._tls = ssl_context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._do("tls", self._tls.do_handshake)
        return self

    def close(self) -> None:
        """Close the channel."""
        close_channel(self._channel)

    def get_extra_info(self, info: str) -> object:
        """For httpcore, which asks for the TLS object, to learn which protocol was agreed on."""
        return self._tls if info == "ssl_object" else None

    def _receive(self, size: int) -> bytes:
        self._connection.round_trips += self._asked
        self._asked = False
        data = self._channel.recv(size)
        if not data:
            self._connection.raise_if_lost(self._channel)
        return data

    def _send(self, data: bytes) -> None:
        self._asked = True
        self._channel.sendall(data)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._send(self._outgoing.read())

    def _do(self, stage: Stage, call: Callable[[], _Result]) -> _Result:
        """Carry out a step of the conversation to its end, whatever TLS wants to send and receive for it."""
        try:
            while True:
                self._channel.settimeout(max(0.001, self._limit - time.monotonic()))
                try:
                    result = call()
                except ssl.SSLWantReadError:
                    self._flush()
                    data = self._receive(65536)
                    if data:
                        self._incoming.write(data)
                    else:
                        self._incoming.write_eof()
                else:
                    self._flush()
                    return result
        except TimeoutError as error:
            raise _NotReachedError(stage, "tls_timeout" if stage == "tls" else "answer_timeout") from error
        except ssl.SSLCertVerificationError as error:
            code = _CERTIFICATE_CODES.get(error.verify_code, "certificate_invalid")
            raise _NotReachedError("certificate", code, error.verify_message) from error
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError) as error:
            raise _NotReachedError(stage, "tls_refused" if stage == "tls" else "connection_lost") from error
        except ssl.SSLError as error:
            plain = error.reason in (
                "WRONG_VERSION_NUMBER",
                "RECORD_LAYER_FAILURE",
                "HTTP_REQUEST",
                "PACKET_LENGTH_TOO_LONG",
            )
            raise _NotReachedError(stage, "not_tls" if plain else "tls_refused", error.reason or "") from error
        except OSError as error:
            self._connection.raise_if_lost(self._channel)
            raise _NotReachedError(stage, "tls_refused" if stage == "tls" else "connection_lost") from error
