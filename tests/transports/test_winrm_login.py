"""Logging in over WinRM: every way, every refusal, and that a password is offered once and to nobody else."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from loopback import CuttingProxy, Loopback, answering, hanging_up, saying, silent
from pydantic import SecretStr
from winrm_endpoints import PASSWORD, USER, Endpoints
from winrm_sessions import Opened, enter, lab, opened, reach

from iea_fleet.errors import NotLetInError, TransportError
from iea_fleet.model.request import Absent, Stat
from iea_fleet.transports import sessions
from iea_fleet.transports.base import Reach
from iea_fleet.transports.domain_logins import DomainLogins
from iea_fleet.transports.doorway import Doorway
from iea_fleet.transports.wire import Wire

__all__ = ["lab", "opened"]

WRONG = "Tresor-de-Noel-1998"
WAYS = [("basic", True), ("ntlm", True), ("negotiate", True), ("ntlm", False), ("negotiate", False)]
ways = pytest.mark.parametrize(("auth", "tls"), WAYS)


def refused(way: Reach) -> TransportError:
    with pytest.raises(TransportError) as caught:
        enter(way)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error.__cause__) + repr(error.args)
    assert WRONG not in shown
    assert PASSWORD not in shown
    assert error.hint
    return error


@ways
def test_every_way_lets_in_with_one_attempt(lab: Endpoints, opened: Opened, auth: str, tls: bool) -> None:
    one = lab.add(tls=tls)
    session = opened(one, auth=auth, user=USER.upper())
    assert session.round_trips == 0
    assert session.carry_out([Stat("C:/nowhere")]) == [Absent()]
    assert session.round_trips == 3
    assert one.account.attempts == (4 if auth == "basic" else 1)
    session.close()
    assert len(one.shells) == 0
    assert one.account.refusals == 0


@pytest.mark.parametrize("tls", [True, False])
def test_the_connection_of_the_doorway_is_the_only_one(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    with CuttingProxy(one.port, 10**9) as counting, Doorway() as doorway:
        ((way, entrance),) = doorway.admit([reach(one, port=counting.port)])
        assert not isinstance(entrance, TransportError)
        with sessions.open_session(way, entrance, read_only=True) as session:
            assert session.carry_out([Stat("C:/nowhere")]) == [Absent()]
        assert counting.accepted == 1
    assert one.account.attempts == 1


@ways
def test_a_wrong_password_is_offered_once(lab: Endpoints, auth: str, tls: bool) -> None:
    one = lab.add(tls=tls)
    error = refused(reach(one, auth=auth, password=SecretStr(WRONG)))
    assert (type(error), error.code) == (NotLetInError, "password_refused")
    assert "expired" in error.sentence
    assert r"MACHINE\name" in error.hint
    assert (one.account.attempts, one.account.refusals) == (1, 1)
    assert len(one.shells) == 0


@pytest.mark.parametrize("auth", ["basic", "ntlm", "negotiate"])
@pytest.mark.parametrize("user", [r"NANCY\nobody", "nobody", "nobody@EXAMPLE.ORG"])
def test_an_unknown_user_is_refused_the_same_way(lab: Endpoints, auth: str, user: str) -> None:
    one = lab.add()
    assert refused(reach(one, auth=auth, user=user)).code == "password_refused"
    assert one.account.refusals == 1


def test_basic_never_goes_out_in_the_clear(lab: Endpoints) -> None:
    one = lab.add(tls=False)
    assert refused(reach(one, auth="basic")).code == "basic_without_tls"
    assert one.account.attempts == 0


def test_no_password_at_all(lab: Endpoints) -> None:
    assert refused(reach(lab.add(), password=None)).code == "no_credentials"


def test_kerberos_without_its_library_says_what_to_install(lab: Endpoints) -> None:
    error = refused(reach(lab.add(), auth="kerberos"))
    assert error.code == "kerberos_missing"
    assert "iea-fleet[kerberos]" in error.hint


@pytest.mark.parametrize("auth", ["basic", "negotiate"])
def test_a_named_authority_and_the_name_are_checked(lab: Endpoints, opened: Opened, auth: str) -> None:
    one = lab.add()
    session = opened(one, auth=auth, certificate=None, ca_file=lab.ca)
    assert session.carry_out([Stat("C:/nowhere")]) == [Absent()]
    error = refused(reach(one, auth=auth, certificate=None, ca_file=lab.ca, address="localhost"))
    assert error.code == "certificate_wrong_name"
    assert str(one.certificate) in error.sentence


@pytest.mark.parametrize("auth", ["basic", "negotiate"])
def test_certificates_that_do_not_hold_see_no_password(lab: Endpoints, tmp_path: Path, auth: str) -> None:
    one = lab.add()
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    codes = {
        "certificate_changed": {"certificate": "sha256:" + "0" * 64},
        "certificate_untrusted": {"certificate": None, "ca_file": str(other)},
        "ca_file_unreadable": {"certificate": None, "ca_file": str(tmp_path / "missing.pem")},
    }
    for code, changes in codes.items():
        error = refused(reach(one, auth=auth, **changes))
        assert error.code == code
        if code != "ca_file_unreadable":
            assert f"it shows {one.certificate}" in error.sentence
            assert f"certificate: '{one.certificate}'" in error.hint
    assert refused(reach(one, auth=auth, certificate=None)).code == "certificate_untrusted"
    assert one.account.attempts == 0


def test_an_expired_and_a_new_certificate(lab: Endpoints, opened: Opened) -> None:
    one = lab.add()
    lab.spoil(one, "expired-certificate")
    assert refused(reach(one, certificate=None, ca_file=lab.ca)).code == "certificate_expired"
    lab.do(one.mend)
    lab.spoil(one, "new-host-key")
    error = refused(reach(one))
    assert error.code == "certificate_changed"
    assert "the pin is mistyped" in error.hint
    assert str(one.certificate) not in str(error)
    assert one.account.attempts == 0
    lab.do(one.mend)
    assert opened(one).carry_out([Stat("C:/nowhere")]) == [Absent()]


def test_what_the_pin_holds_needs_neither_name_nor_authority(lab: Endpoints, opened: Opened) -> None:
    one = lab.add()
    assert opened(one, address="localhost").carry_out([Stat("C:/nowhere")]) == [Absent()]


def test_http_on_an_https_port(lab: Endpoints) -> None:
    one = lab.add()
    lab.spoil(one, "http-on-https")
    assert refused(reach(one, timeout=1)).code == "http_on_https_port"
    assert refused(reach(lab.add(tls=False), tls=True, timeout=1)).code == "http_on_https_port"


def test_https_on_an_http_port(lab: Endpoints) -> None:
    one = lab.add()
    error = refused(reach(one, tls=False))
    assert error.code == "https_on_http_port"
    assert str(one.certificate) in error.hint
    assert one.account.attempts == 0


@pytest.mark.parametrize("tls", [True, False])
def test_a_proxy_in_the_way(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    lab.spoil(one, "proxy-in-the-way")
    assert refused(reach(one)).code == "proxy_in_the_way"
    assert one.account.attempts == 0


def test_proxies_and_netrc_of_the_environment_mean_nothing(
    lab: Endpoints, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert opened(lab.add()).carry_out([Stat("C:/nowhere")]) == [Absent()]
    assert opened(lab.add(tls=False)).carry_out([Stat("C:/nowhere")]) == [Absent()]


@pytest.mark.parametrize("tls", [True, False])
def test_who_never_said_a_word_has_not_answered(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    lab.spoil(one, "hang")
    assert "accepts the connection and then says nothing" in refused(reach(one, timeout=1)).sentence


@pytest.mark.parametrize(
    ("fault", "code"),
    [("quota-shells", "too_many_shells"), ("password-changed", "password_refused"), ("hang", "went_silent")],
)
def test_faults_before_anything_is_asked(lab: Endpoints, fault: str, code: str) -> None:
    one = lab.add()
    lab.spoil(one, fault)
    assert refused(reach(one, timeout=1)).code == code
    assert one.account.refusals == (fault == "password-changed")


def away(behave: Callable[[socket.socket], None], **changes: object) -> tuple[TransportError, int]:
    """Why a server that behaves so lets nobody in, and how many connections it saw."""
    with Loopback(behave) as server:
        plain = Reach("nancy-01", server.address, server.port, "iea-admin", timeout=1, deadline=3, transport="winrm")
        way = replace(plain, password=SecretStr(WRONG), **{"tls": False, **changes})  # type: ignore[arg-type]
        return refused(way), server.accepted


def http(status: str, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


REDIRECT = http("302 Found", "Location: http://127.0.0.1:1/wsman")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (http("404 Not Found", body="nothing here"), "not_winrm"),
        (http("200 OK", "Content-Type: text/html", body="<html>"), "proxy_in_the_way"),
        (REDIRECT, "proxy_in_the_way"),
        (http("401 Unauthorized", 'WWW-Authenticate: Basic realm="WSMAN"'), "auth_not_offered"),
        (http("401 Unauthorized", "WWW-Authenticate: Negotiate", "WWW-Authenticate: Kerberos"), "auth_refused"),
        (http("401 Unauthorized", "WWW-Authenticate: Negotiate bm9uc2Vuc2U="), "auth_refused"),
        (http("401 Unauthorized", "WWW-Authenticate: Negotiate !!!"), "auth_refused"),
        (http("413 Too Large"), "envelope_too_small"),
        (b"SSH-2.0-OpenSSH_9.8\r\n", "not_winrm"),
        (b"220 ftp ready\r\n", "not_winrm"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "connection_lost"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", "not_winrm"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "connection_lost"),
    ],
)
def test_what_is_no_winrm(said: bytes, code: str) -> None:
    error, _ = away(answering(said))
    assert error.code == code


def test_a_server_that_never_answers_ends_at_the_limit_and_one_that_drips_too() -> None:
    def dripping(sock: socket.socket) -> None:
        sock.recv(65536)
        for _ in range(200):
            sock.sendall(b"H" if _ else b"HTTP/1.1 200 OK\r\nX: ")
            time.sleep(0.05)

    for behave in (silent, dripping):
        begun = time.monotonic()
        error, connections = away(behave)
        assert error.code == "went_silent"
        assert time.monotonic() - begun < 8
        assert connections == 1
    begun = time.monotonic()
    assert away(silent, tls=True)[0].code == "went_silent"
    assert time.monotonic() - begun < 8


def test_a_server_that_hangs_up() -> None:
    for tls in (True, False):
        error, _ = away(hanging_up, tls=tls)
        assert error.code == "connection_lost"


def test_a_handshake_that_is_refused() -> None:
    alert = bytes([21, 3, 3, 0, 2, 2, 40])
    assert away(saying(alert), tls=True)[0].code == "tls_refused"


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    error, _ = away(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000))
    assert error.code == "protocol_error"


def test_what_stands_between_over_tls_is_noticed_by_ntlm(lab: Endpoints) -> None:
    """The channel binding is that of the certificate seen here; the workstation has another one."""
    one = lab.add()
    first = one.certificate
    assert one._shown is not None
    one._shown.digest = b"\0" * 32
    error = refused(reach(one, auth="ntlm", certificate=first))
    assert isinstance(error, NotLetInError)


def challenge(pair: int, value: bytes) -> str:
    """A challenge of NTLM with one pair about its server ([MS-NLMP] 2.2.1.2, 2.2.2.1)."""
    about = struct.pack("<HH", pair, len(value)) + value + bytes(4)
    head = b"NTLMSSP\0" + struct.pack("<IHHIIQQHHI", 2, 0, 0, 56, 0xE28A8235, 1, 0, len(about), len(about), 56)
    return base64.b64encode(head + bytes(8) + about).decode()


@pytest.mark.parametrize("token", [challenge(7, b"\xff" * 8), challenge(7, b"\xff"), "TlRMTVNTUABj"])
@pytest.mark.parametrize("tls", [True, False])
def test_a_challenge_that_makes_no_sense(token: str, tls: bool) -> None:
    said = http("401 Unauthorized", f"WWW-Authenticate: Negotiate {token}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.configure_cert(context)
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    pin = f"sha256:{hashlib.sha256(der).hexdigest()}"
    error, _ = away(answering(said, context if tls else None), tls=tls, certificate=pin if tls else None)
    assert error.code in ("protocol_error", "auth_refused")


def test_who_refuses_before_the_password_is_no_reason_to_spare_the_others(lab: Endpoints) -> None:
    """One workstation where NTLM is forbidden must not keep a whole fleet out."""
    logins = DomainLogins()
    user = rf"{lab.add().workstation.name}\{USER}"
    with Loopback(answering(http("401 Unauthorized", "WWW-Authenticate: Negotiate"))) as server:
        way = replace(reach(lab.all[0], user=user, tls=False), address=server.address, port=server.port)
        with pytest.raises(NotLetInError, match="no common way"):
            sessions.open_session(way, Wire(server.connect()), read_only=True, logins=logins)
    good = reach(lab.all[0], user=user)
    wire = Wire(socket.create_connection((good.address, good.port), 5))
    with sessions.open_session(good, wire, read_only=True, logins=logins) as session:
        assert session.carry_out([Stat("C:/nowhere")]) == [Absent()]


@pytest.mark.parametrize("boundary", ["(x+)+y", "(", "Encrypted Boundary"])
def test_somebody_on_the_way_makes_up_a_sealed_answer(boundary: str) -> None:
    """The boundary is always the same ([MS-WSMV] 2.2.9.1): no expression of theirs is looked for in their answer."""
    kind = f'Content-Type: multipart/encrypted;boundary="{boundary}"'
    body = f"--{boundary}\r\nLength=1\r\n--{boundary}\r\n--" + "x" * 60
    said = [http("401 No", f"WWW-Authenticate: Negotiate {challenge(2, b'')}"), http("200 OK", kind, body=body)]

    def behave(sock: socket.socket) -> None:
        for each in said:
            sock.recv(65536)
            sock.sendall(each)
        silent(sock)

    begun = time.monotonic()
    assert away(behave)[0].code == "protocol_error"
    assert time.monotonic() - begun < 5
