from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trustme
from windows_batches import AUTHORITY, Machine, answers, line, stdin

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
STRANGER = trustme.CA()


def saying(said: bytes) -> Answering:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(said)

    return answer


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


OK = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def ask(
    machine: Machine,
    answering: Answering,
    url: str = "https://localhost:{port}/",
    authority: trustme.CA | None = AUTHORITY,
    roots: bytes = b"",
    name: str = "localhost",
) -> tuple[str, dict[str, bytes]]:
    """What the agent says of a server that answers like this; without an authority it speaks no TLS."""
    tls = None
    if authority is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(tls)

    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            await answering(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def both() -> bytes:
        server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            machine.ports.add(port)
            sent = stdin(line("open_url", url=url.format(port=port), timeout="0.4", roots=roots), mode="read_only")
            said = (await machine.ended(sent)).stdout
        for each in conversations:
            each.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        return said

    (said,) = answers(asyncio.run(both()))
    return said


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "nancy-01")


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_server_that_answers_is_reached_by_the_trust_of_the_workstation(machine: Machine) -> None:
    word, fields = ask(machine, OK)
    assert (word, fields["status"], fields["location"]) == ("reached", b"200", b"")
    assert float(fields["seconds"]) < 5


def test_a_redirect_is_told_and_not_followed(machine: Machine) -> None:
    said = saying(b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\n\r\n")
    word, fields = ask(machine, said, "http://127.0.0.1:{port}/a?b=c", None)
    assert (word, fields["status"], fields["location"]) == ("reached", b"302", b"https://elsewhere.example/")


def test_given_roots_alone_are_trusted(machine: Machine) -> None:
    own, other = (
        base64.b64encode(ssl.PEM_cert_to_DER_cert(ca.cert_pem.bytes().decode())) for ca in (AUTHORITY, STRANGER)
    )
    assert ask(machine, OK, roots=own)[0] == "reached"
    assert ask(machine, OK, roots=b" ".join([other, own]))[0] == "reached"
    assert ask(machine, OK, roots=other)[1]["code"] == b"certificate_untrusted"
    assert ask(machine, OK, roots=b"bm9uZQ==")[1]["code"] == b"error"


@pytest.mark.parametrize(
    ("url", "authority", "name", "answering", "stage", "code"),
    [
        ("https://localhost:{port}/", STRANGER, "localhost", OK, "certificate", "certificate_untrusted"),
        ("https://localhost:{port}/", AUTHORITY, "other.example", OK, "certificate", "certificate_wrong_name"),
        ("https://localhost:{port}/", None, "", saying(b"HTTP/1.1 400 Bad\r\n\r\n"), "tls", "not_tls"),
        ("https://localhost:{port}/", None, "", _silent, "tls", "tls_timeout"),
        ("https://localhost:{port}/", None, "", saying(b""), "tls", "tls_refused"),
        ("http://localhost:{port}/", None, "", _silent, "answer", "answer_timeout"),
        ("http://localhost:{port}/", None, "", saying(b"SSH-2.0-x\r\n\r\n"), "answer", "no_http"),
        ("http://localhost:{port}/", None, "", saying(b"SSH-2.0-x\r\n"), "answer", "no_http"),
        ("http://localhost:{port}/", None, "", saying(b""), "answer", "connection_lost"),
        ("http://localhost:{port}/", None, "", saying(b"HTTP/1.1 503 Ill\r\n\r\n"), "answer", "http_5xx"),
        ("https://example.org/", None, "", OK, "connect", "name_unknown"),
        ("https://192.0.2.1/", None, "", OK, "connect", "no_route"),
        ("http://localhost/", None, "", OK, "connect", "refused"),
    ],
)
def test_why_a_server_is_not_reached(
    machine: Machine,
    url: str,
    authority: trustme.CA | None,
    name: str,
    answering: Answering,
    stage: str,
    code: str,
) -> None:
    word, fields = ask(machine, answering, url, authority, name=name)
    assert (word, fields["stage"].decode(), fields["code"].decode()) == ("not_reached", stage, code)


def test_a_port_on_which_nobody_listens(machine: Machine) -> None:
    with closed_port() as port:
        machine.ports.add(port)
        ((word, fields),) = machine.run(line("open_url", url=f"https://localhost:{port}/", timeout="2", roots=""))
    assert (word, fields["stage"], fields["code"]) == ("not_reached", b"connect", b"refused")
