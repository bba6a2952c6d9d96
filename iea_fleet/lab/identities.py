"""The Net-Entreprises accounts of the lab: invented associations, with passwords that are made anew for each lab."""

from __future__ import annotations

import secrets
from typing import Final

from iea_fleet.lab.portal import PortalAccount

SERVICE_CODE: Final = "97"
"""What the DSN API calls the general regime in the test environment (public clients of it)."""

_AWKWARD = "&<'é"
WHO = {
    "ligue-54": ("78334512700014", "D'AMICO", "Hélène"),
    "ligue-88": ("78339088300016", "LEFÈVRE", "Jean-Luc"),
    "ligue-55": ("78330055100018", "MULLER & FILS", "Anne"),
}
"""Siret, nom and prenom of each account, by the name that it has in the lab's inventory."""


def new_accounts() -> list[PortalAccount]:
    """The accounts of the portal, by the names that they have in the lab's inventory."""
    return [PortalAccount(name, *who, SERVICE_CODE, _password()) for name, who in WHO.items()]


def _password() -> str:
    """A password of 16 characters, some of which XML has to escape."""
    drawn = secrets.token_urlsafe(9)
    return f"{drawn[:6]}{_AWKWARD}{drawn[6:]}"
