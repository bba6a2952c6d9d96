"""Whatever a WinRM service answers, a session understands it or says in one of our codes that it does not."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import Loopback, answering
from pydantic import SecretStr
from windows_endpoints import AUTHORITY
from winrm_sessions import enter

from iea_fleet.errors import TransportError
from iea_fleet.model.request import Stat
from iea_fleet.transports.base import Reach

ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/'
    'addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="http://schemas.microsoft.com/wbem/'
    'wsman/1/windows/shell"><s:Header><a:RelatesTo>{relates}</a:RelatesTo></s:Header>{body}</s:Envelope>'
)
CREATED = '<s:Body><w:SelectorSet><w:Selector Name="ShellId">A</w:Selector></w:SelectorSet></s:Body>'
STARTED = "<s:Body><rsp:CommandResponse><rsp:CommandId>B</rsp:CommandId></rsp:CommandResponse></s:Body>"
SENT = "<s:Body><rsp:SendResponse/></s:Body>"


def received(*inner: str) -> str:
    return f"<s:Body><rsp:ReceiveResponse>{''.join(inner)}</rsp:ReceiveResponse></s:Body>"


def output(data: bytes, name: str = "stdout") -> str:
    return f'<rsp:Stream Name="{name}" CommandId="B">{base64.b64encode(data).decode()}</rsp:Stream>'


def state(word: str, code: str = "") -> str:
    return f'<rsp:CommandState CommandId="B" State="x/{word}">{code}</rsp:CommandState>'


def serving(bodies: Sequence[str]) -> Callable[[socket.socket], None]:
    """A service that lets everybody in over TLS and gives these answers one after the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)

    def behave(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as stream, stream.makefile("rb") as reading:
            for body in bodies:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    if not (line := reading.readline()):
                        return
                    asked += line
                found = re.search(rb"content-length: (\d+)", asked.lower())
                assert found is not None
                question = reading.read(int(found[1])).decode()
                number = re.search(r"uuid:[0-9A-F-]+(?=</[^>]*MessageID>)", question)
                shaped = body.startswith("<s:Body")
                relates = number[0] if number else ""
                answer = (ENVELOPE.format(relates=relates, body=body) if shaped else body).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: {len(answer)}\r\n\r\n"
                stream.sendall(head.encode() + answer)

    return behave


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def code_of(behave: Callable[[socket.socket], None], **changes: object) -> str:
    """The code of the error of a session on a server that behaves so."""
    known: dict[str, object] = {"tls": True, "auth": "basic", "password": SecretStr("p"), "timeout": 2, "deadline": 8}
    with Loopback(behave) as server:
        way = Reach("nancy-01", server.address, server.port, "u", transport="winrm", **{**known, **changes})  # type: ignore[arg-type]
        with pytest.raises(TransportError) as caught, enter(way) as session:
            session.carry_out([Stat("C:/x")])
    return caught.value.code


@pytest.mark.parametrize(
    ("bodies", "code"),
    [
        (["no XML"], "protocol_error"),
        ([""], "protocol_error"),
        (["", CREATED], "protocol_error"),
        (["<other/>"], "protocol_error"),
        (["<s:Body/>"], "protocol_error"),
        ([CREATED.replace("ShellId", "Other")], "protocol_error"),
        ([CREATED, "<s:Body/>"], "protocol_error"),
        ([CREATED, STARTED, "no XML"], "protocol_error"),
        ([CREATED, STARTED, SENT, received('<rsp:Stream Name="stdout">!!!</rsp:Stream>')], "protocol_error"),
        ([CREATED, STARTED, SENT, received(output(b"x", "other"))], "protocol_error"),
        ([CREATED, STARTED, SENT, received("<rsp:Stream>eA==</rsp:Stream>")], "protocol_error"),
        ([CREATED, STARTED, SENT, received("<rsp:CommandState/>")], "protocol_error"),
        (
            [CREATED, STARTED, SENT, received(state("Done", "<rsp:ExitCode>nine</rsp:ExitCode>"))],
            "protocol_error",
        ),
        ([CREATED, STARTED, SENT, received(state("Done", "<rsp:ExitCode>90</rsp:ExitCode>"))], "agent_torn"),
        ([CREATED, STARTED, SENT, received(output(b"noise"), state("Done"))], "agent_silent"),
        (
            [CREATED, STARTED, SENT, received(), received(state("Running")), received(output(b""), state("Done"))],
            "agent_silent",
        ),
        (
            [CREATED, STARTED, SENT, received(state("Done", "<rsp:ExitCode>-1073741510</rsp:ExitCode>"))],
            "agent_crashed",
        ),
        ([CREATED, STARTED, SENT, *[received()] * 3], "connection_lost"),
    ],
)
def test_answers_of_every_shape(ca_file: str, bodies: list[str], code: str) -> None:
    assert code_of(serving(bodies), ca_file=ca_file) == code


def test_an_answer_to_another_question_is_none(ca_file: str) -> None:
    assert code_of(serving([ENVELOPE.format(relates="uuid:1", body=CREATED)]), ca_file=ca_file) == "protocol_error"


def test_entities_that_grow_without_end_are_not_followed(ca_file: str) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{levels}]><x>&l11;</x>'
    assert code_of(serving([bomb]), ca_file=ca_file) == "protocol_error"


LINES = st.sampled_from(
    [
        b"WWW-Authenticate: Negotiate",
        b"WWW-Authenticate: Negotiate TlRMTVNTUAACAAAA",
        b"WWW-Authenticate: Negotiate oRQwEqADCgEB",
        b"Content-Type: application/soap+xml",
        b'Content-Type: multipart/encrypted;boundary="x"',
        b"Content-Type: text/html",
        b"Content-Length: 7",
        b"Content-Length: x",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"\xff\x00: \xe9",
    ]
)
FIRST = st.sampled_from([b"200 OK", b"401 No", b"500 Error", b"404 No", b"100 Continue", b"204 None", b"", b"9x"])


@settings(max_examples=60, deadline=None)
@given(FIRST, st.lists(LINES, max_size=4), st.binary(max_size=60))
def test_whatever_answers_the_error_is_one_of_ours(first: bytes, lines: list[bytes], body: bytes) -> None:
    said = b"HTTP/1.1 " + b"\r\n".join([first, *lines, b"", body])
    assert code_of(answering(said), tls=False, auth="negotiate", timeout=1)
