"""The client of the Net-Entreprises authentication against a real TLS server, reached through a real CONNECT proxy."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from portals import ACCEPTED, REFUSED, TOKEN, Conversation, Portal, fields_of, http, saying
from pydantic import SecretStr

from iea_fleet import __version__
from iea_fleet.errors import UsageError
from iea_fleet.model.account import Account, AccountVerdict, Answered
from iea_fleet.services.net_entreprises import NetEntreprises

ACCOUNT = Account("78334512700014", "D'AMICO & <FILS>", "Hélène", "97", "test")
PASSWORD = "s3cr&t<'\"é>CANARY"

Opened = Callable[..., Portal]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with ExitStack() as stack:

        def open_one(converse: Conversation | bytes = ACCEPTED, **rest: tuple[str, ...]) -> Portal:
            says = saying(converse) if isinstance(converse, bytes) else converse
            return stack.enter_context(Portal(tmp_path, says, **rest))

        yield open_one


def ask(portal: Portal, password: str = PASSWORD, account: Account = ACCOUNT, **changes: float) -> AccountVerdict:
    verdict = NetEntreprises(portal.ca_file, portal.proxy, **changes).authenticate(account, SecretStr(password))
    assert password not in verdict.reason
    assert "\n" not in verdict.reason
    assert verdict.fresh
    return verdict


def test_what_is_sent(opened: Opened):
    portal = opened()

    assert ask(portal).answered is Answered.ACCEPTED

    assert portal.ways[0].startswith(b"CONNECT test-services.net-entreprises.fr:443 HTTP/1.1\r\n")
    (request,) = portal.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    assert lines[0] == "POST /authentifier/1.0/ HTTP/1.1"
    assert {
        "Host: test-services.net-entreprises.fr",
        "Content-Type: application/xml",
        "Accept-Encoding: gzip",
        f"User-Agent: Client-DSN (iea-fleet/{__version__}; iea-fleet)",
    } <= set(lines)
    assert body.startswith(b"<?xml")
    assert list(fields_of(request)) == ["siret", "nom", "prenom", "motdepasse", "service"]
    assert fields_of(request) == {
        "siret": "78334512700014",
        "nom": "D'AMICO & <FILS>",
        "prenom": "Hélène",
        "motdepasse": PASSWORD,
        "service": "97",
    }


@given(
    text=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30),
    name=st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=64),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_password_and_name_arrives_as_it_is(opened: Opened, text: str, name: str):
    portal = opened()
    client = NetEntreprises(portal.ca_file, portal.proxy)
    client.authenticate(Account("78334512700014", name, "Zoé", "97", "test"), SecretStr(text))

    assert (fields_of(portal.requests[0])["motdepasse"], fields_of(portal.requests[0])["nom"]) == (text, name)


def realm(words: str) -> bytes:
    return http(401, WWW_Authenticate=words)


@pytest.mark.parametrize(
    ("answer", "answered", "said"),
    [
        (ACCEPTED, Answered.ACCEPTED, "accepts"),
        (http(200, gzip.compress(TOKEN), Content_Encoding="gzip"), Answered.ACCEPTED, "accepts"),
        (http(100) + ACCEPTED, Answered.ACCEPTED, "accepts"),
        (REFUSED, Answered.REFUSED, "refuses this account (401)"),
        (http(401), Answered.REFUSED, "not tried again"),
        (realm('Basic realm="something new"'), Answered.REFUSED, "not tried again"),
        (realm('Basic realm="Expiration du mot de passe"'), Answered.EXPIRED, "choose a new one"),
        (realm('DSNLogin realm="Utilisateur non-inscrit au service"'), Answered.NOT_REGISTERED, "next day"),
        (realm('DSNLogin realm="Expiration du jeton"'), Answered.UNDECIDED, "says nothing of the password"),
        (realm('DSNLogin realm="Jeton manquant ou invalide"'), Answered.UNDECIDED, "says nothing of the password"),
        (http(403), Answered.LOCKED, "unlock it"),
        (http(404), Answered.UNAVAILABLE, "apply again later"),
        (http(406), Answered.UNAVAILABLE, "fault of iea-fleet"),
        (http(407), Answered.BLOCKED, "takes the request for dangerous"),
        (http(415), Answered.UNAVAILABLE, "fault of iea-fleet"),
        (http(422), Answered.FORM, "compare siret"),
        (http(429), Answered.UNAVAILABLE, "apply again later"),
        (http(500), Answered.UNAVAILABLE, "apply again later"),
        (http(503), Answered.UNAVAILABLE, "apply again later"),
        (http(302, Location="https://elsewhere.example/"), Answered.UNDECIDED, "says nothing of the password"),
        (http(400), Answered.UNDECIDED, "says nothing of the password"),
        (http(204), Answered.UNDECIDED, "says nothing of the password"),
        (http(200), Answered.UNDECIDED, "empty"),
        (http(200, b" \r\n"), Answered.UNDECIDED, "empty"),
        (http(200, b"<!DOCTYPE html><title>Maintenance</title>"), Answered.UNDECIDED, "a page came"),
        (http(200, b"\xef\xbb\xbf\n <html>"), Answered.UNDECIDED, "a page came"),
        (http(200, b"Maintenance", Content_Type="text/html; charset=utf-8"), Answered.UNDECIDED, "a page came"),
        (http(200, b"0" * 10 * 1024 * 1024), Answered.UNDECIDED, "too long"),
        (http(200, gzip.compress(b"0" * 1024 * 1024), Content_Encoding="gzip"), Answered.UNDECIDED, "too long"),
        (http(200, b"no gzip", Content_Encoding="gzip"), Answered.UNDECIDED, "is no HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n" * 9, Answered.UNDECIDED, "is no HTTP"),
        (b"HTTP/1.1 401 " + b"x" * 200_000, Answered.UNDECIDED, "is no HTTP"),
        (b"", Answered.UNDECIDED, "ended"),
    ],
)
def test_each_answer_has_its_verdict_and_its_words(opened: Opened, answer: bytes, answered: Answered, said: str):
    portal = opened(answer)

    verdict = ask(portal)

    assert (verdict.answered, len(portal.requests)) == (answered, 1)
    assert said in verdict.reason


def test_an_answer_cut_at_any_byte_is_never_an_acceptance(opened: Opened):
    for length in range(len(ACCEPTED)):
        verdict = ask(opened(ACCEPTED[:length]))
        assert verdict.answered is Answered.UNDECIDED, ACCEPTED[:length]
    # The head of a refusal says it all, body or not.
    assert ask(opened(REFUSED[:-2])).answered is Answered.UNDECIDED


def aborting(_request: bytes, stream: ssl.SSLSocket) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def test_a_connection_cut_after_the_password_is_undecided(opened: Opened):
    assert ask(opened(aborting)).answered is Answered.UNDECIDED


def test_a_silent_and_a_dripping_service_end_in_time(opened: Opened):
    def silent(_request: bytes, stream: ssl.SSLSocket) -> None:
        stream.recv(1)

    def dripping(_request: bytes, stream: ssl.SSLSocket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 500:
            stream.sendall(bytes([byte]))
            time.sleep(0.05)

    started = time.monotonic()
    for converse, limits in ((silent, {"timeout": 0.5}), (dripping, {"timeout": 5, "deadline": 1})):
        verdict = ask(opened(converse), **limits)
        assert (verdict.answered, "no answer came in time" in verdict.reason) == (Answered.UNDECIDED, True)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("connect", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "(407)"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "(403)"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "(502)"),
        (b"220 mail server ready\r\n" * 9, "does not speak HTTP"),
        (b"", "does not speak HTTP"),
    ],
)
def test_a_proxy_that_refuses_has_seen_nothing(opened: Opened, connect: bytes, said: str):
    portal = opened()
    portal.connect = connect

    verdict = ask(portal)

    assert (verdict.answered, portal.requests) == (Answered.UNAVAILABLE, [])
    assert said in verdict.reason
    assert "nothing was sent" in verdict.reason


def test_a_proxy_may_be_spoken_to_in_tls(opened: Opened):
    portal = opened()
    with portal.behind_tls() as proxy:
        verdict = NetEntreprises(portal.ca_file, proxy).authenticate(ACCOUNT, SecretStr(PASSWORD))
    assert verdict.answered is Answered.ACCEPTED, verdict.reason


def test_nobody_there_and_no_such_name(opened: Opened):
    portal = opened()
    portal.__exit__()
    for proxy, said in ((portal.proxy, "refused"), ("http://no-such-name.invalid:3128", "ame")):
        verdict = NetEntreprises(portal.ca_file, proxy).authenticate(ACCOUNT, SecretStr(PASSWORD))
        assert (verdict.answered, said in verdict.reason) == (Answered.UNAVAILABLE, True), verdict.reason
        assert "[" not in verdict.reason


def test_a_certificate_that_is_not_right_gets_no_password(opened: Opened, tmp_path: Path):
    elsewhere = opened(names=("services.example",))
    assert "ertificate" in ask(elsewhere).reason
    foreign = opened()
    # The system's own authorities do not know this one.
    verdict = NetEntreprises(None, foreign.proxy).authenticate(ACCOUNT, SecretStr(PASSWORD))
    assert verdict.answered is Answered.UNAVAILABLE
    assert "certificate verify failed" in verdict.reason
    assert (elsewhere.requests, foreign.requests) == ([], [])
    missing = tmp_path / "missing.pem"
    with pytest.raises(UsageError, match="holds no certificates") as refused:
        NetEntreprises(str(missing))
    assert refused.value.code == "ca_file_unreadable"


@pytest.mark.parametrize(("service", "environment"), [("25", "test"), ("26", "test"), ("97", "production")])
def test_a_service_code_of_the_other_environment_is_refused_before_anything_is_sent(
    opened: Opened, service: str, environment: str
):
    portal = opened()
    with pytest.raises(UsageError, match=f"`{service}`"):
        ask(portal, account=Account("78334512700014", "A", "B", service, environment))
    assert portal.ways == []


def test_production_is_another_address(opened: Opened):
    portal = opened(names=("services.net-entreprises.fr",))
    assert ask(portal, account=Account("78334512700014", "A", "B", "25", "production")).answered is Answered.ACCEPTED
    assert portal.ways[0].startswith(b"CONNECT services.net-entreprises.fr:443 ")


def test_the_environment_of_the_process_changes_nothing(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(opened()).answered is Answered.ACCEPTED


def test_neither_password_nor_token_is_logged(opened: Opened, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    ask(opened())
    ask(opened(http(401, TOKEN, WWW_Authenticate=f'Basic realm="{TOKEN.decode()}"', Set_Cookie="session=CANARY")))
    logged = "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    assert "CANARY" not in logged
    assert TOKEN.decode() not in logged


def test_what_sends_nothing_does_not_load_the_client():
    script = "import sys, iea_fleet.engine.operation; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
