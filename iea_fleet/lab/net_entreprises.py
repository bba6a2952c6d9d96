"""The authentication of Net-Entreprises as the lab plays it: ``POST /authentifier/1.0/`` over TLS.

Requests, form checks and answers are those of the DSN API's development kit and of public clients that quote its guide
(realms of the 401, 403 for a locked account, 407 for the portal's filter).
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import gzip
import json
import os
import secrets
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import trustme

from iea_fleet.lab.faults import Fault
from iea_fleet.lab.https_server import HttpAnswer, HttpRequest, HttpsServer
from iea_fleet.lab.portal import LONGEST_PASSWORD, Credentials, Portal
from iea_fleet.model.account import Answered

TEST_HOST: Final = "test-services.net-entreprises.fr"
PRODUCTION_HOST: Final = "services.net-entreprises.fr"
LOG: Final = "net-entreprises.log"
_PATH = "/authentifier/1.0/"
_LONGEST = {"siret": 14, "nom": 64, "prenom": 39, "motdepasse": LONGEST_PASSWORD, "service": 2}
_TOKEN_LIVES = dt.timedelta(hours=1)
_HUGE = 10 * 1024 * 1024


class NetEntreprises(HttpsServer):
    """The service. Accounts exist in the test environment alone; ``log`` gets one line a request, without passwords."""

    def __init__(self, authority: trustme.CA, portal: Portal, log: Path) -> None:
        super().__init__(authority, (TEST_HOST, PRODUCTION_HOST), self._answer_one)
        self.portal = portal
        self._portals = {TEST_HOST: portal, PRODUCTION_HOST: Portal(())}
        self.requests = 0
        self.faults: dict[str, Fault] = {}
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Stop, and give the port back."""
        super().close()
        os.close(self._log)

    def spoil(self, fault: Fault) -> None:
        """Bring a fault into force."""
        self.faults[fault.kind] = fault
        if fault.kind == "down":
            self.stop()

    async def mend(self) -> None:
        """End all faults. What was done to the accounts stays."""
        self.faults.clear()
        await self.start()

    def status(self) -> dict[str, Any]:
        """What ``lab status`` shows."""
        return {
            "requests": self.requests,
            "faults": [str(fault) for fault in self.faults.values()],
            "repeated_refusals": self.portal.repeated_refusals,
            "accounts": self.portal.status(),
        }

    async def _answer_one(self, request: HttpRequest) -> HttpAnswer | None:
        self.requests += 1
        if slow := self.faults.get("slow"):
            await asyncio.sleep(slow.amount / 1000)
        spoilt = next((make for kind, make in _SPOILT.items() if kind in self.faults), None)
        about: dict[str, str] = {}
        answer = spoilt() if spoilt else _misplaced(request) or self._judge(request, about)
        lost = not spoilt and "answer-lost" in self.faults
        self._note({**about, "status": answer.status, **({"lost": True} if lost else {})})
        return None if lost else answer

    def _judge(self, request: HttpRequest, about: dict[str, str]) -> HttpAnswer:
        """The answer to a request in the right form. ``about`` gets what the log may know of it."""
        asked = _credentials(request.body)
        if isinstance(asked, str):
            about["verdict"] = Answered.FORM
            return _said(422, asked)
        portal = self._portals[_host(request)]
        account = portal.account(asked)
        about["account"] = account.name if account else "unknown"
        about["verdict"] = answered = portal.judge(asked)
        return _ANSWERS[answered]()

    def _note(self, about: Mapping[str, Any]) -> None:
        line = {"at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"), **about}
        os.write(self._log, json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _misplaced(request: HttpRequest) -> HttpAnswer | None:
    """Why a request is refused before anybody reads what is in it."""
    fields = request.fields
    if _host(request) not in (TEST_HOST, PRODUCTION_HOST):
        return _said(403, "hôte incohérent")
    if request.path != _PATH:
        return _said(404, "page inconnue")
    if request.method != "POST":
        return _said(405, "méthode refusée", Allow="POST")
    if fields.get("content-type", "").partition(";")[0].strip().lower() != "application/xml":
        return _said(415, "type de contenu refusé : application/xml attendu")
    if not _takes_gzip(fields.get("accept-encoding", "gzip")):
        return _said(406, "le client doit accepter gzip")
    return None


def _host(request: HttpRequest) -> str:
    return request.fields.get("host", "").lower().removesuffix(":443")


def _takes_gzip(accepted: str) -> bool:
    for coding in accepted.lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name in ("gzip", "*"):
            return weight.strip("0.") != "" or weight == ""
    return False


def _credentials(body: bytes) -> Credentials | str:
    """What a body holds, or which form check it fails; no value is in those words."""
    if b"<!DOCTYPE" in body:
        return "XML refusé : type de document"
    try:
        root = ET.fromstring(body)  # noqa: S314 - 16 KB at most, and no entity without a document type
    except (ET.ParseError, ValueError, LookupError):
        return "XML illisible"
    names = [child.tag for child in root]
    if root.tag != "identifiants" or sorted(names) != sorted(_LONGEST) or any(len(child) for child in root):
        return "identifiants : siret, nom, prenom, motdepasse et service attendus, une fois chacun"
    texts = {child.tag: child.text or "" for child in root}
    for name, longest in _LONGEST.items():
        shortest = longest if name == "siret" else 1
        if not shortest <= len(texts[name]) <= longest:
            return f"{name} : longueur incorrecte"
    return Credentials(texts["siret"], texts["nom"], texts["prenom"], texts["motdepasse"], texts["service"])


def _said(status: int, text: str, **fields: str) -> HttpAnswer:
    return HttpAnswer(status, f"{text}\n".encode(), fields=fields)


def _unauthorised(challenge: str) -> Callable[[], HttpAnswer]:
    return lambda: HttpAnswer(401, "accès refusé\n".encode(), fields={"WWW-Authenticate": challenge})


def _token() -> HttpAnswer:
    expires = format_datetime(dt.datetime.now(dt.UTC) + _TOKEN_LIVES, usegmt=True)
    token = gzip.compress(base64.b64encode(secrets.token_bytes(96)))
    return HttpAnswer(200, token, "application/octet-stream", {"Content-Encoding": "gzip", "Expires": expires})


_ANSWERS: Mapping[Answered, Callable[[], HttpAnswer]] = {
    Answered.ACCEPTED: _token,
    Answered.REFUSED: _unauthorised('Basic realm="net-entreprises.fr"'),
    Answered.EXPIRED: _unauthorised('Basic realm="Expiration du mot de passe"'),
    Answered.NOT_REGISTERED: _unauthorised('DSNLogin realm="Utilisateur non-inscrit au service"'),
    Answered.LOCKED: lambda: _said(403, "compte bloqué"),
}
_SPOILT: Mapping[str, Callable[[], HttpAnswer]] = {
    "outage": lambda: _said(503, "service indisponible"),
    "filtered": lambda: _said(407, "requête jugée dangereuse"),
    "html": lambda: HttpAnswer(200, b"<!DOCTYPE html><title>Maintenance</title>\n", "text/html; charset=utf-8"),
    "huge": lambda: HttpAnswer(200, b"0" * _HUGE, "application/octet-stream"),
}
"""Faults that answer in place of the service: the account is not looked at."""
