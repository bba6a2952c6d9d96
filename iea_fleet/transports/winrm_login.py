"""Logging in at a WinRM service, once, and the messages that go over the connection that is then let in."""

from __future__ import annotations

import base64
import binascii
import functools
import importlib.util
import re
import struct
from collections.abc import Mapping
from typing import Final

import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic import SecretStr
from pypsrp.encryption import WinRMEncryption
from pypsrp.exceptions import WinRMTransportError
from spnego.channel_bindings import GssChannelBindings

from iea_fleet.errors import NotLetInError
from iea_fleet.transports.base import Reach
from iea_fleet.transports.winrm_errors import (
    NO_CERTIFICATE,
    NONSENSE,
    NOT_NEGOTIATED,
    PASSWORD_REFUSED,
    UNSEALED,
    WIRE_ERRORS,
    WITHDRAWN,
    in_our_words,
    told,
)
from iea_fleet.transports.winrm_refusals import not_offered, unexpected_answer
from iea_fleet.transports.winrm_wire import Http, Reply

_PLAIN: Final = "application/soap+xml;charset=UTF-8"
_BOUNDARY: Final = "Encrypted Boundary"
"""Always the same ([MS-WSMV] 2.2.9.1)."""

_LEGS: Final = 3
"""How many tokens a login may take: NTLM has two, Kerberos one or two."""

_TOKEN: Final = re.compile(r"(?:Negotiate|Kerberos|NTLM)\s+([A-Za-z0-9+/]+=*)", re.IGNORECASE)


class Messages:
    """What pypsrp's ``WSMan`` takes for its transport: sends one message and returns the answer to it.

    The first message logs in; with TLS it travels along with the last token of the login, which saves an exchange. A
    password is offered once: whatever is refused later is an error and no reason to offer it again. Without TLS
    every message is sealed ([MS-WSMV] 2.2.9.1), and an answer that is not is no answer.
    """

    def __init__(self, http: Http, reach: Reach) -> None:
        self.endpoint = f"{'https' if reach.tls else 'http'}://{_bracketed(reach.address)}:{reach.port}/wsman"
        self.seconds = reach.timeout
        self._http = http
        self._reach = reach
        self._let_in = False
        self._headers = {"User-Agent": "iea-fleet", "Connection": "Keep-Alive"}
        self._sealing: WinRMEncryption | None = None

    def send(self, message: bytes, *, retries_on_read_timeout: int = 0, timeout: float | None = None) -> bytes:
        """The answer to a message. WinRMTransportError with a fault in it, TransportError for all else.

        The other two arguments are pypsrp's idea of patience; ours is ``seconds``, and nothing is sent again.
        """
        del retries_on_read_timeout, timeout
        if self._let_in:
            return self._judged(self._exchange(message))
        carried = True
        if self._reach.auth == "basic":
            reply = self._log_in_by_password(message)
        else:
            reply, carried = self._log_in_by_token(message)
        if reply.status == 401:
            raise told(PASSWORD_REFUSED, self._reach.workstation, self._reach.user)
        self._let_in = True
        if not carried and reply.status == 200 and not reply.body:
            reply = self._exchange(message)
        return self._judged(reply)

    def close(self) -> None:
        """The connection is closed by whoever opened it."""

    def _password(self) -> SecretStr:
        if self._reach.password is None:
            raise NotLetInError(
                f"there is no password for {self._reach.workstation}",
                "write where it is kept as password in its connection",
                code="no_credentials",
            )
        return self._reach.password

    def _log_in_by_password(self, message: bytes) -> Reply:
        """RFC 7617. Every message carries the password, so never without TLS, whatever the inventory passed by."""
        if not self._http.certificate:
            raise NotLetInError(
                f"auth: basic would send the password of {self._reach.user} to {self._reach.workstation} in the clear",
                "write tls: true, or auth: negotiate",
                code="basic_without_tls",
            )
        both = ":".join((self._reach.user, self._password().get_secret_value())).encode()
        self._headers["Authorization"] = f"Basic {base64.b64encode(both).decode()}"
        reply = self._exchange(message)
        if reply.status == 401 and not _offers(reply, "basic"):
            raise not_offered(self._reach.workstation, "basic", _offered(reply))
        return reply

    def _log_in_by_token(self, message: bytes) -> tuple[Reply, bool]:
        """NTLM or Kerberos, as HTTP's Negotiate takes either ([MS-N2HT], RFC 4559); the first token unasked.

        The last reply, and whether the message went along with the token before it.
        """
        name = self._reach.workstation
        try:
            context = self._context()
            token = context.step()
            body = b""
            for _ in range(_LEGS):
                offered = {"Authorization": f"Negotiate {base64.b64encode(token or b'').decode()}"}
                reply = self._exchange(body, offered)
                challenge = _challenge(reply)
                if reply.status == 401 and not challenge:
                    if not body and not context.complete:
                        self._refuse_unjudged(context, reply)
                    break
                token = context.step(challenge) if challenge and not context.complete else None
                if reply.status != 401 or token is None:
                    break
                body = message if self._reach.tls else b""
        except ImportError as error:
            raise _no_kerberos(name) from error
        except WIRE_ERRORS as error:
            raise in_our_words(error, name, self._reach.user) from error
        except (ValueError, struct.error) as error:
            raise told(NOT_NEGOTIATED, name, self._reach.user, str(error)) from error
        if not self._reach.tls and reply.status == 200:
            self._sealing = WinRMEncryption(context, WinRMEncryption.SPNEGO)
        return reply, bool(body)

    def _refuse_unjudged(self, context: spnego.ContextProxy, reply: Reply) -> None:
        """A refusal of the first token: NTLM's has no proof of the password in it, which is not to blame then."""
        if not _offers(reply, "negotiate"):
            raise not_offered(self._reach.workstation, self._reach.auth, _offered(reply))
        if context.negotiated_protocol == "ntlm":
            raise told(NOT_NEGOTIATED, self._reach.workstation, self._reach.user)

    def _context(self) -> spnego.ContextProxy:
        """NTLM or Kerberos, never one after the other, as pyspnego has it: a wrong password would be counted twice."""
        protocol = self._reach.auth
        if protocol == "negotiate":
            protocol = "kerberos" if "@" in self._reach.user and _has_kerberos() else "ntlm"
        return spnego.client(
            spnego.Password(self._reach.user, self._password().get_secret_value()),
            hostname=self._reach.address,
            service="host",
            protocol=protocol,
            channel_bindings=_bindings(self._http.certificate) if self._reach.tls else None,
            options=spnego.NegotiateOptions.none if self._reach.tls else spnego.NegotiateOptions.wrapping_winrm,
        )

    def _exchange(self, message: bytes, more: Mapping[str, str] | None = None) -> Reply:
        content_type = _PLAIN
        if self._sealing is not None:
            kind, message = self._sealing.wrap_message(message)
            content_type = f'{kind};protocol="{self._sealing.protocol}";boundary="{_BOUNDARY}"'
        headers = {**self._headers, "Content-Type": content_type, **(more or {})}
        return self._http.post(message, headers, self.seconds)

    def _judged(self, reply: Reply) -> bytes:
        name, user = self._reach.workstation, self._reach.user
        if reply.status == 401:
            self._http.close()
            raise told(WITHDRAWN, name, user)
        kind = reply.headers.get("content-type", "").lower()
        sealed = kind.startswith("multipart/encrypted")
        if reply.status not in (200, 500) or not (sealed or kind.startswith("application/soap+xml")):
            raise unexpected_answer(name, user, reply.status, reply.headers, reply.body)
        if sealed != (self._sealing is not None):
            raise told(UNSEALED, name, user)
        content = self._unsealed(reply) if sealed else reply.body
        if reply.status != 200:
            raise WinRMTransportError("http", reply.status, content.decode("utf-8", "replace"))
        return content

    def _unsealed(self, reply: Reply) -> bytes:
        assert self._sealing is not None
        try:
            # pypsrp takes the boundary for an expression: never the one that somebody on the way may have written.
            content: bytes = self._sealing.unwrap_message(reply.body, _BOUNDARY)
        except WIRE_ERRORS as error:
            raise told(NONSENSE, self._reach.workstation) from error
        return content


@functools.cache
def _has_kerberos() -> bool:
    return all(importlib.util.find_spec(name) for name in ("gssapi", "krb5"))


def _offered(reply: Reply) -> str:
    return ", ".join(each.split()[0] for each in reply.headers.get("www-authenticate", "").split(",") if each.strip())


def _offers(reply: Reply, wanted: str) -> bool:
    return wanted in _offered(reply).lower()


def _challenge(reply: Reply) -> bytes:
    found = _TOKEN.search(reply.headers.get("www-authenticate", ""))
    try:
        return base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        return b""


def _bindings(certificate: bytes) -> GssChannelBindings:
    """``tls-server-end-point`` of RFC 5929 §4.1: whoever stands in the middle shows another certificate."""
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except NO_CERTIFICATE:
        algorithm = None
    if algorithm is None or algorithm.name in ("md5", "sha1"):
        algorithm = hashes.SHA256()
    hashing = hashes.Hash(algorithm)
    hashing.update(certificate)
    return GssChannelBindings(application_data=b"tls-server-end-point:" + hashing.finalize())


def _no_kerberos(name: str) -> NotLetInError:
    return NotLetInError(
        f"auth: kerberos for {name} needs a library that is not installed",
        'pip install "iea-fleet[kerberos]" (and the Kerberos of the system, libkrb5), or write auth: negotiate',
        code="kerberos_missing",
    )


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
