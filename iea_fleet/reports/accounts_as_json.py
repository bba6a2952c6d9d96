"""Identities and what is known of their accounts, as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from iea_fleet.model.account import Answered, Environment, KnownIdentity
from iea_fleet.reports.as_json import Moment, titled
from iea_fleet.reports.safe import whole

SCHEMA: Final = "iea-fleet/accounts/1"
_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class VerdictPart:
    """What Net-Entreprises said."""

    __pydantic_config__ = _CLOSED

    answered: Answered
    reason: str
    """A sentence for people, with the remedy."""
    at: Moment
    fresh: bool
    """Asked just now; false when it is remembered."""
    outdated: bool
    """It is about another password than the one of today."""


@dataclass(frozen=True, slots=True)
class IdentityPart:
    """One identity of the inventory."""

    __pydantic_config__ = _CLOSED

    identity: str
    siret: str
    nom: str
    prenom: str
    service: str
    environment: Environment
    users: tuple[str, ...]
    """IEA users that deposit with it, as office/user."""
    workstations: tuple[str, ...]
    verdict: VerdictPart | None
    """Null when it was never tested."""
    trouble: str
    """Why its password cannot be had here, or tested; empty when it can."""


@dataclass(frozen=True, slots=True)
class AccountsDocument:
    """The identities of an inventory and what is known of their accounts."""

    __pydantic_config__ = _CLOSED

    schema: Literal["iea-fleet/accounts/1"]
    inventory: str
    accounts: tuple[IdentityPart, ...]


def accounts_document(inventory: str, identities: Sequence[KnownIdentity]) -> dict[str, Any]:
    """The document, ready for ``json.dumps``."""
    filled = AccountsDocument(SCHEMA, inventory, tuple(_part(one) for one in identities))
    written: dict[str, Any] = _adapter().dump_python(filled, mode="json")
    return written


def accounts_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``accounts_document``."""
    return titled(_adapter().json_schema(mode="serialization"), "accounts")


@cache
def _adapter() -> TypeAdapter[AccountsDocument]:
    return TypeAdapter(AccountsDocument)


def _part(one: KnownIdentity) -> IdentityPart:
    account, verdict = one.account, one.verdict
    return IdentityPart(
        identity=one.name,
        siret=account.siret,
        nom=account.nom,
        prenom=account.prenom,
        service=account.service,
        environment=account.environment,
        users=one.users,
        workstations=one.workstations,
        verdict=VerdictPart(verdict.answered, str(whole(verdict.reason)), verdict.at, verdict.fresh, one.outdated)
        if verdict
        else None,
        trouble=str(whole(one.trouble)),
    )
