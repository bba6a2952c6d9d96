"""The certificate and the first answer of a WinRM service, looked at before anybody logs in.

What a service of Windows says to whoever has not logged in: ``401``, ``Server: Microsoft-HTTPAPI/2.0`` and one
``WWW-Authenticate`` for each way to log in ([MS-WSMV] 2.2.9.1, RFC 9110 §11.6.1).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Final

from cryptography import x509

from iea_fleet.errors import NotLetInError
from iea_fleet.model.examination import Finding, Step
from iea_fleet.transports.base import Reach
from iea_fleet.transports.trail import Seen, Trail
from iea_fleet.transports.winrm_errors import NO_CERTIFICATE
from iea_fleet.transports.winrm_refusals import not_offered, unexpected_answer
from iea_fleet.transports.winrm_wire import Http, fingerprint
from iea_fleet.transports.wire import Wire

_SOON: Final = dt.timedelta(days=30)
_NOBODY: Final = {"Content-Type": "application/soap+xml;charset=UTF-8", "User-Agent": "iea-fleet"}
_OFFERS: Final = {
    "negotiate": {"negotiate"},
    "ntlm": {"negotiate"},
    "kerberos": {"negotiate", "kerberos"},
    "basic": {"basic"},
}
"""The words of ``WWW-Authenticate`` by which each way to log in goes (RFC 4559 §4, RFC 7617)."""


def examine_web(reach: Reach, wire: Wire, trail: Trail) -> bool:
    """Take the steps ``certificate`` (over TLS) and ``first_word``; whether somebody may log in now."""
    http = Http(wire, reach)
    with contextlib.closing(http):
        return (not reach.tls or trail.take("certificate", lambda: _certificate(reach, http))) and trail.take(
            "first_word", lambda: _first_word(reach, http)
        )


def _certificate(reach: Reach, http: Http) -> Seen:
    """Judged as a session would; what it says of itself is told in any case."""
    try:
        http.secure()
    except NotLetInError as error:
        shown = http.certificate or http.shown()
        told = f"{error.sentence}; it is {_described(shown)}" if shown else error.sentence
        raise NotLetInError(told, error.hint, code=error.code) from error
    how = "pinned in the inventory"
    if reach.certificate is None:
        how = f"vouched for by {reach.ca_file or 'an authority that this machine trusts'}"
    seen = f"{_described(http.certificate)}, {fingerprint(http.certificate)}, {how}"
    end = _end(http.certificate)
    left = end - dt.datetime.now(dt.UTC) if end else _SOON
    if left >= _SOON:
        return seen
    code = "certificate_expired" if left < dt.timedelta() else "certificate_ends_soon"
    return Step("certificate", Finding.WARN, seen, "renew it there, then pin the new one", code)


def _end(certificate: bytes) -> dt.datetime | None:
    try:
        return x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except NO_CERTIFICATE:
        return None


def _described(certificate: bytes) -> str:
    """Names, issuer and end of a certificate (DER), for a person who compares."""
    try:
        shown = x509.load_der_x509_certificate(certificate)
        subject, issuer = shown.subject.rfc4514_string(), shown.issuer.rfc4514_string()
        names = _names(shown) or subject or "nobody"
    except NO_CERTIFICATE:
        return "one that cannot be read"
    verb = "ends" if shown.not_valid_after_utc > dt.datetime.now(dt.UTC) else "ended"
    whose = "itself" if issuer == subject else issuer
    return f"made out to {names} by {whose}, {verb} {shown.not_valid_after_utc:%Y-%m-%d}"


def _names(shown: x509.Certificate) -> str:
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return ", ".join(str(one.value) for one in names)


def _first_word(reach: Reach, http: Http) -> Seen:
    """What it answers to an empty message of nobody."""
    reply = http.post(b"", _NOBODY, reach.timeout)
    if reply.status != 401:
        raise unexpected_answer(reach.workstation, reach.user, reply.status, reply.headers, reply.body)
    offered = [words.split()[0] for words in reply.headers.get("www-authenticate", "").split(",") if words.strip()]
    schemes = [word for word in offered if "=" not in word]
    if not _OFFERS[reach.auth] & {scheme.lower() for scheme in schemes}:
        raise not_offered(reach.workstation, reach.auth, ", ".join(schemes))
    server = reply.headers.get("server", "")
    return f"HTTP {reply.status}{f' of {server}' if server else ''}, lets in by {', '.join(schemes)}"
