"""The Net-Entreprises service of the lab as a client meets it: over TLS, through the proxy, with another's library."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from xml.sax.saxutils import escape

import asyncssh
import httpx
import pytest
from command_line import CommandLine
from lab_visits import WS
from labs import RunningLab

from iea_fleet import lab
from iea_fleet.errors import LabError
from iea_fleet.lab.net_entreprises import PRODUCTION_HOST, TEST_HOST

URL = f"https://{TEST_HOST}/authentifier/1.0/"
WHO = {"siret": "78334512700014", "nom": "D'AMICO", "prenom": "Hélène", "service": "97"}
RIGHT = "sésame &<'é' 1"
REFUSED = 'Basic realm="net-entreprises.fr"'
EXPIRED = 'Basic realm="Expiration du mot de passe"'
NOT_REGISTERED = 'DSNLogin realm="Utilisateur non-inscrit au service"'


@pytest.fixture
def portal(office: RunningLab) -> Iterator[RunningLab]:
    """The account ``ligue-54`` is open and has the password ``RIGHT``."""
    change(office, "set-password", RIGHT)
    yield office
    change(office, "set-password", RIGHT)
    change(office, "register")


def change(office: RunningLab, verb: str, password: str = "") -> None:
    lab.change_account(office.directory, "ligue-54", verb, password)


def service(office: RunningLab) -> lab.ServiceInfo:
    now = lab.status(office.directory)
    assert now is not None
    return now.net_entreprises


def body(password: str = RIGHT, **other: str) -> bytes:
    fields = {**WHO, "motdepasse": password, **other}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
    return f"<identifiants>{inner}</identifiants>".encode()


def send(office: RunningLab, content: bytes, url: str = URL, method: str = "POST", **fields: str) -> httpx.Response:
    proxy = office.info.net_entreprises.proxy
    with httpx.Client(verify=office.ca, proxy=proxy, trust_env=False) as client:
        headers = {"Content-Type": "application/xml", **fields}
        return client.request(method, url, content=content, headers=headers)


def said(office: RunningLab, password: str = RIGHT, **other: str) -> tuple[int, str]:
    answer = send(office, body(password, **other))
    return answer.status_code, answer.headers.get("WWW-Authenticate", "")


def logged(office: RunningLab) -> list[dict[str, object]]:
    return [json.loads(line) for line in (office.directory / "net-entreprises.log").read_text("utf-8").splitlines()]


def test_the_right_credentials_get_a_token(portal: RunningLab) -> None:
    answer = send(portal, body())
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.content) == 128
    assert 3590 < parsedate_to_datetime(answer.headers["Expires"]).timestamp() - time.time() <= 3600
    assert send(portal, body()).content != answer.content


@pytest.mark.parametrize(
    "other", [{"siret": "78334512700015"}, {"nom": "D'Amico"}, {"prenom": "Helene"}, {"password": RIGHT.upper()}]
)
def test_every_letter_counts(portal: RunningLab, other: dict[str, str]) -> None:
    assert said(portal, **other) == (401, REFUSED)


def test_refusals_in_a_row_lock_an_account_until_somebody_unlocks_it(portal: RunningLab) -> None:
    assert [said(portal, f"wrong {number}") for number in range(2)] == [(401, REFUSED)] * 2
    assert said(portal) == (200, "")
    assert [said(portal, f"wrong again {number}") for number in range(3)] == [(401, REFUSED)] * 3
    assert said(portal) == (403, "")
    assert service(portal).account("ligue-54").state == "locked"
    assert service(portal).account("ligue-88").state == "open"
    change(portal, "unlock")
    assert said(portal) == (200, "")


def test_expired_unregistered_and_locked_are_told_apart(portal: RunningLab) -> None:
    change(portal, "expire")
    assert said(portal, "wrong for an expired one") == (401, REFUSED)
    assert said(portal) == (401, EXPIRED)
    change(portal, "set-password", RIGHT)
    change(portal, "unregister")
    assert said(portal) == (401, NOT_REGISTERED)
    change(portal, "register")
    assert said(portal, service="25") == (401, NOT_REGISTERED)
    change(portal, "lock")
    assert said(portal) == (403, "")


def test_a_refused_password_that_comes_again_is_counted(portal: RunningLab) -> None:
    before = service(portal).repeated_refusals
    for wrong in ("first", "second"):
        assert said(portal, wrong, nom="STRANGER") == (401, REFUSED)
        assert said(portal, wrong) == (401, REFUSED)
    assert service(portal).repeated_refusals == before
    change(portal, "set-password", "first")
    assert said(portal, "first") == (200, "")
    assert service(portal).repeated_refusals == before
    change(portal, "lock")
    assert said(portal, "second") == (403, "")
    assert said(portal, "second", nom="STRANGER") == (401, REFUSED)
    assert service(portal).repeated_refusals == before + 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<identifiants>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="none"?><identifiants/>',
        b"<identifiants/>",
        body().replace(b"identifiants>", b"identifiant>"),
        body().replace(b"<service>97</service>", b""),
        body().replace(b"<service>97</service>", b"<service>97</service><service>97</service>"),
        body().replace(b"<service>97</service>", b"<service><code>97</code></service>"),
        b'<!DOCTYPE identifiants [<!ENTITY a "97">]>' + body().replace(b">97<", b">&a;<"),
        body(siret="7833451270001"),
        body(siret="783345127000140"),
        body(nom="N" * 65),
        body(prenom="P" * 40),
        body(prenom=""),
        body("x" * 31),
        body(""),
        body(service="097"),
    ],
)
def test_the_form_is_checked_before_any_account(portal: RunningLab, content: bytes) -> None:
    before = service(portal).account("ligue-54").asked
    answer = send(portal, content)
    assert answer.status_code == 422
    assert "D'AMICO" not in answer.text
    assert service(portal).account("ligue-54").asked == before


def test_the_longest_fields_pass_the_form(portal: RunningLab) -> None:
    assert said(portal, "x" * 30, nom="N" * 64, prenom="P" * 39)[0] == 401


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"url": URL.removesuffix("/")}, 404),
        ({"url": URL.replace("1.0", "2.0")}, 404),
        ({"method": "GET"}, 405),
        ({"method": "PUT"}, 405),
        ({"Content-Type": "text/xml"}, 415),
        ({"Content-Type": "application/xml; charset=utf-8"}, 200),
        ({"Accept-Encoding": "identity"}, 406),
        ({"Accept-Encoding": "deflate, gzip;q=0"}, 406),
        ({"Accept-Encoding": "deflate, gzip;q=0.5"}, 200),
        ({"Accept-Encoding": "*"}, 200),
        ({"Host": "example.org"}, 403),
        ({"Host": PRODUCTION_HOST}, 401),
    ],
)
def test_requests_that_are_not_in_order(portal: RunningLab, asked: dict[str, str], status: int) -> None:
    assert send(portal, body(), **asked).status_code == status


def test_both_names_are_vouched_for_and_no_other(portal: RunningLab) -> None:
    with (
        httpx.Client(verify=portal.ca, proxy=portal.info.net_entreprises.proxy, trust_env=False) as client,
        client.stream("GET", URL) as answer,
    ):
        tls = answer.extensions["network_stream"].get_extra_info("ssl_object")
        names = tls.getpeercert()["subjectAltName"]
    assert {name for _, name in names} == {TEST_HOST, PRODUCTION_HOST}
    with (
        httpx.Client(proxy=portal.info.net_entreprises.proxy, trust_env=False) as stranger,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        stranger.get(URL)


@pytest.mark.parametrize("host", [PRODUCTION_HOST, f"{TEST_HOST}:8443", "example.org", "127.0.0.1"])
def test_the_proxy_leads_nowhere_else(portal: RunningLab, host: str) -> None:
    before = service(portal).requests
    with pytest.raises(httpx.ProxyError, match="403"):
        send(portal, body(), url=f"https://{host}/authentifier/1.0/")
    assert service(portal).requests == before


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"GET http://example.org/ HTTP/1.1\r\n\r\n", b"405"), (b"NONSENSE\r\n\r\n", b"400"), (b"X" * 70_000, b"")],
)
def test_the_proxy_knows_nothing_but_connect(portal: RunningLab, line: bytes, status: bytes) -> None:
    port = int(portal.info.net_entreprises.proxy.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        try:
            raw.sendall(line)
            answer = raw.recv(1000)
        except ConnectionError:
            answer = b""
    assert answer[9:12] == status
    assert said(portal) == (200, "")


@pytest.mark.parametrize(("fault", "status"), [("outage", 503), ("filtered", 407), ("html", 200), ("huge", 200)])
def test_faults_that_look_at_no_account(portal: RunningLab, fault: str, status: int) -> None:
    before = service(portal).account("ligue-54").asked
    portal.break_("net-entreprises", fault)
    assert service(portal).faults == (fault,)
    answer = send(portal, body("wrong in any case"))
    assert answer.status_code == status
    assert service(portal).account("ligue-54").asked == before
    match fault:
        case "html":
            assert answer.headers["Content-Type"].startswith("text/html")
            assert answer.text.startswith("<!DOCTYPE html>")
        case "huge":
            assert len(answer.content) == 10 * 1024 * 1024
    portal.mend("net-entreprises")
    assert service(portal).faults == ()
    assert said(portal) == (200, "")


def test_nothing_listens_behind_the_proxy(portal: RunningLab) -> None:
    portal.break_("net-entreprises", "down")
    with pytest.raises(httpx.ProxyError, match="502"):
        said(portal)
    portal.mend("net-entreprises")
    assert said(portal) == (200, "")


def test_a_lost_answer_was_judged_and_counted(portal: RunningLab) -> None:
    portal.break_("net-entreprises", "answer-lost")
    for number in range(3):
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            said(portal, f"lost {number}")
    portal.mend("net-entreprises")
    assert said(portal) == (403, "")
    assert [line.get("lost") for line in logged(portal)[-4:]] == [True, True, True, None]


def test_a_slow_service_holds_up_nobody_else(portal: RunningLab) -> None:
    portal.break_("net-entreprises", "slow=1500")
    start = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(said, portal) for _ in range(4)]
        assert httpx.get(portal.info.update_url, verify=portal.ca, trust_env=False).status_code == 200
        assert not any(one.done() for one in waiting)
        assert [one.result() for one in waiting] == [(200, "")] * 4
    assert 1.5 <= time.perf_counter() - start < 4 * 1.5


def test_the_log_has_each_request_and_no_password(portal: RunningLab) -> None:
    before = logged(portal)
    for password in (RIGHT, "CANARY-wrong"):
        said(portal, password)
    said(portal, "CANARY-stranger", nom="CANARY-in-the-wrong-field")
    send(portal, b"<CANARY/>")
    lines = logged(portal)[len(before) :]
    assert [(line.get("account"), line["verdict"], line["status"]) for line in lines] == [
        ("ligue-54", "accepted", 200),
        ("ligue-54", "refused", 401),
        ("unknown", "refused", 401),
        (None, "form", 422),
    ]
    assert all("at" in line for line in lines)
    assert service(portal).requests == len(logged(portal))
    for name in ("net-entreprises.log", "lab.log"):
        text = (portal.directory / name).read_text("utf-8")
        assert "CANARY" not in text
        assert "sésame" not in text


@pytest.mark.parametrize(
    ("typed", "password"), [("new é&\n", "new é&"), ("new é&\r\n", "new é&"), (" x", " x"), (" x \n", " x ")]
)
def test_a_password_is_read_from_stdin_without_its_line_end(portal: RunningLab, typed: str, password: str) -> None:
    done = command(portal, "set-password", "ligue-54", typed=typed)
    assert (done.returncode, done.stdout) == (0, "ligue-54: open\n")
    assert said(portal, password) == (200, "")


@pytest.mark.parametrize("typed", ["", "\n", "two\nlines\n", "x" * 31, "a\x00b"])
def test_passwords_that_the_portal_does_not_take(portal: RunningLab, typed: str) -> None:
    done = command(portal, "set-password", "ligue-54", typed=typed)
    assert done.returncode == 1
    assert "1 to 30 characters" in " ".join(done.stderr.split())
    assert said(portal) == (200, "")


def test_a_password_that_is_no_text_is_refused_in_words(portal: RunningLab) -> None:
    program = Path(sys.executable).with_name("iea-fleet")
    words = [program, "lab", "portal", "set-password", "ligue-54", "--dir", portal.directory]
    done = subprocess.run(words, input=b"\xff\n", capture_output=True, timeout=30, check=False)
    assert done.returncode == 1
    assert b"stdin is no UTF-8 text" in done.stderr
    assert b"Traceback" not in done.stderr


def test_on_a_terminal_a_password_is_asked_for_twice_and_not_shown(portal: RunningLab, tmp_path: Path) -> None:
    asked = ("lab", "portal", "set-password", "ligue-54", "--dir", portal.directory)
    with CommandLine(tmp_path).at_terminal(*asked) as terminal:
        terminal.wait_for("New password: ")
        terminal.type("typed é\n")
        terminal.wait_for("epeat for confirmation: ")
        terminal.type("typed é\n")
        assert terminal.end() == 0
        assert "typed é" not in terminal.screen + terminal.result
    assert said(portal, "typed é") == (200, "")


def test_accounts_are_changed_by_command(portal: RunningLab) -> None:
    for verb, state in (("lock", "locked"), ("unlock", "open"), ("expire", "expired")):
        assert command(portal, verb, "ligue-54").stdout == f"ligue-54: {state}\n"
    change(portal, "set-password", RIGHT)
    assert command(portal, "unregister", "ligue-54").stdout == "ligue-54: unregistered\n"
    assert command(portal, "register", "ligue-54").stdout == "ligue-54: open\n"


def test_names_and_faults_that_nobody_knows(portal: RunningLab) -> None:
    with pytest.raises(LabError, match="did you mean ligue-54"):
        lab.change_account(portal.directory, "ligue54", "lock")
    with pytest.raises(LabError, match="known are outage"):
        portal.break_("net-entreprises", "edited")
    with pytest.raises(LabError, match="known are offline"):
        portal.break_(WS, "outage")


def test_a_workstation_reaches_it_too(portal: RunningLab) -> None:
    async def visit(host: str, port: int) -> bytes:
        async with portal.visit(WS) as connection:
            reader, writer = await connection.open_connection(host, port)
            writer.write(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")
            answer = await reader.read(12)
            writer.close()
            return answer

    assert asyncio.run(visit("127.0.0.1", int(portal.info.net_entreprises.proxy.rpartition(":")[2]))) == b"HTTP/1.1 403"
    # No TLS was spoken: the service itself hangs up.
    assert asyncio.run(visit(TEST_HOST, 443)) != b"HTTP/1.1 403"
    for unreached in ((TEST_HOST, 80), (PRODUCTION_HOST, 443)):
        with pytest.raises(asyncssh.ChannelOpenError):
            asyncio.run(visit(*unreached))


def command(office: RunningLab, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("iea-fleet")
    return subprocess.run(
        [program, "lab", "portal", *words, "--dir", office.directory],
        input=typed,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
