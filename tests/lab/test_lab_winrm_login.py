"""Who is let in by the WinRM endpoint of the lab, and who is not."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import hashlib
import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import spnego
from hypothesis import given
from hypothesis import strategies as st
from pypsrp.encryption import WinRMEncryption
from pypsrp.exceptions import AuthenticationError, WinRMTransportError
from spnego.channel_bindings import GssChannelBindings
from winrm.exceptions import InvalidCredentialsError
from winrm_endpoints import PASSWORD, USER, Endpoints, endpoints, pypsrp_client, pywinrm_client

from iea_fleet.lab.winrm_authentication import SEALED_TYPE, Account, Login, NotSealedError
from iea_fleet.lab.winrm_server import WinrmWorkstation

NTLM_ALONE = spnego.NegotiateOptions.use_ntlm
WAYS = [("basic", True), ("ntlm", True), ("negotiate", True), ("ntlm", False), ("negotiate", False)]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Endpoints]:
    with endpoints(tmp_path) as running:
        yield running


def connect(lab: Endpoints, one: WinrmWorkstation) -> http.client.HTTPConnection:
    if one.tls:
        trust = ssl.create_default_context(cafile=lab.ca)
        connection = http.client.HTTPSConnection("127.0.0.1", one.port, timeout=10, context=trust)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)
    return lab.closing.enter_context(contextlib.closing(connection))


def post(connection: http.client.HTTPConnection, token: bytes | None = None, body: bytes = b"") -> tuple[int, str]:
    fields = {} if token is None else {"Authorization": f"Negotiate {base64.b64encode(token).decode()}"}
    connection.request("POST", "/wsman", body, {"Content-Type": "application/soap+xml", **fields})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("WWW-Authenticate", "")


def shake_hands(connection: http.client.HTTPConnection, binding: bytes | None, password: str = PASSWORD) -> int:
    """Log in by hand; the status that comes of it."""
    bound = None if binding is None else GssChannelBindings(application_data=b"tls-server-end-point:" + binding)
    context = spnego.client(USER, password, channel_bindings=bound, protocol="ntlm", options=NTLM_ALONE)
    status, challenge = post(connection, context.step())
    assert status == 401
    return post(connection, context.step(base64.b64decode(challenge.partition(" ")[2])))[0]


@pytest.mark.parametrize(("auth", "tls"), WAYS)
def test_a_wrong_password_is_refused_and_counted_once(lab: Endpoints, auth: str, tls: bool) -> None:
    one = lab.add(tls=tls)
    with pypsrp_client(lab, one, auth, password="falsch") as client, pytest.raises(AuthenticationError):
        client.execute_cmd("dir")
    assert (one.account.attempts, one.account.refusals) == (1, 1)


def test_pywinrm_is_refused_too(lab: Endpoints) -> None:
    one = lab.add()
    with pytest.raises(InvalidCredentialsError):
        pywinrm_client(lab, one, password="falsch").open_shell()
    assert one.account.refusals == one.account.attempts > 0


@pytest.mark.parametrize("name", ["iea-admin", "IEA-ADMIN", r".\iea-admin", r"toul-01\iea-admin"])
@pytest.mark.parametrize("auth", ["basic", "negotiate"])
def test_the_user_may_be_named_with_the_machine(lab: Endpoints, auth: str, name: str) -> None:
    one = lab.add()
    with pypsrp_client(lab, one, auth, username=name) as client:
        assert client.execute_cmd("dir")[2] == 1


@pytest.mark.parametrize("name", ["administrateur", r"vesoul-01\iea-admin"])
@pytest.mark.parametrize("auth", ["basic", "negotiate"])
def test_nobody_else_is_let_in(lab: Endpoints, auth: str, name: str) -> None:
    one = lab.add()
    with pypsrp_client(lab, one, auth, username=name) as client, pytest.raises(AuthenticationError):
        client.execute_cmd("dir")


def test_basic_without_tls_is_neither_offered_nor_taken(lab: Endpoints) -> None:
    connection = connect(lab, lab.add(tls=False))
    assert post(connection) == (401, "Negotiate")
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    connection.request("POST", "/wsman", b"", {"Authorization": f"Basic {basic}"})
    assert connection.getresponse().status == 401


def test_the_login_holds_for_its_connection_alone(lab: Endpoints) -> None:
    one = lab.add(tls=False)
    first, second = connect(lab, one), connect(lab, one)
    assert shake_hands(first, None) == 200
    assert post(first)[0] == 200
    assert post(second)[0] == 401


def test_another_channel_is_refused_whatever_the_password(lab: Endpoints) -> None:
    """Who stands between shows another certificate, and the client binds its login to that one."""
    one = lab.add()
    assert one.certificate is not None
    mine = bytes.fromhex(one.certificate.removeprefix("sha256:"))
    assert shake_hands(connect(lab, one), mine) == 200
    assert shake_hands(connect(lab, one), hashlib.sha256(b"another").digest()) == 401
    assert shake_hands(connect(lab, one), None) == 401
    assert (one.account.attempts, one.account.refusals) == (3, 2)


def test_messages_without_a_seal_are_refused_over_http(lab: Endpoints) -> None:
    one = lab.add(tls=False)
    with pypsrp_client(lab, one, "ntlm", "never") as client, pytest.raises(WinRMTransportError) as refused:
        client.execute_cmd("dir")
    assert refused.value.code == 500
    assert len(one.shells) == 0


def test_a_message_sealed_for_another_connection_is_refused(lab: Endpoints) -> None:
    one = lab.add(tls=False)
    first, second = connect(lab, one), connect(lab, one)
    assert shake_hands(first, None) == shake_hands(second, None) == 200
    stranger, _ = _met(Account("x", USER, PASSWORD))
    second.request("POST", "/wsman", _sealed(stranger, b"<a/>"), {"Content-Type": SEALED_TYPE})
    assert second.getresponse().status == 400


def test_workstations_with_one_user_and_different_passwords_do_not_disturb_each_other(lab: Endpoints) -> None:
    all_ = [lab.add(tls=number % 2 == 0, password=f"geheim {number}") for number in range(4)]

    def visit(number: int) -> str:
        right = "geheim" if number % 3 else "falsch"
        one = all_[number % 4]
        try:
            with pypsrp_client(lab, one, "negotiate", password=f"{right} {number % 4}") as client:
                return f"{client.execute_cmd('dir')[2]}"
        except AuthenticationError:
            return "refused"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        came = list(pool.map(visit, range(16)))
    assert came == ["refused" if number % 3 == 0 else "1" for number in range(16)]
    assert sum(one.account.refusals for one in all_) == 6


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /wsman HTTP/1.1\r\n\r\n", b"405"),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST /wsman HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /wsman HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"what is this\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_for_winrm(lab: Endpoints, request_: bytes, status: bytes) -> None:
    connection = connect(lab, lab.add(tls=False))
    connection.connect()
    connection.sock.sendall(request_)
    assert connection.sock.makefile("rb").read().startswith(b"HTTP/1.1 " + status), "and the connection ends"


def _met(account: Account) -> tuple[spnego.ContextProxy, Login]:
    """A client that was let in, and the login that let it in."""
    login = Login(account, None)
    client = spnego.client(account.user, account.password, protocol="ntlm", options=NTLM_ALONE)
    challenge = login.judge(f"Negotiate {base64.b64encode(client.step()).decode()}").challenge
    last = client.step(base64.b64decode(challenge.partition(" ")[2]))
    assert login.judge(f"Negotiate {base64.b64encode(last).decode()}").let_in
    return client, login


def _sealed(client: spnego.ContextProxy, message: bytes) -> bytes:
    return bytes(WinRMEncryption(client, WinRMEncryption.SPNEGO).wrap_message(message)[1])


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=3))
def test_what_is_sealed_comes_out_again(messages: list[bytes]) -> None:
    client, login = _met(Account("toul-01", USER, PASSWORD))
    for message in messages:
        assert login.unseal(_sealed(client, message)) == message
        answer = login.seal(message)
        assert WinRMEncryption(client, WinRMEncryption.SPNEGO).unwrap_message(answer, "Encrypted Boundary") == message


@given(st.data())
def test_nothing_damaged_is_taken(data: st.DataObject) -> None:
    client, login = _met(Account("toul-01", USER, PASSWORD))
    sealed = bytearray(_sealed(client, b"<soap/>"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    try:
        assert login.unseal(bytes(sealed)) == b"<soap/>"
    except NotSealedError:
        return


@given(st.data())
def test_no_token_lets_anybody_in_or_breaks_the_endpoint(data: st.DataObject) -> None:
    account = Account("toul-01", USER, PASSWORD)
    login = Login(account, None)
    protocol = data.draw(st.sampled_from(["ntlm", "negotiate"]))
    client = spnego.client(USER, "falsch", protocol=protocol, options=spnego.NegotiateOptions.use_negotiate)
    challenge = b""
    for damaged in (data.draw(st.booleans()), True):
        token = client.step(challenge or None)
        assert token is not None
        if damaged:
            strikes = st.tuples(st.integers(0, len(token) - 1), st.binary(min_size=1, max_size=1))
            for place, value in data.draw(st.lists(strikes, max_size=5)):
                token = token[:place] + value + token[place + 1 :]
            token = token[: data.draw(st.integers(0, len(token)))]
        verdict = login.judge(f"Negotiate {base64.b64encode(token).decode()}")
        assert not verdict.let_in
        challenge = base64.b64decode(verdict.challenge.partition(",")[0].removeprefix("Negotiate"))
        if damaged or not challenge:
            return


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n")))
def test_no_header_breaks_the_endpoint(said: str) -> None:
    login = Login(Account("toul-01", USER, PASSWORD), b"digest")
    for scheme in ("", "Basic ", "Negotiate "):
        assert not login.judge(scheme + said).let_in
