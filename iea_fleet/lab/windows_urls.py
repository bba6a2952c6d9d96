"""The agent's question whether a lab workstation reaches a web address: real TCP, TLS and HTTP to the lab's servers.

Certificates are judged by the workstation's own trust store, which holds the lab's authority, or by given roots alone.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from iea_fleet.lab.agent_frames import Line, answer, failed
from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.network import NoRouteError, route

Stage = Literal["connect", "tls", "certificate", "answer"]
_MOST = 65536

# X509_V_ERR_… of OpenSSL's x509_vfy.h
_CERTIFICATE_CODES: Mapping[int, str] = {
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
_NO_ROUTE_CODES: Mapping[int, str] = {errno.ECONNREFUSED: "refused", errno.ENOENT: "name_unknown"}
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")


class _NotReachedError(Exception):
    """The stage at which it ended, and why."""

    def __init__(self, stage: Stage, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.stage, self.code, self.detail = stage, code, detail


async def open_url(request: Line, outside: Outside) -> Line:
    """``reached``, ``not_reached``, or ``failed`` for roots that are no certificates. Redirects are not followed.

    ValueError for what is no address.
    """
    url = urlsplit(request.text("url"))
    try:
        trust = _trust(request.text("roots").split(), outside)
    except (ssl.SSLError, ValueError) as error:
        return failed("error", f"the roots cannot be read: {error}")
    began = time.monotonic()
    try:
        status, location = await _ask(url, began + request.number("timeout"), outside, trust)
    except _NotReachedError as error:
        seconds = f"{time.monotonic() - began:.3f}"
        return answer("not_reached", stage=error.stage, code=error.code, detail=error.detail, seconds=seconds)
    return answer("reached", status=status, location=location, seconds=f"{time.monotonic() - began:.3f}")


def _trust(roots: list[str], outside: Outside) -> ssl.SSLContext:
    if not roots:
        return outside.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for root in roots:
        context.load_verify_locations(cadata=base64.b64decode(root, validate=True))
    return context


async def _ask(url: SplitResult, until: float, outside: Outside, trust: ssl.SSLContext) -> tuple[int, str]:
    host, secure = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if secure else 80)
    reader, writer = await _connect(host, port, until, outside)
    try:
        if secure:
            await _shake_hands(writer, host, until, trust)
        with _answering():
            async with asyncio.timeout(until - time.monotonic()):
                path = (url.path or "/") + (f"?{url.query}" if url.query else "")
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.transport.abort()
    return _judged(head)


async def _connect(
    host: str, port: int, until: float, outside: Outside
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        there = route(host, port, outside.ports, outside.names)
        async with asyncio.timeout(until - time.monotonic()):
            return await asyncio.open_connection(*there, limit=_MOST)
    except NoRouteError as error:
        code = _NO_ROUTE_CODES.get(error.errno or 0, "no_route")
        raise _NotReachedError("connect", code, error.strerror or "") from None
    except TimeoutError:
        raise _NotReachedError("connect", "timeout") from None
    except OSError as error:
        raise _NotReachedError("connect", "refused", error.strerror or "") from None


async def _shake_hands(writer: asyncio.StreamWriter, host: str, until: float, trust: ssl.SSLContext) -> None:
    try:
        async with asyncio.timeout(until - time.monotonic()):
            await writer.start_tls(trust, server_hostname=host)
    except TimeoutError:
        raise _NotReachedError("tls", "tls_timeout") from None
    except ssl.SSLCertVerificationError as error:
        code = _CERTIFICATE_CODES.get(error.verify_code, "certificate_invalid")
        raise _NotReachedError("certificate", code, error.verify_message) from None
    except ssl.SSLError as error:
        code = "not_tls" if error.reason in _PLAIN else "tls_refused"
        raise _NotReachedError("tls", code, error.reason or "") from None
    except OSError:
        raise _NotReachedError("tls", "tls_refused") from None


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise _NotReachedError("answer", "answer_timeout") from None
    except asyncio.IncompleteReadError as error:
        raise _NotReachedError("answer", "no_http" if error.partial else "connection_lost") from None
    except asyncio.LimitOverrunError:
        raise _NotReachedError("answer", "no_http") from None
    except OSError:
        raise _NotReachedError("answer", "connection_lost") from None


def _judged(head: bytes) -> tuple[int, str]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise _NotReachedError("answer", "no_http")
    status = int(words[1])
    if status >= 500:
        raise _NotReachedError("answer", "http_5xx", str(status))
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return status, headers.get("location", "") if 300 <= status < 400 else ""
