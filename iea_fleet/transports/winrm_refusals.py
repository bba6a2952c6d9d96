"""What a workstation shows and answers that is not what it should, in the words of this product."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

from iea_fleet.errors import BrokenError, NotLetInError, TransportError
from iea_fleet.transports.winrm_errors import TOO_LARGE, Meaning, told

_NOT_WINRM: Final[Meaning] = (
    BrokenError,
    "not_winrm",
    "what answers for {name} is no WinRM service{said}",
    "check address and port of its connection, and run winrm quickconfig there",
)
_PROXY: Final[Meaning] = (
    BrokenError,
    "proxy_in_the_way",
    "a proxy or a portal answers in place of {name}{said}",
    "let this machine reach the port of {name} without it; a proxy is never used for WinRM",
)
CERTIFICATES: Final[Mapping[int, tuple[str, str]]] = {
    # X509_V_ERR_… of OpenSSL's x509_vfy.h
    9: ("certificate_not_yet_valid", "the certificate of {name} is not valid yet"),
    10: ("certificate_expired", "the certificate of {name} has expired"),
    18: ("certificate_untrusted", "the certificate of {name} is signed by itself alone"),
    **dict.fromkeys(
        (19, 20, 21),
        ("certificate_untrusted", "the certificate of {name} comes from an authority that is not trusted here"),
    ),
    23: ("certificate_revoked", "the certificate of {name} has been revoked"),
    **dict.fromkeys(
        (62, 64), ("certificate_wrong_name", "the certificate of {name} is made out to another name than its address")
    ),
}
_PLAIN: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})


def silent(name: str, *, deadline: bool, heard: bool = True) -> BrokenError:
    """The error for a workstation that stopped answering, or whose time is over; ``heard``: it had said something."""
    if deadline:
        hint = "raise deadline in its connection if it is only slow"
        return BrokenError(f"the time for {name} is over", hint, code="deadline_passed")
    if not heard:
        hint = "WinRM hangs there, or another program listens on that port; raise timeout if it is only slow"
        return BrokenError(f"{name} accepts the connection and then says nothing", hint, code="went_silent")
    hint = "raise timeout in its connection if it is only slow"
    return BrokenError(f"{name} answered and then went silent", hint, code="went_silent")


def hung_up(error: BaseException) -> bool:
    """Whether the far end closed the connection in the middle of TLS; early releases of Python 3.11 call it an end."""
    return isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def certificate_refused(error: ssl.SSLCertVerificationError, name: str, shown: str) -> NotLetInError:
    """The error for a certificate that does not hold; ``shown`` is its fingerprint, "" where it could not be had."""
    default = ("certificate_invalid", f"the certificate of {{name}} is not valid ({error.verify_message})")
    code, sentence = CERTIFICATES.get(error.verify_code, default)
    pin = f"connection: {{certificate: '{shown}'}}" if shown else "connection: {certificate: 'sha256:…'}"
    hint = f"compare it at the machine and write {pin} for it, or name its authority as ca_file"
    if code in ("certificate_expired", "certificate_not_yet_valid"):
        hint = f"look at its clock, renew it there, or write {pin} for it"
    elif code == "certificate_wrong_name":
        hint = f"write the name of the certificate as its address, or {pin} for it"
    seen = f" (it shows {shown})" if shown else ""
    return NotLetInError(sentence.format(name=name) + seen, hint, code=code)


def certificate_changed(name: str, shown: str) -> NotLetInError:
    """The error for a certificate that is not the pinned one."""
    return NotLetInError(
        f"the certificate of {name} has changed: it shows {shown}",
        "it was renewed, the pin is mistyped, the address went to another machine, or somebody listens in; once you "
        "know which, "
        f"write connection: {{certificate: '{shown}'}} for it",
        code="certificate_changed",
    )


def tls_failed(error: Exception, name: str) -> BrokenError:
    """The error for a TLS handshake that came to nothing; any but one of TLS: what answers is known to speak HTTP."""
    reason = getattr(error, "reason", None)
    if not isinstance(error, ssl.SSLError) or hung_up(error) or reason in _PLAIN:
        return BrokenError(
            f"{name} speaks no TLS on this port",
            "write port: 5986, or tls: false for its port 5985, where messages are sealed by the login",
            code="http_on_https_port",
        )
    return BrokenError(
        f"{name} ends the TLS handshake ({reason or 'without a word'})",
        "look at the certificate of its HTTPS listener (winrm enumerate winrm/config/listener) and allow TLS 1.2",
        code="tls_refused",
    )


def https_on_http_port(name: str, shown: str) -> BrokenError:
    """The error for a workstation that was spoken to in the clear and wants TLS."""
    return BrokenError(
        f"{name} speaks TLS on this port, and its connection says tls: false",
        f"write tls: true, and once compared at the machine certificate: '{shown}'",
        code="https_on_http_port",
    )


def unexpected_answer(name: str, user: str, status: int, headers: Mapping[str, str], body: bytes) -> TransportError:
    """The error for an HTTP answer that no WinRM service gives to what it understands; ``headers`` in lower case."""
    said = f"HTTP {status}"
    of_windows = "httpapi" in headers.get("server", "").lower()
    html = "html" in headers.get("content-type", "") or b"<html" in body[:500].lower()
    passed_on = any(header == "via" or header.startswith(("proxy-", "x-squid")) for header in headers)
    if status in (407, 502, 504) or 300 <= status < 400 or passed_on or (html and not of_windows and status != 404):
        return told(_PROXY, name, user, said)
    if status == 413:
        return told(TOO_LARGE, name, user)
    if b"plain HTTP request" in body[:2000]:
        return https_on_http_port(name, "sha256:…")
    return told(_NOT_WINRM, name, user, said)


def not_offered(name: str, wanted: str, offered: str) -> NotLetInError:
    """The error for a workstation that takes other ways of logging in than the configured one."""
    return NotLetInError(
        f"{name} does not take auth: {wanted} (it takes {offered or 'none'})",
        "write one that it takes, or allow this one there in winrm/config/service/auth",
        code="auth_not_offered",
    )
