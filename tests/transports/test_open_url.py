"""Whether a workstation reaches a server: every way it can end, asked through OpenSSH of real TLS servers."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from loopback import Behaviour, CuttingProxy, Loopback, answering, hanging_up, saying, silent
from sshd import Sshd, free_port

from iea_fleet.errors import BrokenError
from iea_fleet.model.request import Failed, NotReached, OpenUrl, Reached
from iea_fleet.transports.ssh import SshSession, open_session

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UTC = dt.UTC


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def serving() -> Iterator[Callable[[Behaviour], int]]:
    with contextlib.ExitStack() as stack:
        yield lambda behave: stack.enter_context(Loopback(behave)).port


def ask(session: SshSession, url: str, ca_file: str | None, timeout: float = 5) -> object:
    (answer,) = session.carry_out([OpenUrl(url, timeout, ca_file)])
    return answer


def why(answer: object) -> tuple[str, str]:
    assert isinstance(answer, NotReached), answer
    assert len(answer.reason) > 30
    return answer.stage, answer.reason_code


def test_a_server_that_is_well(
    session: SshSession, serving: Callable[[Behaviour], int], authority: trustme.CA, ca_file: str
) -> None:
    port = serving(answering(FINE, tls(authority.issue_cert("127.0.0.1", "localhost"))))
    for host in ("127.0.0.1", "localhost"):
        before = session.round_trips
        answer = ask(session, f"https://{host}:{port}/updates", ca_file)
        assert isinstance(answer, Reached)
        assert (answer.http_status, answer.note) == (200, "")
        assert 0 < answer.seconds < 2
    assert session.round_trips - before == 3
    plain = serving(answering(FINE))
    assert isinstance(ask(session, f"http://127.0.0.1:{plain}/", None), Reached)


@pytest.mark.parametrize(
    ("status", "note"),
    [
        (b"302 Found\r\nLocation: https://elsewhere.example/x", "it redirects to https://elsewhere.example/x"),
        (b"404 No", ""),
    ],
)
def test_any_answer_below_500_is_reached(
    session: SshSession, serving: Callable[[Behaviour], int], status: bytes, note: str
) -> None:
    port = serving(answering(b"HTTP/1.1 " + status + b"\r\n\r\n"))
    answer = ask(session, f"http://127.0.0.1:{port}/", None)
    assert isinstance(answer, Reached)
    assert (answer.http_status, answer.note) == (int(status[:3]), note)


def test_certificates_that_are_not_right(
    session: SshSession, serving: Callable[[Behaviour], int], authority: trustme.CA, ca_file: str
) -> None:
    now = dt.datetime.now(UTC)
    past, future = now - dt.timedelta(days=9), now + dt.timedelta(days=9)
    cases = {
        "certificate_expired": authority.issue_cert("127.0.0.1", not_before=past, not_after=now - dt.timedelta(days=1)),
        "certificate_not_yet_valid": authority.issue_cert("127.0.0.1", not_before=future),
        "certificate_wrong_name": authority.issue_cert("127.0.0.2", "other.example"),
        "certificate_untrusted": trustme.CA().issue_cert("127.0.0.1"),
    }
    for code, certificate in cases.items():
        port = serving(answering(FINE, tls(certificate)))
        assert why(ask(session, f"https://127.0.0.1:{port}/", ca_file)) == ("certificate", code)


def test_the_controllers_own_trust_store_when_no_file_is_named(
    session: SshSession, serving: Callable[[Behaviour], int], authority: trustme.CA
) -> None:
    port = serving(answering(FINE, tls(authority.issue_cert("127.0.0.1"))))
    assert why(ask(session, f"https://127.0.0.1:{port}/", None)) == ("certificate", "certificate_untrusted")


@pytest.mark.parametrize(
    ("scheme", "behave", "expected"),
    [
        ("https", answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ("tls", "not_tls")),
        ("https", saying(b"220 mail server ready\r\n"), ("tls", "not_tls")),
        ("https", silent, ("tls", "tls_timeout")),
        ("https", hanging_up, ("tls", "tls_refused")),
        ("http", silent, ("answer", "answer_timeout")),
        ("http", hanging_up, ("answer", "no_http")),
        ("http", saying(b"220 mail server ready\r\n\r\n"), ("answer", "no_http")),
        ("http", answering(b"\x15\x03\x01\x00\x02\x02\x46"), ("answer", "no_http")),
        ("http", answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), ("answer", "http_5xx")),
    ],
    ids=["http on https", "mail", "silent tls", "hangs up", "silent", "closes", "mail on http", "tls alert", "503"],
)
def test_servers_that_are_not_well(
    session: SshSession,
    serving: Callable[[Behaviour], int],
    scheme: str,
    behave: Behaviour,
    expected: tuple[str, str],
) -> None:
    started = time.monotonic()
    assert why(ask(session, f"{scheme}://127.0.0.1:{serving(behave)}/", None, 0.5)) == expected
    assert time.monotonic() - started < 2


def test_a_tls_server_asked_in_plain_http(
    session: SshSession, serving: Callable[[Behaviour], int], authority: trustme.CA
) -> None:
    port = serving(answering(FINE, tls(authority.issue_cert("127.0.0.1"))))
    assert why(ask(session, f"http://127.0.0.1:{port}/", None)) == ("answer", "no_http")


def test_no_connection_at_all(session: SshSession) -> None:
    assert why(ask(session, f"http://127.0.0.1:{free_port()}/", None)) == ("connect", "refused")
    assert why(ask(session, "https://nowhere.invalid/", None)) == ("connect", "name_unknown")
    assert why(ask(session, "http://255.255.255.255/", None, 0.5))[1] in ("no_route", "timeout")


def test_a_name_server_that_does_not_answer_is_no_fault_of_the_session(session: SshSession) -> None:
    (first, second) = session.carry_out([OpenUrl(f"http://127.0.0.1:{free_port()}/")] * 2)
    assert why(first) == why(second) == ("connect", "refused")


def test_forwarding_refused_is_no_fact_about_the_server(tmp_path: Path) -> None:
    with (
        Sshd(tmp_path, AllowTcpForwarding="no") as server,
        open_session(server.reach(), server.connect(), read_only=True) as session,
    ):
        answer = ask(session, "https://127.0.0.1/", None)
        assert isinstance(answer, Failed)
        assert answer.reason_code == "forwarding_refused"


def test_a_ca_file_that_cannot_be_read(session: SshSession, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for name in ("none", "text"):
        answer = ask(session, "https://127.0.0.1/", str(tmp_path / name))
        assert isinstance(answer, Failed)
        assert answer.reason_code == "ca_file_unreadable"


def test_one_session_is_room_enough(
    tmp_path: Path, serving: Callable[[Behaviour], int], authority: trustme.CA, ca_file: str
) -> None:
    port = serving(answering(FINE, tls(authority.issue_cert("127.0.0.1"))))
    with (
        Sshd(tmp_path, MaxSessions=1) as server,
        open_session(server.reach(), server.connect(), read_only=True) as session,
    ):
        assert isinstance(ask(session, f"https://127.0.0.1:{port}/", ca_file), Reached)


def test_a_connection_lost_meanwhile_is_no_answer(sshd: Sshd, serving: Callable[[Behaviour], int]) -> None:
    port = serving(silent)
    with (
        CuttingProxy(sshd.port, 1 << 40) as proxy,
        open_session(sshd.reach(), proxy.connect(), read_only=True) as session,
    ):
        session.carry_out([OpenUrl(f"http://127.0.0.1:{free_port()}/")])
        proxy.cut_soon(0.3)
        with pytest.raises(BrokenError) as caught:
            ask(session, f"http://127.0.0.1:{port}/", None)
        assert caught.value.code == "connection_lost"
