"""A Net-Entreprises account as it is tested, and the judged answer. No password is in either.

Source of the answers: the DSN API's development kit and public clients that quote its guide (POST …/authentifier/1.0/).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Environment = Literal["production", "test"]


class Answered(StrEnum):
    """What Net-Entreprises said of an account; ``unavailable``: nothing was sent, or it did not look at it.

    ``undecided``: it was sent, and no answer was read.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"
    NOT_REGISTERED = "not_registered"
    LOCKED = "locked"
    FORM = "form"
    BLOCKED = "blocked"
    UNAVAILABLE = "unavailable"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Account:
    """One account as the portal knows it; the password travels apart from it.

    ``siret``, ``nom``, ``prenom`` and ``environment`` are the account, ``service`` is what it is asked for.
    """

    siret: str
    nom: str
    prenom: str
    service: str
    environment: Environment


@dataclass(frozen=True, slots=True)
class AccountVerdict:
    """What is known of an account with one password: the answer, a sentence with the remedy, and when (UTC).

    ``fresh``: asked in this run; otherwise it was remembered.
    """

    answered: Answered
    reason: str
    at: dt.datetime
    fresh: bool = False

    @property
    def reason_code(self) -> str:
        """The reason code of a cell that is skipped because of it."""
        return f"account_{self.answered}"


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """An identity of an inventory, who uses it, and what is known of its account.

    ``users`` are named ``office/user``, ``workstations`` are those of their offices. ``verdict`` is the last one, None
    when there is none; ``outdated``: it is about another password than that of today. ``trouble`` says why the
    password cannot be had here.
    """

    name: str
    account: Account
    users: tuple[str, ...]
    workstations: tuple[str, ...]
    verdict: AccountVerdict | None
    outdated: bool = False
    trouble: str = ""
