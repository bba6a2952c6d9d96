"""Whether Net-Entreprises accepts an account: one request to its authentication, never repeated, and the judged answer.

Source: the development kit of the DSN API (form, answers 200, 406, 415, 422) and public clients that quote its guide
(realms of a 401, 403, 407). The token of a 200 is thrown away.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import httpcore
from pydantic import SecretStr

from iea_fleet import __version__
from iea_fleet.core.credential_rules import service_fault
from iea_fleet.errors import TransportError, UsageError
from iea_fleet.model.account import Account, AccountVerdict, Answered, Environment

if TYPE_CHECKING:
    import httpx

# At the level of debugging they tell the headers of what is sent and answered.
for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)

ADDRESSES: Final[Mapping[Environment, str]] = {
    "production": "https://services.net-entreprises.fr/authentifier/1.0/",
    "test": "https://test-services.net-entreprises.fr/authentifier/1.0/",
}
_HEADERS: Final = {
    "Content-Type": "application/xml",
    "Accept-Encoding": "gzip",
    "User-Agent": f"Client-DSN (iea-fleet/{__version__}; iea-fleet)",
}
_LARGEST: Final = 64 * 1024
"""Bytes of a token: more is none."""

_WIRE: Final = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    OSError,
    TransportError,
)
"""Whatever can go wrong on the way to the service, in it, and back."""

_REALM: Final = re.compile(r'realm="([^"]*)"')
_REALMS: Final[Mapping[str, Answered]] = {
    "expiration du mot de passe": Answered.EXPIRED,
    "utilisateur non-inscrit au service": Answered.NOT_REGISTERED,
    # These are words about a token, and none was sent: whoever says so has not looked at the password.
    "expiration du jeton": Answered.UNDECIDED,
    "jeton manquant ou invalide": Answered.UNDECIDED,
}
_STATUSES: Final[Mapping[int, Answered]] = {
    403: Answered.LOCKED,
    404: Answered.UNAVAILABLE,
    406: Answered.UNAVAILABLE,
    407: Answered.BLOCKED,
    415: Answered.UNAVAILABLE,
    422: Answered.FORM,
    429: Answered.UNAVAILABLE,
}
_NOT_AGAIN: Final = (
    "this password is not tried again: log in once at net-entreprises.fr, then change the secret or clear the account"
)
_REASONS: Final[Mapping[Answered, str]] = {
    Answered.ACCEPTED: "Net-Entreprises accepts this account",
    Answered.REFUSED: (
        "Net-Entreprises refuses this account (401): password, names or SIRET are not those of the portal, or it is "
        f"not registered for the DSN; {_NOT_AGAIN}"
    ),
    Answered.EXPIRED: (
        "the password has expired at Net-Entreprises (401): choose a new one at net-entreprises.fr, and set the secret"
    ),
    Answered.NOT_REGISTERED: (
        "the declarant is not registered for the DSN service (401): have the account's administrator register him at "
        "net-entreprises.fr; it counts from the next day"
    ),
    Answered.LOCKED: (
        "Net-Entreprises has locked this account, or refuses where we come from (403): no password of it is tried any "
        "more; unlock it at net-entreprises.fr, then run: iea-fleet identities INVENTORY clear NAME"
    ),
    Answered.FORM: (
        "Net-Entreprises does not take the form of this account (422): compare siret, nom, prenom and service with the "
        "portal"
    ),
    Answered.BLOCKED: (
        "the filter of Net-Entreprises takes the request for dangerous (407): apply again later; if it stays, choose a "
        "password with other signs"
    ),
}
_OUR_FAULT: Final = (406, 415)


@dataclass(frozen=True)
class NetEntreprises:
    """The authentication service. One object serves all threads; every test has connections of its own.

    ``ca_file`` holds the authorities that are trusted, those of the system without it. ``proxy`` is reached from where
    the test is made. ``timeout`` is seconds without an answer, ``deadline`` seconds for a whole test.
    UsageError when the file of authorities cannot be read.
    """

    ca_file: str | None = None
    proxy: str | None = None
    timeout: float = 20
    deadline: float = 45
    _trust: ssl.SSLContext = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_trust", _trusting(self.ca_file))

    def authenticate(
        self, account: Account, password: SecretStr, way: httpcore.NetworkBackend | None = None
    ) -> AccountVerdict:
        """Ask once, and judge the answer. ``way`` makes the connections, where not this machine does.

        UsageError, with nothing sent, for a service code of the other environment.
        """
        # httpx takes 90 ms to load, and most commands send nothing.
        from iea_fleet.services.connections import Through, Timed, posted  # noqa: PLC0415

        refuse_mix_up(account)
        trace = _Trace()
        transport = Through(Timed(way or httpcore.SyncBackend(), self.deadline), self._trust, self.proxy)
        form, address = _form(account, password), ADDRESSES[account.environment]
        try:
            with posted(address, form, _HEADERS, transport, self.timeout, trace) as answer:
                return _judged(answer)
        except _WIRE as error:
            # Once it was sent never the text of the error: it may quote what the far end said.
            return answer_lost(_unread(error)) if trace.sent else not_reached(_unreached(error))


def refuse_mix_up(account: Account) -> None:
    """UsageError when the service code of an account is one of the other environment."""
    if fault := service_fault(account.service, account.environment):
        raise UsageError(*fault, code="service_code")


def not_reached(why: str) -> AccountVerdict:
    """The verdict when the password has not left us."""
    reason = f"Net-Entreprises was not reached, and nothing was sent: {why}"
    return _verdict(Answered.UNAVAILABLE, reason)


def answer_lost(why: str = "the test was broken off") -> AccountVerdict:
    """The verdict when the password may have been judged, and nobody knows how."""
    return _verdict(
        Answered.UNDECIDED, f"sent to Net-Entreprises, and how it was judged nobody knows: {why}; {_NOT_AGAIN}"
    )


@dataclass
class _Trace:
    """Watches httpcore, for the moment from which on the password may have been seen."""

    sent: bool = False

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        # A proxy is asked with CONNECT by the same code: it gets no body.
        if event == "http11.send_request_body.started" and info["request"].method == b"POST":
            self.sent = True


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the file {ca_file} holds no certificates that can be read: {error.strerror or error}",
            "correct net_entreprises_service.ca_file",
            code="ca_file_unreadable",
        ) from None


def _form(account: Account, password: SecretStr) -> bytes:
    root = ET.Element("identifiants")
    fields = {
        "siret": account.siret,
        "nom": account.nom,
        "prenom": account.prenom,
        "motdepasse": password.get_secret_value(),
        "service": account.service,
    }
    for name, text in fields.items():
        ET.SubElement(root, name).text = text
    form: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return form


def _judged(answer: httpx.Response) -> AccountVerdict:
    status = answer.status_code
    if status == 200:
        return _tokened(answer)
    if status == 401:
        answered = _by_realm(answer.headers.get_list("www-authenticate"))
    elif status >= 500:
        answered = Answered.UNAVAILABLE
    else:
        answered = _STATUSES.get(status, Answered.UNDECIDED)
    if answered is Answered.UNDECIDED:
        return answer_lost(f"its answer ({status}) says nothing of the password")
    if answered is not Answered.UNAVAILABLE:
        return _verdict(answered, _REASONS[answered])
    advice = "this is a fault of iea-fleet, report it" if status in _OUR_FAULT else "apply again later"
    return _verdict(answered, f"Net-Entreprises did not look at the account, the service answers {status}: {advice}")


def _by_realm(challenges: list[str]) -> Answered:
    realms = [realm.strip().casefold() for challenge in challenges for realm in _REALM.findall(challenge)]
    return next((_REALMS[realm] for realm in realms if realm in _REALMS), Answered.REFUSED)


def _tokened(answer: httpx.Response) -> AccountVerdict:
    """A 200 is an acceptance when there is a token in it, and not when there is a page.

    Who sends one in the place of the service, a filter in between for example, may have passed the password on.
    """
    length, start = 0, b""
    for chunk in answer.iter_bytes():
        length += len(chunk)
        start = (start + chunk)[:512]
        if length > _LARGEST:
            return answer_lost("its answer is too long for a token")
    text = start.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return answer_lost("its answer is empty")
    if text.startswith(b"<") or "html" in answer.headers.get("content-type", "").lower():
        return answer_lost("a page came in the place of a token: something in between may have answered")
    return _verdict(Answered.ACCEPTED, _REASONS[Answered.ACCEPTED])


def _verdict(answered: Answered, reason: str) -> AccountVerdict:
    return AccountVerdict(answered, reason, dt.datetime.now(dt.UTC), fresh=True)


def _unread(error: Exception) -> str:
    if isinstance(error, httpcore.TimeoutException):
        return "no answer came in time"
    if isinstance(error, httpcore.ProtocolError):
        return "the answer ended early, or is no HTTP"
    return "the connection ended"


def _unreached(error: Exception) -> str:
    if isinstance(error, httpcore.ProxyError):
        return f"the proxy does not let us through ({str(error)[:3]}); look at net_entreprises_service.proxy"
    if isinstance(error, httpcore.TimeoutException):
        return "no answer in time; look at the network, the firewall and net_entreprises_service.proxy"
    if isinstance(error, httpcore.ProtocolError):
        return "what answers there does not speak HTTP; look at net_entreprises_service.proxy"
    # « [Errno 111] Connection refused », « [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify … (_ssl.c:1006) »
    text = re.sub(r"^\[[^\]]*\] ?| \(_ssl\.c:\d+\)$", "", str(error)).strip()
    return text or "the connection ended"
