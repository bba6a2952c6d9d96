"""HTTP of a service over connections of our choice, with one time limit for all of a request.

httpx has per-read timeouts alone, which a server that drips byte by byte never meets, and no way in for connections
that a workstation makes; httpcore, on which it stands, has both.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx


@contextmanager
def posted(
    url: str,
    form: bytes,
    headers: Mapping[str, str],
    transport: httpx.BaseTransport,
    timeout: float,
    trace: Callable[[str, Mapping[str, Any]], None],
) -> Iterator[httpx.Response]:
    """The answer to a form that is sent once: no redirect is followed, and the environment changes nothing.

    ``trace`` is told each step as httpcore's documents name them. Exceptions are httpcore's, as they come.
    """
    try:
        with (
            httpx.Client(transport=transport, timeout=timeout, trust_env=False) as client,
            client.stream("POST", url, content=form, headers=dict(headers), extensions={"trace": trace}) as answer,
        ):
            yield answer
    except httpx.DecodingError as error:
        raise httpcore.RemoteProtocolError("the answer is not in the coding that it names") from error


class Through(httpx.BaseTransport):
    """Carries requests over connections of ``backend``, through a proxy if there is one.

    Exceptions of the wire are those of httpcore, as they come.
    """

    def __init__(self, backend: httpcore.NetworkBackend, trust: ssl.SSLContext, proxy: str | None) -> None:
        if proxy is None:
            self._pool = httpcore.ConnectionPool(ssl_context=trust, network_backend=backend)
            return
        of_proxy = trust if proxy.lower().startswith("https:") else None
        self._pool = httpcore.HTTPProxy(proxy, ssl_context=trust, proxy_ssl_context=of_proxy, network_backend=backend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request, sent once."""
        url = request.url
        asked = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = self._pool.handle_request(asked)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class Timed(httpcore.NetworkBackend):
    """The connections of another backend, all of which end ``seconds`` from now."""

    def __init__(self, backend: httpcore.NetworkBackend, seconds: float) -> None:
        self._backend = backend
        self._end = time.monotonic() + seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection whose every step is within the limit."""
        left = _left(self._end, timeout, httpcore.ConnectTimeout)
        return _TimedStream(
            self._backend.connect_tcp(host, port, left, local_address, socket_options),
            self._end,
        )


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, end: float) -> None:
        self._stream = stream
        self._end = end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._end, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._end, timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._end, timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._end)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's
        return self._stream.get_extra_info(info)


def _left(end: float, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise late("the time is over")
    return left if timeout is None else min(left, timeout)
