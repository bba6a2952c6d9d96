"""What the libraries under WinRM raise and what a workstation answers, in the words of this product."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import logging
from collections.abc import Iterator, Mapping
from typing import Final

import requests
import urllib3.exceptions
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from pypsrp import exceptions as pypsrp_errors
from pypsrp._pool_manager import NewConnectionDisabled
from requests.cookies import CookieConflictError
from spnego import exceptions as spnego_errors
from urllib3.util.ssl_match_hostname import CertificateError

from iea_fleet.errors import BrokenError, NotLetInError, TransportError

# At DEBUG these write down every message, and with it settings and passwords; what went wrong our own errors tell.
for _library in ("pypsrp", "spnego", "urllib3", "requests"):
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)

Meaning = tuple[type[TransportError], str, str, str]
"""Our class, reason_code, sentence, hint; ``{name}`` is the workstation, ``{user}`` logs in, ``{said}`` its words."""
_Meanings = Mapping[type[Exception], Meaning]

LOST: Final[Meaning] = (BrokenError, "connection_lost", "the connection to {name} was lost", "run it again")
NONSENSE: Final[Meaning] = (
    BrokenError,
    "protocol_error",
    "what {name} answers is no correct WinRM",
    "look whether another program listens on that port",
)
NOT_HTTP: Final[Meaning] = (
    BrokenError,
    "not_winrm",
    "what answers for {name} does not speak HTTP",
    "check address and port of its connection: WinRM has 5986 (tls: true) and 5985 (tls: false)",
)
PASSWORD_REFUSED: Final[Meaning] = (
    NotLetInError,
    "password_refused",
    "{name} does not let {user} in: wrong password, or an account that is expired, locked or disabled",
    r"correct it before the next run: several wrong ones lock the account; write MACHINE\name, or DOMAIN\name",
)
ACCOUNT_EXPIRED: Final[Meaning] = (
    NotLetInError,
    "account_expired",
    "{name} does not let {user} in: the password or the account has expired, or is locked{said}",
    "renew it in the domain, then correct the secret",
)
NO_TICKET: Final[Meaning] = (
    NotLetInError,
    "kerberos_failed",
    "Kerberos gives no ticket for {name}{said}",
    "write the user as name@REALM and the address as the domain knows it; look at /etc/krb5.conf and the clock",
)
NOT_NEGOTIATED: Final[Meaning] = (
    NotLetInError,
    "auth_refused",
    "{name} and this machine find no common way to log {user} in{said}",
    "write auth: ntlm or auth: kerberos in its connection, and look whether a policy there restricts NTLM",
)
WITHDRAWN: Final[Meaning] = (
    BrokenError,
    "login_withdrawn",
    "{name} had let {user} in and asks for the password again; it was not sent a second time",
    "look whether its password was changed or its account locked meanwhile, then run it again",
)
UNSEALED: Final[Meaning] = (
    BrokenError,
    "unsealed_answer",
    "an answer of {name} is not sealed, as all have to be without TLS",
    "somebody on the way may have written it; use tls: true",
)
TOO_LARGE: Final[Meaning] = (
    BrokenError,
    "envelope_too_small",
    "{name} refuses messages of the size that WinRM has by itself",
    'set it there: winrm set winrm/config @{{MaxEnvelopeSizekb="500"}}',
)
_SETUP: Final[Meaning] = (
    BrokenError,
    "winrm_configuration",
    "the WinRM connection to {name} cannot be set up as configured",
    "check its connection in the inventory",
)

_SPNEGO: _Meanings = dict.fromkeys(
    (
        spnego_errors.SpnegoError,
        spnego_errors.BadMechanismError,
        spnego_errors.BadNameError,
        spnego_errors.NoCredentialError,
        spnego_errors.OperationNotAvailableError,
        spnego_errors.UnsupportedQop,
        spnego_errors.NativeError,
    ),
    NOT_NEGOTIATED,
)
_PYPSRP: _Meanings = dict.fromkeys(
    (
        pypsrp_errors.WinRMError,
        pypsrp_errors.WinRMTransportError,
        pypsrp_errors.WSManFaultError,
        pypsrp_errors._InvalidStateError,  # noqa: SLF001 - listed so that the list is whole
        pypsrp_errors.InvalidRunspacePoolStateError,
        pypsrp_errors.InvalidPipelineStateError,
        pypsrp_errors.InvalidPSRPOperation,
        pypsrp_errors.FragmentError,
        pypsrp_errors.SerializationError,
    ),
    NONSENSE,
)
_HTTP: _Meanings = {
    **dict.fromkeys((http.client.BadStatusLine, http.client.LineTooLong, http.client.UnknownProtocol), NOT_HTTP),
    **dict.fromkeys((http.client.UnknownTransferEncoding, http.client.UnimplementedFileMode), NOT_HTTP),
    http.client.InvalidURL: _SETUP,
    http.client.HTTPException: LOST,
    http.client.IncompleteRead: LOST,
    http.client.RemoteDisconnected: LOST,
    http.client.NotConnected: LOST,
    http.client.ImproperConnectionState: LOST,
    http.client.CannotSendRequest: LOST,
    http.client.CannotSendHeader: LOST,
    http.client.ResponseNotReady: LOST,
}
# pypsrp brings these two; our connection is Python's own, so that whatever they raise means that pypsrp went past it.
_NOT_IN_USE: _Meanings = dict.fromkeys(
    (
        requests.RequestException,
        CookieConflictError,
        urllib3.exceptions.HTTPError,
        urllib3.exceptions.ProxySchemeUnsupported,
        CertificateError,
        NewConnectionDisabled,
    ),
    _SETUP,
)


def _of_kerberos() -> Iterator[type[Exception]]:
    """What the libraries of the extra ``kerberos`` raise past pyspnego, where they are installed."""
    for module, name in (
        ("krb5", "Krb5Error"),
        ("gssapi.exceptions", "GSSError"),
        ("gssapi.exceptions", "GeneralError"),
    ):
        with contextlib.suppress(ImportError):
            yield getattr(importlib.import_module(module), name)


ERRORS: Final[_Meanings] = {
    **dict.fromkeys(_of_kerberos(), NO_TICKET),
    **_SPNEGO,
    **_PYPSRP,
    **_HTTP,
    **_NOT_IN_USE,
    pypsrp_errors.AuthenticationError: PASSWORD_REFUSED,
    spnego_errors.InvalidTokenError: PASSWORD_REFUSED,
    spnego_errors.InvalidCredentialError: PASSWORD_REFUSED,
    spnego_errors.CredentialsExpiredError: ACCOUNT_EXPIRED,
    spnego_errors.BadBindingsError: (
        NotLetInError,
        "certificate_changed_on_the_way",
        "{name} does not let {user} in: the certificate seen here is not the one it shows",
        "something on the way opens the TLS connection; let this machine reach {name} directly",
    ),
    spnego_errors.FeatureMissingError: (
        NotLetInError,
        "kerberos_missing",
        "the Kerberos of this machine cannot seal messages for {name}",
        "write tls: true, or auth: ntlm",
    ),
    spnego_errors.BadMICError: NONSENSE,
    spnego_errors.NoContextError: NONSENSE,
    spnego_errors.ContextExpiredError: LOST,
    EOFError: LOST,
    OSError: LOST,
}
"""Exception class → what it means. A class that is not listed is judged as its nearest base."""

WIRE_ERRORS: Final[tuple[type[Exception], ...]] = tuple(ERRORS)
"""All that the libraries raise of their own accord."""

NO_CERTIFICATE: Final = (
    *(ValueError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
"""What cryptography raises for certificates that OpenSSL takes."""

# What MIT Kerberos says; its major codes tell nothing.
_KERBEROS_WORDS: Final = {
    "expired": ACCOUNT_EXPIRED,
    "revoked": ACCOUNT_EXPIRED,
    "preauthentication failed": PASSWORD_REFUSED,
    "password incorrect": PASSWORD_REFUSED,
    "not found in kerberos database": NO_TICKET,
    "clock skew": NO_TICKET,
    "cannot find kdc": NO_TICKET,
    "cannot contact any kdc": NO_TICKET,
    "no credentials": NO_TICKET,
}

_SHELLS: Final[Meaning] = (
    BrokenError,
    "too_many_shells",
    "{name} has as many remote shells open for {user} as it allows",
    "run it again in a few minutes, when shells of lost connections have ended; others: Get-WSManInstance shell",
)
_OPERATIONS: Final[Meaning] = (
    BrokenError,
    "too_many_operations",
    "{name} carries out as many remote operations as it allows",
    "run it again later, or raise MaxConcurrentOperationsPerUser in its WinRM service",
)
_DENIED: Final[Meaning] = (
    NotLetInError,
    "access_denied",
    "{name} knows {user} and refuses remote commands: that needs an administrator",
    "add the account to Administrators there; for a local account also set LocalAccountTokenFilterPolicy to 1",
)
_NO_POWERSHELL: Final[Meaning] = (
    BrokenError,
    "powershell_missing",
    "{name} does not find powershell.exe",
    "look at PATH and at what blocks programs there",
)
_NOT_READ: Final[Meaning] = (
    BrokenError,
    "input_not_read",
    "the program on {name} ended before it had read what it was sent",
    "log in there as the user of the connection, start powershell.exe and see what it says",
)
STILL_RUNNING: Final = 2150858793
"""The fault of an operation that did not come to its end within OperationTimeout (ERROR_WSMAN_OPERATION_TIMEDOUT)."""

FAULTS: Final[Mapping[int, Meaning]] = {
    # wsmerror.h and winerror.h of the Windows SDK
    **dict.fromkeys((109, 232, 2147942509, 2147942632), _NOT_READ),
    STILL_RUNNING: (
        BrokenError,
        "operation_timeout",
        "the WinRM service of {name} did not get done in time",
        "run it again; raise timeout in its connection if it is only slow",
    ),
    **dict.fromkeys((2150859173, 2150859236, 2150859238), _SHELLS),
    **dict.fromkeys((2150859174, 2150859175, 2150859176, 2150859239, 2150859240, 2150859241), _OPERATIONS),
    **dict.fromkeys((2150859179, 2150859237), _OPERATIONS),
    **dict.fromkeys((5, 2147942405), _DENIED),
    **dict.fromkeys((2, 2147942402), _NO_POWERSHELL),
    2150858790: TOO_LARGE,
    2150858843: (
        BrokenError,
        "shell_gone",
        "{name} has ended our remote shell",
        "somebody restarted WinRM or the workstation; run it again",
    ),
    2150859180: (
        NotLetInError,
        "shells_forbidden",
        "{name} allows no remote shells",
        'set AllowRemoteShellAccess to true there: winrm set winrm/config/winrs @{{AllowRemoteShellAccess="true"}}',
    ),
}


def told(meaning: Meaning, name: str, user: str = "", said: str = "") -> TransportError:
    """The error for a meaning; ``said`` are the far end's own words, shortened."""
    kind, code, sentence, hint = meaning
    words = {"name": name, "user": user, "said": f" ({' '.join(said.split())[:200]})" if said.strip() else ""}
    return kind(sentence.format(**words), hint.format(**words), code=code)


def in_our_words(error: BaseException, name: str, user: str = "") -> TransportError:
    """The ``TransportError`` for what a library raised about the workstation ``name``."""
    if isinstance(error, pypsrp_errors.WSManFaultError) and len(error.args) > 2:
        meaning = FAULTS.get(error.code)
        if meaning is None:
            sentence = "{name} refuses what it was asked over WinRM{said}"
            meaning = (BrokenError, "winrm_fault", sentence, "look at the log of the WinRM service there")
        return told(meaning, name, user, f"{error.reason or ''} [{error.code}]")
    meaning = next((ERRORS[base] for base in type(error).__mro__ if base in ERRORS), NONSENSE)
    if meaning not in (NOT_NEGOTIATED, NO_TICKET):
        return told(meaning, name, user)
    said = str(getattr(error, "base_error", None) or error)
    return told(
        next((each for word, each in _KERBEROS_WORDS.items() if word in said.lower()), meaning), name, user, said
    )
