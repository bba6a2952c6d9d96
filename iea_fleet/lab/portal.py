"""The accounts of the simulated Net-Entreprises portal: who is let in, who is refused, and when an account is locked.

The portal locks an account after some refusals in a row (the number is not published) and words the rest as the DSN
API's guide does: expired password, declarant not registered for the service.
"""

from __future__ import annotations

import difflib
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iea_fleet.errors import LabError
from iea_fleet.model.account import Answered

MOST_REFUSALS = 3
"""Refusals in a row after which an account is locked."""

LONGEST_PASSWORD = 30


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client sends."""

    siret: str
    nom: str
    prenom: str
    password: str = field(repr=False)
    service: str


@dataclass(slots=True)
class PortalAccount:
    """One account. ``refusals`` are those in a row, ``asked`` counts every time that the account was judged."""

    name: str
    siret: str
    nom: str
    prenom: str
    service: str
    password: str = field(repr=False)
    locked: bool = False
    expired: bool = False
    registered: bool = True
    refusals: int = 0
    asked: int = 0

    @property
    def state(self) -> str:
        """What ``lab status`` shows."""
        if self.locked:
            return "locked"
        return "expired" if self.expired else "open" if self.registered else "unregistered"


class Portal:
    """All accounts. ``repeated_refusals`` counts how often a password was sent that the same account had refused.

    For that, what was refused is kept as digests, with a salt that nobody keeps.
    """

    def __init__(self, accounts: Sequence[PortalAccount]) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._salt = secrets.token_bytes(32)
        self._refused: set[bytes] = set()
        self.repeated_refusals = 0

    def account(self, asked: Credentials) -> PortalAccount | None:
        """The account that is meant; every letter counts."""
        who = (asked.siret, asked.nom, asked.prenom)
        return next((one for one in self._accounts.values() if (one.siret, one.nom, one.prenom) == who), None)

    def judge(self, asked: Credentials) -> Answered:
        """What the portal says of these credentials; a wrong password counts against the account."""
        account = self.account(asked)
        answered = _judged(account, asked) if account else Answered.REFUSED
        if answered in (Answered.REFUSED, Answered.LOCKED):
            self._remember(asked)
        return answered

    def change(self, name: str, verb: str, password: str = "") -> None:
        """Do what a person does at the portal (see ``CHANGES``). LabError for an unknown account or a bad password."""
        if name not in self._accounts:
            near = difflib.get_close_matches(name, self._accounts, n=1, cutoff=0.1) or list(self._accounts)[:1]
            raise LabError(f"the portal of the lab has no account {name!r}", f"did you mean {near[0]}?")
        account = self._accounts[name]
        if verb == "set-password":
            if not 1 <= len(password) <= LONGEST_PASSWORD or not password.isprintable():
                raise LabError(
                    "the portal takes no such password",
                    f"give one of 1 to {LONGEST_PASSWORD} characters, without line ends or other control characters",
                )
            account.password = password
        for attribute, value in CHANGES[verb].items():
            setattr(account, attribute, value)

    def status(self) -> list[dict[str, Any]]:
        """Each account with its state and its counts, without its password."""
        return [
            {
                "name": one.name,
                "state": one.state,
                "refusals": one.refusals,
                "asked": one.asked,
            }
            for one in self._accounts.values()
        ]

    def _remember(self, asked: Credentials) -> None:
        said = "\0".join((asked.siret, asked.nom, asked.prenom, asked.password))
        digest = hashlib.blake2b(said.encode(), key=self._salt).digest()
        self.repeated_refusals += digest in self._refused
        self._refused.add(digest)


def _judged(account: PortalAccount, asked: Credentials) -> Answered:
    account.asked += 1
    if account.locked:
        return Answered.LOCKED
    if asked.password != account.password:
        account.refusals += 1
        account.locked = account.refusals >= MOST_REFUSALS
        return Answered.REFUSED
    account.refusals = 0
    if account.expired:
        return Answered.EXPIRED
    return Answered.ACCEPTED if account.registered and asked.service == account.service else Answered.NOT_REGISTERED


CHANGES: Mapping[str, Mapping[str, bool | int]] = {
    "set-password": {"locked": False, "expired": False, "refusals": 0},
    "lock": {"locked": True},
    "unlock": {"locked": False, "refusals": 0},
    "expire": {"expired": True},
    "unregister": {"registered": False},
    "register": {"registered": True},
}
"""What can be done to an account, and what it changes there."""
