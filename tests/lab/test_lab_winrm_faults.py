"""The faults of the lab on a workstation that is reached over WinRM."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labs import RunningLab
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.wsman import WSMan
from winrm_endpoints import PASSWORD, USER, Endpoints, endpoints, pypsrp_client
from winrm_messages import FaultError, StatusError, batch, speak

from iea_fleet.errors import LabError
from iea_fleet.lab.faults import FAULTS, WINRM_FAULTS, Fault
from iea_fleet.lab.winrm_server import WinrmWorkstation
from iea_fleet.model.request import MakeFolder, ReplaceFile

FOLDER = "C:/ProgramData/ImpactEmploi"
OLD, NEW = b"connexion.securisee=N\n", b"connexion.securisee=O\n"
LOST = (http.client.HTTPException, OSError)
BATCH = batch(
    MakeFolder("C:/ProgramData/iea-fleet", private=True),
    ReplaceFile(f"{FOLDER}/connexion.properties", NEW, f"sha256:{hashlib.sha256(OLD).hexdigest()}"),
    read_only=False,
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Endpoints]:
    with endpoints(tmp_path) as running:
        yield running


@pytest.fixture
def one(lab: Endpoints) -> WinrmWorkstation:
    return lab.add()


def settings(one: WinrmWorkstation) -> bytes | None:
    """None at the moment when ReplaceFile of Windows has set the old one aside and not put the new one there."""
    try:
        return one.workstation.file("connexion.properties").read_bytes()
    except FileNotFoundError:
        return None


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def strikes(lab: Endpoints, fault: str) -> bool:
    """Whether a fault strikes a session of the agent, which is whole again at its end."""
    one = lab.add()
    lab.spoil(one, fault)
    speaker = speak(lab, one)
    try:
        speaker.run(BATCH)
    except LOST:
        wait_for(lambda: settings(one) is not None)
        return True
    finally:
        speaker.connection.close()
    return False


@pytest.mark.parametrize("fault", ["drop-before", "drop-after"])
def test_a_connection_is_dropped_at_each_exchange_and_each_step(lab: Endpoints, fault: str) -> None:
    """Six exchanges, the start of the process, the folder, at least three steps of the replacement."""
    struck = [strikes(lab, f"{fault}={number}") for number in range(1, 30)]
    assert struck.index(False) >= 6 + 1 + 1 + 3
    assert not any(struck[struck.index(False) :])


@pytest.mark.parametrize("number", [4, 5, 6, 7, 8, 9])
def test_what_runs_goes_on_when_its_connection_was_dropped(lab: Endpoints, one: WinrmWorkstation, number: int) -> None:
    """From the first step on the process has all that it needs."""
    lab.spoil(one, f"drop-before={number}")
    with pytest.raises(LOST):
        speak(lab, one).run(BATCH)
    wait_for(lambda: settings(one) == NEW)


def test_a_restart_kills_what_runs_at_any_step(lab: Endpoints) -> None:
    came = set()
    for number in range(1, 14):
        one = lab.add()
        lab.spoil(one, f"die-after={number}")
        with contextlib.suppress(*LOST):
            speak(lab, one).run(BATCH)
        assert one.workstation.faults == {}
        assert len(one.shells) == 0
        came.add(settings(one))
        lab.do(one.close)
    assert {OLD, NEW} <= came <= {OLD, NEW, None}


def test_an_answer_is_lost_once(lab: Endpoints, one: WinrmWorkstation) -> None:
    lab.spoil(one, "lost-answer=1")
    with pytest.raises(LOST):
        speak(lab, one).create()
    assert len(one.shells) == 1
    speak(lab, one).create()


def test_a_pause_lasts_until_it_is_mended_or_the_client_has_gone(lab: Endpoints, one: WinrmWorkstation) -> None:
    lab.spoil(one, "pause-at=1")
    impatient = speak(lab, one)
    impatient.connection.timeout = 0.2
    with pytest.raises(TimeoutError):
        impatient.create()
    impatient.connection.close()
    patient = speak(lab, one)
    lab.loop.call_soon_threadsafe(lab.loop.call_later, 0.2, one.mend)
    patient.create()
    assert len(one.shells) == 1


def test_a_process_that_pauses_goes_on_when_the_client_has_gone(lab: Endpoints, one: WinrmWorkstation) -> None:
    lab.spoil(one, "pause-at=5")
    speaker = speak(lab, one)
    speaker.connection.timeout = 0.5
    with pytest.raises(TimeoutError):
        speaker.run(BATCH)
    assert settings(one) == OLD
    speaker.connection.close()
    wait_for(lambda: settings(one) == NEW)


def test_slow_delays_each_exchange_and_each_step(lab: Endpoints, one: WinrmWorkstation) -> None:
    lab.spoil(one, "slow=20")
    begun = time.monotonic()
    speak(lab, one).run(BATCH)
    # The Receive is slow while the steps are.
    assert time.monotonic() - begun > 12 * 0.02


def test_a_restart_leaves_nobody_in_the_doorway(lab: Endpoints, one: WinrmWorkstation) -> None:
    """A connection that was accepted and not served yet is closed too, not forgotten."""
    client, accepted = socket.socketpair()

    def come_in_and_restart() -> None:
        accepted.setblocking(False)
        one._welcome(accepted)
        one.restart()

    with client:
        lab.do(come_in_and_restart)
        client.settimeout(5)
        assert client.recv(1) == b""
    assert accepted.fileno() == -1


def test_offline_and_hang(lab: Endpoints, one: WinrmWorkstation) -> None:
    speaker = speak(lab, one)
    speaker.create()
    lab.spoil(one, "offline")
    with pytest.raises(LOST):
        speaker.delete()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", one.port), timeout=5)
    lab.do(one.mend)
    assert len(one.shells) == 0
    lab.spoil(one, "hang")
    with socket.create_connection(("127.0.0.1", one.port), timeout=5) as silent:
        silent.settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent.recv(1)
        lab.do(one.mend)
        silent.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(1) == b""
    speak(lab, one).create()


def test_somebody_changed_the_password(lab: Endpoints, one: WinrmWorkstation) -> None:
    lab.spoil(one, "password-changed")
    for auth in ("basic", "negotiate"):
        with pypsrp_client(lab, one, auth) as client, pytest.raises(AuthenticationError):
            client.execute_cmd("dir")
    assert one.account.refusals == 2
    lab.do(one.mend)
    speak(lab, one).create()


@pytest.mark.parametrize(("auth", "tls"), [("basic", True), ("negotiate", True), ("negotiate", False)])
def test_401_in_the_middle(lab: Endpoints, auth: str, tls: bool) -> None:
    one = lab.add(tls=tls)
    lab.spoil(one, "unauthorized-at=2")
    with pypsrp_client(lab, one, auth) as client, pytest.raises((AuthenticationError, WinRMTransportError)):
        client.execute_cmd("dir")
    assert len(one.shells) == 1


@pytest.mark.parametrize(("fault", "code"), [("quota-shells", 2150859173), ("quota-operations", 2150859174)])
def test_quotas(lab: Endpoints, one: WinrmWorkstation, fault: str, code: int) -> None:
    lab.spoil(one, fault)
    with pypsrp_client(lab, one, "basic") as client, pytest.raises(WSManFaultError) as refused:
        client.execute_cmd("dir")
    assert refused.value.code == code


def test_the_first_looks_at_a_command_come_too_early(lab: Endpoints, one: WinrmWorkstation) -> None:
    lab.spoil(one, "operation-timeout=2")
    speaker = speak(lab, one)
    speaker.create()
    speaker.start("dir")
    for _ in range(2):
        with pytest.raises(FaultError, match="2150858793"):
            speaker.receive()
    assert speaker.receive_all()[2] == 1
    with pypsrp_client(lab, one, "basic") as client:
        assert client.execute_cmd("dir")[2] == 1


def test_a_small_envelope_is_told_and_kept(lab: Endpoints, one: WinrmWorkstation) -> None:
    lab.spoil(one, "small-envelope")
    speaker = speak(lab, one)
    speaker.create()
    speaker.start()
    with pytest.raises(StatusError) as refused:
        speaker.feed(b"x" * 40_000)
    assert refused.value.status == 413
    with WSMan(
        "127.0.0.1",
        port=one.port,
        username=USER,
        password=PASSWORD,
        auth="basic",
        cert_validation=lab.ca,
        no_proxy=True,
    ) as client:
        client.update_max_payload_size()
        assert client.max_payload_size < 32 * 1024


def _shown(one: WinrmWorkstation) -> str:
    with socket.create_connection(("127.0.0.1", one.port), timeout=5) as plain:
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        with blind.wrap_socket(plain) as seen:
            return f"sha256:{hashlib.sha256(seen.getpeercert(binary_form=True) or b'').hexdigest()}"


def test_certificates(lab: Endpoints, one: WinrmWorkstation) -> None:
    speak(lab, one).create()
    first = _shown(one)
    assert first == one.certificate
    lab.spoil(one, "new-host-key")
    assert _shown(one) != first
    assert one.certificate == first
    speak(lab, one).create()
    lab.spoil(one, "expired-certificate")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        speak(lab, one).create()
    lab.do(one.mend)
    assert _shown(one) == first


def test_http_on_the_port_of_https(lab: Endpoints, one: WinrmWorkstation) -> None:
    lab.spoil(one, "http-on-https")
    with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version|record"):
        speak(lab, one).create()
    plain = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)
    with contextlib.closing(plain):
        plain.request("POST", "/wsman", b"")
        assert plain.getresponse().status == 401


@pytest.mark.parametrize("tls", [True, False])
def test_a_proxy_in_the_way(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    lab.spoil(one, "proxy-in-the-way")
    with pypsrp_client(lab, one, "negotiate") as client, pytest.raises(WinRMTransportError) as refused:
        client.execute_cmd("dir")
    assert refused.value.code == 407
    assert one.account.attempts == 0


@pytest.mark.parametrize("fault", ["new-host-key", "expired-certificate", "http-on-https"])
def test_what_has_no_certificate_has_none_to_spoil(lab: Endpoints, fault: str) -> None:
    one = lab.add(tls=False)
    assert one.certificate is None
    with pytest.raises(LabError, match="no fault of toul-01"):
        lab.spoil(one, fault)
    assert one.workstation.faults == {}


def test_which_faults_are_those_of_winrm_alone() -> None:
    with_numbers = {kind.replace("=N", "=1") for kind in WINRM_FAULTS}
    assert all(Fault.parse(kind).over_winrm for kind in with_numbers)
    assert set(WINRM_FAULTS) < set(FAULTS)
    assert not Fault.parse("offline").over_winrm


@pytest.mark.parametrize("fault", [kind.replace("=N", "=1") for kind in WINRM_FAULTS])
def test_what_is_reached_over_ssh_has_none_of_them(office: RunningLab, fault: str) -> None:
    with pytest.raises(LabError, match=r"no fault of toul-01.*over SSH"):
        office.break_("toul-01", fault)
    assert office.faults("toul-01") == ()
