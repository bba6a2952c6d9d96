"""The way to a workstation looked at piece by piece, on real servers: what is wrong is told where it is wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from loopback import Behaviour, Loopback, answering, hanging_up, saying, silent
from pydantic import SecretStr
from sshd import Sshd, free_port, make_key, public_half

from iea_fleet.errors import NotLetInError, OfflineError
from iea_fleet.model.examination import Finding, Step
from iea_fleet.model.inventory import Jump
from iea_fleet.model.request import Absent, ReadFile
from iea_fleet.transports.base import Reach
from iea_fleet.transports.examine import _connect, enter, examine
from iea_fleet.transports.jump import JumpHosts
from iea_fleet.transports.ssh import open_session
from iea_fleet.transports.trail import Trail
from iea_fleet.transports.winrm import open_session as open_winrm

OK, WARN, BAD = Finding.OK, Finding.WARN, Finding.BAD
TO_SSH = ["name", "port", "first_word", "host_key"]


def looked(reach: Reach) -> Trail:
    """All steps that were taken; only after the last good one somebody may log in."""
    trail = Trail()
    with contextlib.closing(JumpHosts()) as jumps:
        going_on = examine(reach, jumps, trail)
    assert going_on == (trail.steps[-1].finding is not BAD)
    assert all(step.finding is not BAD for step in trail.steps[:-1])
    assert (trail.error is None) == going_on
    return trail


def last(reach: Reach) -> Step:
    return looked(reach).steps[-1]


def to(server: Loopback, **changes: object) -> Reach:
    return Reach("poste", server.address, server.port, "paye", **{"timeout": 0.4, **changes})


def test_a_good_workstation(sshd: Sshd) -> None:
    trail = looked(sshd.reach())
    assert [(step.name, step.finding, step.reason_code) for step in trail.steps] == [(name, OK, "") for name in TO_SSH]
    assert all(step.seconds is not None and step.seconds >= 0 for step in trail.steps)
    _, port, word, key = trail.steps
    assert f"{sshd.address}:{sshd.port}" in port.seen
    assert word.seen.startswith("SSH-2.0-OpenSSH_")
    shown = subprocess.run(
        ["ssh-keygen", "-lf", sshd.host_key_files[0]], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert key.seen == f"ED25519 {shown}, accepted with iea-fleet trust"


def test_nobody_has_logged_in_by_then(sshd: Sshd) -> None:
    before = sshd.log.read_text()
    looked(sshd.reach())
    said = sshd.log.read_text().removeprefix(before)
    assert "Accepted" not in said
    assert "Failed" not in said


def test_whoever_goes_on_gets_a_connection_of_its_own(sshd: Sshd) -> None:
    reach = sshd.reach()
    with contextlib.closing(JumpHosts()) as jumps, open_session(reach, enter(reach, jumps), read_only=True) as session:
        assert session.carry_out([ReadFile("/no/such/file")]) == [Absent()]


def test_the_host_key(sshd: Sshd, tmp_path: Path) -> None:
    other = public_half(make_key(tmp_path / "other"))
    unknown = last(sshd.reach(host_keys=()))
    assert (unknown.name, unknown.reason_code) == ("host_key", "host_key_unknown")
    assert "iea-fleet trust add INVENTORY poste" in unknown.remedy
    changed = last(sshd.reach(host_keys=(other,), pinned_in_inventory=True))
    assert (changed.name, changed.reason_code) == ("host_key", "host_key_changed")
    assert "correct host_keys of poste in the inventory" in changed.remedy
    owner = last(sshd.reach(host_keys=(other,), owners={sshd.host_key.split()[1]: "toul-01"}))
    assert "the known key of toul-01" in owner.seen
    assert "trust remove INVENTORY poste, and iea-fleet trust add" in owner.remedy


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        (silent, "no_banner", "says nothing"),
        (hanging_up, "closed_at_once", "closes it without a word"),
        (saying(b"220 mail ESMTP ready\r\n"), "not_ssh", "« 220 mail ESMTP ready »"),
        (answering(b"HTTP/1.1 400 Bad Request\r\nServer: Microsoft-HTTPAPI/2.0\r\n\r\n"), "not_ssh", "HTTP/1.1 400"),
    ],
)
def test_the_first_word(behaviour: Behaviour, code: str, words: str) -> None:
    with Loopback(behaviour) as server:
        step = last(to(server))
    assert (step.name, step.reason_code) == ("first_word", code)
    assert words in step.seen
    assert step.remedy


def test_words_before_the_version_are_in_order() -> None:
    with Loopback(saying(b"Authorised use only\r\nSSH-2.0-odd\r\n")) as server:
        steps = looked(to(server)).steps
    assert (steps[2].finding, steps[2].seen) == (OK, "SSH-2.0-odd")
    assert (steps[3].name, steps[3].finding) == ("host_key", BAD)


def test_a_port_on_which_nothing_listens() -> None:
    trail = looked(Reach("poste", "127.0.0.1", free_port(), "paye"))
    assert isinstance(trail.error, OfflineError)
    assert (trail.steps[-1].name, trail.steps[-1].reason_code) == ("port", "refused")
    web = last(Reach("poste", "127.0.0.1", free_port(), "paye", transport="winrm"))
    assert "winrm" in web.remedy


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 64 + ".example"])
def test_a_name_that_nobody_knows(name: str) -> None:
    trail = looked(Reach("poste", name, 22, "paye"))
    assert isinstance(trail.error, OfflineError)
    assert [(step.name, step.reason_code) for step in trail.steps] == [("name", "name_unknown")]
    assert name in trail.steps[0].seen


def test_an_address_of_a_name_that_is_dead_is_told(sshd: Sshd) -> None:
    reach = sshd.reach(address="poste.example", timeout=1)
    dead = (socket.AF_INET, "127.0.0.2")
    sock, seen = _connect(reach, [dead, (socket.AF_INET, sshd.address)])
    sock.close()
    assert isinstance(seen, Step)
    assert (seen.finding, seen.reason_code) == (WARN, "address_dead")
    assert seen.seen.startswith(f"{sshd.address}:{sshd.port} accepts the connection, but poste (127.0.0.2:")
    with pytest.raises(OfflineError):
        _connect(reach, [dead])


def jump_over(sshd: Sshd, **changes: object) -> Jump:
    known = {"address": sshd.address, "port": sshd.port, "user": sshd.user, "host_keys": sshd.host_keys}
    return Jump.model_validate({**known, **changes})


def test_behind_a_jump_host(sshd: Sshd, tmp_path: Path) -> None:
    good = looked(sshd.reach(jump=jump_over(sshd)))
    assert [(step.name, step.finding) for step in good.steps] == [(name, OK) for name in ("jump", *TO_SSH)]
    strange = last(sshd.reach(jump=jump_over(sshd, host_keys=(public_half(make_key(tmp_path / "k")),))))
    assert (strange.name, strange.reason_code) == ("jump", "jump_host_key_changed")
    closed = last(sshd.reach(jump=jump_over(sshd), port=free_port()))
    assert (closed.name, closed.reason_code) == ("port", "refused")
    unknown = last(sshd.reach(jump=jump_over(sshd), address="nowhere.invalid"))
    assert (unknown.name, unknown.reason_code) == ("name", "name_unknown")
    with Loopback(hanging_up) as server:
        rude = last(sshd.reach(jump=jump_over(sshd), port=server.port))
    assert (rude.name, rude.reason_code) == ("first_word", "closed_at_once")


NOBODY = b"HTTP/1.1 401 \r\nServer: Microsoft-HTTPAPI/2.0\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n"


class Web:
    """A WinRM service as far as nobody logs in; its certificate ends in ``days``."""

    def __init__(self, authority: trustme.CA, days: int, answer: bytes) -> None:
        issued = authority.issue_cert("127.0.0.1", "poste", not_after=dt.datetime.now(dt.UTC) + dt.timedelta(days=days))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        shown = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)
        self.fingerprint = f"sha256:{hashlib.sha256(shown).hexdigest()}"
        self.server = Loopback(answering(answer, context))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Grand Est")


@contextlib.contextmanager
def web(authority: trustme.CA, days: int = 365, answer: bytes = NOBODY) -> Iterator[tuple[Web, Reach]]:
    made = Web(authority, days, answer)
    with made.server as server:
        yield made, to(server, transport="winrm", windows=True, timeout=5, certificate=made.fingerprint)


def test_a_good_winrm_service(authority: trustme.CA, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    with web(authority) as (made, reach):
        pinned = looked(reach).steps
        vouched = looked(replace(reach, certificate=None, ca_file=str(ca_file))).steps
    assert [(step.name, step.finding) for step in pinned] == [
        (name, OK) for name in ("name", "port", "certificate", "first_word")
    ]
    assert pinned[2].seen.startswith("made out to 127.0.0.1, poste by ")
    assert "O=Grand Est" in pinned[2].seen
    assert made.fingerprint in pinned[2].seen
    assert pinned[2].seen.endswith("pinned in the inventory")
    assert pinned[3].seen == "HTTP 401 of Microsoft-HTTPAPI/2.0, lets in by Negotiate"
    assert vouched[2].seen.endswith(f"vouched for by {ca_file}")


def test_a_certificate_that_does_not_hold_is_described(authority: trustme.CA, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with web(authority) as (made, reach):
        changed = last(replace(reach, certificate=f"sha256:{'0' * 64}"))
        strange = last(replace(reach, certificate=None, ca_file=str(other)))
    assert (changed.name, changed.reason_code) == ("certificate", "certificate_changed")
    assert (strange.name, strange.reason_code) == ("certificate", "certificate_untrusted")
    for step in (changed, strange):
        assert "made out to 127.0.0.1, poste by " in step.seen
        assert f"certificate: '{made.fingerprint}'" in step.remedy


@pytest.mark.parametrize(("days", "code"), [(-1, "certificate_expired"), (10, "certificate_ends_soon")])
def test_a_pinned_certificate_that_ends_is_a_warning(authority: trustme.CA, days: int, code: str) -> None:
    with web(authority, days) as (_, reach):
        _, _, certificate, word = looked(reach).steps
    assert (certificate.finding, certificate.reason_code, word.finding) == (WARN, code, OK)


@pytest.mark.parametrize(
    ("answer", "auth", "code"),
    [
        (b"HTTP/1.1 407 \r\nVia: 1.1 proxy\r\nContent-Length: 0\r\n\r\n", "negotiate", "proxy_in_the_way"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "negotiate", "not_winrm"),
        (NOBODY, "basic", "auth_not_offered"),
    ],
)
def test_the_first_answer_of_a_web_server(authority: trustme.CA, answer: bytes, auth: str, code: str) -> None:
    with web(authority, answer=answer) as (_, reach):
        step = last(replace(reach, auth=auth))
    assert (step.name, step.reason_code) == ("first_word", code)


def test_http_where_https_is_expected_and_the_other_way_round(authority: trustme.CA) -> None:
    with Loopback(answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as plain:
        step = last(to(plain, transport="winrm", timeout=5))
    assert (step.name, step.reason_code) == ("certificate", "http_on_https_port")
    with web(authority) as (_, reach):
        step = last(replace(reach, tls=False))
    assert (step.name, step.reason_code) == ("first_word", "https_on_http_port")


@pytest.mark.parametrize(
    ("was", "is_now"),
    [(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"), (b"\x2a\x03\x04\x06", b"\x2a\x03\x04\x05")],
    ids=["version 8", "an extension twice"],
)
def test_a_certificate_that_only_openssl_takes(was: bytes, is_now: bytes, tmp_path: Path) -> None:
    key, name, begun = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, begun, begun + dt.timedelta(days=90))
    for number in ("1.2.3.4.5", "1.2.3.4.6"):
        one = x509.UnrecognizedExtension(x509.ObjectIdentifier(number), b"x")
        made = made.add_extension(one, critical=False)
    der = made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER).replace(was, is_now)
    pem = tmp_path / "odd.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(ssl.DER_cert_to_PEM_cert(der).encode() + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with Loopback(answering(NOBODY, context)) as server:
        reach = to(server, transport="winrm", timeout=5, certificate=f"sha256:{hashlib.sha256(der).hexdigest()}")
        *_, certificate, word = looked(reach).steps
        with pytest.raises(NotLetInError) as refused:
            open_winrm(replace(reach, password=SecretStr("p")), server.connect(), read_only=True)
    assert certificate.seen.startswith("one that cannot be read, sha256:")
    assert word.finding is OK
    assert refused.value.code == "auth_refused"
