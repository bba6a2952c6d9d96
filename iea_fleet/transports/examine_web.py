"""The certificate and the first answer of a WinRM listener, looked at before anybody logs in.

What a listener of Windows says: ``HTTP/1.1 401``, ``Server: Microsoft-HTTPAPI/2.0`` and one ``WWW-Authenticate`` for
each way to log in (MS-WSMV §2.2.1, RFC 9110 §11.6.1).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import http.client
import socket
import ssl
from collections.abc import Callable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iea_fleet.errors import BrokenError, NotLetInError, TransportError
from iea_fleet.model.examination import Finding, Step
from iea_fleet.transports.base import Reach
from iea_fleet.transports.trail import Seen, Trail

Dial = Callable[[], socket.socket]
"""Makes one more connection to the same port."""

_PATH: Final = "/wsman"
_SOON: Final = dt.timedelta(days=30)
_X509_V_ERR_CERT_HAS_EXPIRED: Final = 10
_OFFERS: Final = {
    "negotiate": {"negotiate"},
    "ntlm": {"negotiate", "ntlm"},
    "kerberos": {"negotiate", "kerberos"},
    "basic": {"basic"},
}
"""The words of ``WWW-Authenticate`` by which each way to log in may go (RFC 4559 §4)."""


def examine_web(reach: Reach, sock: socket.socket, dial: Dial, trail: Trail) -> bool:
    """Take the steps ``certificate`` (over TLS) and ``first_word``; whether somebody may log in now.

    ``sock`` is connected, and the caller's to close.
    """
    if not reach.tls:
        return trail.take("first_word", lambda: _first_word(reach, sock))
    shaken: list[ssl.SSLSocket] = []

    def certificate() -> Seen:
        shaken.append(_shake_hands(reach, sock, dial))
        return _judge(reach, _shown(reach, shaken[0]), dial)

    try:
        return trail.take("certificate", certificate) and trail.take(
            "first_word", lambda: _first_word(reach, shaken[0])
        )
    finally:
        for tls in shaken:
            tls.close()


def first_line_of(said: bytes) -> str:
    """The first line of what a server said, short enough for a sentence."""
    return said.decode("utf-8", "replace").strip().partition("\n")[0].strip()[:80]


def _shake_hands(reach: Reach, sock: socket.socket, dial: Dial) -> ssl.SSLSocket:
    """TLS with whoever it is: the certificate is only looked at here, and nothing secret follows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    name = f"{reach.workstation} ({reach.address}:{reach.port})"
    try:
        return context.wrap_socket(sock, server_hostname=reach.address)
    except TimeoutError as error:
        hint = "look whether WinRM listens on that port, with HTTPS"
        raise BrokenError(f"{name} takes the connection and says nothing of TLS", hint, code="tls_timeout") from error
    except OSError as error:
        answer = _plain_answer(dial)
        if answer is None:
            hint = "look at the listener and its certificate there: winrm enumerate winrm/config/listener"
            said = getattr(error, "reason", None) or error.strerror or "no reason given"
            raise BrokenError(f"{name} ends the TLS handshake ({said})", hint, code="tls_refused") from error
        hint = "correct the port of its connection (HTTPS is 5986), or make the listener there an HTTPS one"
        sentence = f"{name} answers in plain HTTP ({answer}) where HTTPS is expected"
        raise BrokenError(sentence, hint, code="http_on_https") from error


def _plain_answer(dial: Dial) -> str | None:
    """The status of the answer to a plain question; None when it is no HTTP."""
    with contextlib.suppress(OSError, http.client.HTTPException, TransportError), dial() as sock:
        answer = _ask(sock, "localhost")
        return f"{answer.status} {answer.reason}".strip()
    return None


def _shown(reach: Reach, tls: ssl.SSLSocket) -> x509.Certificate:
    der = tls.getpeercert(binary_form=True)
    try:
        return x509.load_der_x509_certificate(der or b"")
    except ValueError as error:
        hint = "give its listener another certificate"
        raise BrokenError(
            f"the certificate of {reach.workstation} cannot be read", hint, code="certificate_invalid"
        ) from error


def _judge(reach: Reach, shown: x509.Certificate, dial: Dial) -> Seen:
    """What is to be said of a certificate, by the pinned fingerprint, or else by the authorities that are trusted."""
    mark = "sha256:" + hashlib.sha256(shown.public_bytes(Encoding.DER)).hexdigest()
    seen = f"{_described(shown)}; {mark}"
    pin = f"once you know that it is the workstation's own, write certificate: {mark} in its connection"
    if reach.certificate is not None:
        if reach.certificate != mark:
            hint = f"find out why it changed: a new certificate, another machine, or somebody listens in; {pin}"
            sentence = f"the certificate of {reach.workstation} is not the pinned one: it shows {seen}"
            raise NotLetInError(sentence, hint, code="certificate_changed")
        seen = f"{seen}, pinned in the inventory"
    elif error := _untrusted(reach, dial):
        expired = error.verify_code == _X509_V_ERR_CERT_HAS_EXPIRED
        whose = f"the authorities of {reach.ca_file}" if reach.ca_file else "the authorities that this machine trusts"
        said = f"by {whose} ({error.verify_message})"
        sentence = f"the certificate of {reach.workstation} does not hold {said}: it shows {seen}"
        hint = "give its listener a new certificate" if expired else f"name its authority with ca_file, or, {pin}"
        code = "certificate_expired" if expired else "certificate_untrusted"
        raise NotLetInError(sentence, hint, code=code)
    left = shown.not_valid_after_utc - dt.datetime.now(dt.UTC)
    if left < dt.timedelta():
        remedy = "give its listener a new certificate, and pin that"
        return Step("certificate", Finding.WARN, seen, remedy, "certificate_expired")
    if left < _SOON:
        return Step("certificate", Finding.WARN, seen, "renew it before it ends", "certificate_ends_soon")
    return seen


def _untrusted(reach: Reach, dial: Dial) -> ssl.SSLCertVerificationError | None:
    try:
        context = ssl.create_default_context(cafile=reach.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BrokenError(
            f"the file {reach.ca_file} holds no certificates that can be read ({error})",
            "correct ca_file in its connection",
            code="ca_file_unreadable",
        ) from error
    try:
        with dial() as sock, context.wrap_socket(sock, server_hostname=reach.address):
            return None
    except ssl.SSLCertVerificationError as error:
        return error
    except OSError as error:
        hint = "run it again"
        raise BrokenError(f"the connection to {reach.workstation} was lost ({error})", hint) from error


def _described(shown: x509.Certificate) -> str:
    """Names, issuer and end of a certificate, for a person who compares."""
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = [str(one.value) for one in names]
    except (x509.ExtensionNotFound, ValueError):
        listed = []
    subject = ", ".join(listed) or shown.subject.rfc4514_string() or "nobody"
    issuer = "itself" if shown.issuer == shown.subject else shown.issuer.rfc4514_string()
    verb = "ends" if shown.not_valid_after_utc > dt.datetime.now(dt.UTC) else "ended"
    return f"for {subject}, by {issuer}, {verb} {shown.not_valid_after_utc:%Y-%m-%d}"


def _ask(sock: socket.socket, host: str) -> http.client.HTTPResponse:
    """The answer to an empty question at WinRM's path, over a connection that is there."""
    connection = http.client.HTTPConnection(host)
    connection.sock = sock
    connection.request("POST", _PATH, headers={"Content-Length": "0", "Content-Type": "application/soap+xml"})
    with contextlib.closing(connection.getresponse()) as answer:
        return answer


def _first_word(reach: Reach, sock: socket.socket) -> Seen:
    where = f"{reach.workstation} ({reach.address}:{reach.port})"
    try:
        answer = _ask(sock, reach.address)
    except TimeoutError as error:
        hint = "look at the service WinRM there, or whether another program listens on that port"
        raise BrokenError(f"{where} takes the question and does not answer", hint, code="no_answer_http") from error
    except (OSError, http.client.HTTPException) as error:
        hint = "correct the port of its connection: 5986 with tls, 5985 without"
        raise BrokenError(f"{where} does not answer in HTTP", hint, code="no_http") from error
    offered = [word.strip() for line in answer.headers.get_all("WWW-Authenticate", []) for word in line.split(",")]
    server = answer.headers.get("Server", "")
    seen = f"HTTP {answer.status} {answer.reason}".strip() + (f", {server}" if server else "")
    if answer.status == http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED or answer.headers.get("Via"):
        hint = "a proxy or a filter stands between: let this machine reach the workstation directly"
        raise BrokenError(f"{where} is answered for by a proxy ({seen})", hint, code="proxy_in_the_way")
    if answer.status != http.HTTPStatus.UNAUTHORIZED:
        hint = "look whether WinRM listens on that port, and not another web server"
        raise BrokenError(f"{where} does not ask who we are, as WinRM does ({seen})", hint, code="not_winrm")
    schemes = [word.split(" ", maxsplit=1)[0].lower() for word in offered if "=" not in word.split(" ", maxsplit=1)[0]]
    seen = f"{seen}, lets in by {', '.join(dict.fromkeys(schemes)) or 'nothing'}"
    if not _OFFERS[reach.auth] & set(schemes):
        hint = "correct auth in its connection, or allow it there: winrm set winrm/config/service/auth"
        raise NotLetInError(f"{where} does not offer {reach.auth} ({seen})", hint, code="method_refused")
    return seen
