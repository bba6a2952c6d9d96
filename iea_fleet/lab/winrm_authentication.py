"""Who is let in by WinRM, and the sealing of messages: Basic (RFC 7617), Negotiate (RFC 4559, MS-SPNG, MS-NLMP).

NTLM and SPNEGO are pyspnego's. Over TLS they are bound to the certificate (``tls-server-end-point``, RFC 5929): whoever
stands between shows another one. Sealed messages have the form of MS-WSMV 2.2.9.1.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import os
import re
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from iea_fleet.lab.wsman import SOAP_TYPE

_SEALED: Final = "application/HTTP-SPNEGO-session-encrypted"
_BOUNDARY: Final = b"--Encrypted Boundary"
_OCTETS: Final = b"\tContent-Type: application/octet-stream\r\n"
_LENGTH: Final = re.compile(rb"Length=(\d{1,9})\s*$", re.ASCII)
_NTLM_USERS: Final = "NTLM_USER_FILE"
# Beside its own errors pyspnego raises all of these for tokens that no client would send (found by hypothesis).
_WRONG_TOKEN: Final = (SpnegoError, ValueError, LookupError, ArithmeticError, StopIteration, struct.error)

SEALED_TYPE: Final = f'multipart/encrypted;protocol="{_SEALED}";boundary="Encrypted Boundary"'


class NotSealedError(Exception):
    """What should be a sealed message is none, or was sealed with another key."""


@dataclass(slots=True)
class Account:
    """The one account of a machine, and how often somebody tried to log in and was refused, over all connections.

    There is no colon in ``user`` and ``password``.
    """

    machine: str
    user: str
    password: str
    attempts: int = 0
    refusals: int = 0

    @property
    def domains(self) -> tuple[str, ...]:
        """What may stand before the user and a backslash: nothing, or this machine."""
        return "", ".", self.machine


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is let in; ``challenge`` is the header field WWW-Authenticate, where there is one.

    ``why`` tells what was wrong with credentials.
    """

    let_in: bool
    challenge: str = ""
    why: str = ""


class Login:
    """Who is at the other end of one connection: NTLM lets in a connection, Basic one request.

    ``binding`` is the digest of the certificate, None without TLS, where Basic is not taken.
    """

    def __init__(self, account: Account, binding: bytes | None) -> None:
        self._account = account
        self._binding = binding
        self._context: spnego.ContextProxy | None = None
        self._challenged = False
        self._revoked = False
        self.offers = "Negotiate" if binding is None else 'Negotiate, Basic realm="WSMAN"'

    def revoke(self) -> None:
        """Nobody is let in through this connection any more, whatever the password."""
        self._revoked = True
        self._context = None

    def judge(self, authorization: str) -> Verdict:
        """Judge a request by its header field Authorization, which may be empty."""
        scheme, _, token = authorization.partition(" ")
        match scheme.lower():
            case "basic" if self._binding is not None:
                return self._basic(token)
            case "negotiate":
                return self._negotiate(token)
            case "" if self._context is not None and self._context.complete:
                return Verdict(let_in=True)
        return Verdict(let_in=False, challenge=self.offers)

    def unseal(self, body: bytes) -> bytes:
        """What was sealed in a body. NotSealedError."""
        if self._context is None or not self._context.complete:
            raise NotSealedError("there are no keys on this connection")
        opening, _, rest = body.partition(_BOUNDARY + b"\r\n")
        about, _, sealed = rest.partition(_BOUNDARY + b"\r\n")
        length = _LENGTH.search(about)
        sealed = sealed.removeprefix(_OCTETS).removesuffix(b"\r\n").removesuffix(_BOUNDARY + b"--")
        if opening or not length or len(sealed) < 4:
            raise NotSealedError("not the form of a sealed message")
        end = 4 + int(struct.unpack("<I", sealed[:4])[0])
        try:
            plain = self._context.unwrap_winrm(sealed[4:end], sealed[end:])
        except _WRONG_TOKEN as error:
            raise NotSealedError(str(error)) from error
        if len(plain) != int(length[1]):
            raise NotSealedError("not as long as it says")
        return plain

    def seal(self, message: bytes) -> bytes:
        """A message as a body, for the connection that was let in by NTLM."""
        assert self._context is not None
        head, sealed, padding = self._context.wrap_winrm(message)
        about = f"\tContent-Type: {_SEALED}\r\n\tOriginalContent: type={SOAP_TYPE};Length={len(message) + padding}\r\n"
        parts = (about.encode(), _OCTETS + struct.pack("<I", len(head)) + head + sealed)
        return b"".join(_BOUNDARY + b"\r\n" + part for part in parts) + _BOUNDARY + b"--\r\n"

    def _basic(self, token: str) -> Verdict:
        try:
            name, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except ValueError:
            return Verdict(let_in=False, challenge=self.offers, why="what it says is not Basic")
        domain, _, user = name.lower().rpartition("\\")
        mine = user == self._account.user.lower() and domain in (known.lower() for known in self._account.domains)
        same = hmac.compare_digest(password.encode(), self._account.password.encode())
        return self._counted("" if mine and same and not self._revoked else "another user or password")

    def _negotiate(self, token: str) -> Verdict:
        if self._context is None or self._context.complete:
            self._context, self._challenged = self._fresh_context(), False
        try:
            with _ntlm_users(self._account, known=not self._revoked):
                answer = self._context.step(base64.b64decode(token, validate=True)) or b""
        except _WRONG_TOKEN as error:
            self._context = None
            return self._counted(str(error)) if self._challenged else Verdict(let_in=False, challenge=self.offers)
        challenge = f"Negotiate {base64.b64encode(answer).decode()}" if answer else ""
        if self._context.complete:
            return self._counted("", challenge)
        self._challenged = True
        return Verdict(let_in=False, challenge=challenge or self.offers)

    def _fresh_context(self) -> spnego.ContextProxy:
        bindings = None
        if self._binding is not None:
            bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + self._binding)
        with _ntlm_users(self._account, known=True):
            return spnego.server(
                protocol="negotiate", channel_bindings=bindings, options=spnego.NegotiateOptions.use_negotiate
            )

    def _counted(self, why_not: str, challenge: str = "") -> Verdict:
        """The verdict on a password that was tried."""
        self._account.attempts += 1
        if not why_not:
            return Verdict(let_in=True, challenge=challenge)
        self._account.refusals += 1
        return Verdict(let_in=False, challenge=self.offers, why=why_not)


@contextlib.contextmanager
def _ntlm_users(account: Account, *, known: bool) -> Iterator[None]:
    """The accounts that pyspnego accepts meanwhile: it looks them up in a file that the environment names.

    Each workstation has its own, under the same name, so each step gets its own file; all of them run in one thread.
    """
    with tempfile.NamedTemporaryFile("w", prefix="iea-fleet-lab-", encoding="utf-8") as file:
        lines = [f"{domain}:{account.user}:{account.password}\n" for domain in account.domains]
        file.write("".join(lines) if known else "")
        file.flush()
        before = os.environ.get(_NTLM_USERS)
        os.environ[_NTLM_USERS] = file.name
        try:
            yield
        finally:
            if before is None:
                del os.environ[_NTLM_USERS]
            else:
                os.environ[_NTLM_USERS] = before
