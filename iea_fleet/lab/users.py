"""The IEA users of the lab: who works where, with which Net-Entreprises account, and what was typed there long ago.

The mess is that of the fiche: a blank behind the name, lower case, last year's password, an account that was never
typed for one of the users, and somebody whom nobody remembers.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Final

from iea_fleet.lab.identities import WHO
from iea_fleet.lab.seal import Seal

ADMINISTRATOR: Final = "Administrateur"
FOLDER: Final = "utilisateurs"

_NETWORK: tuple[Mapping[str, str | None], ...] = (
    {"dupont": "ligue-54", "martin": "ligue-54", "Hélène Noël": "ligue-54"},
    {"dupont": "ligue-54", "petit": "ligue-55"},
    {"lefevre": "ligue-88", "Hélène Noël": "ligue-88", "parti": None},
)
_STANDALONE: tuple[Mapping[str, str | None], ...] = ({ADMINISTRATOR: "ligue-54"}, {ADMINISTRATOR: "ligue-88"})
_ONLY_ONE = "Geneviève"
_FORGOTTEN = "stagiaire"
_OLD_PASSWORD = "Ligue2019"  # noqa: S105 - what was typed long ago; the portal takes it no more

_USER = """<?xml version="1.0" encoding="UTF-8"?>
<utilisateur nom="{user}">
  <!-- réglages personnels -->
  <affichage police="Arial" taille="10"/>{account}
</utilisateur>
"""
_ACCOUNT = """
  <netEntreprises>
    <siret>{siret}</siret>
    <nom>{nom}</nom>
    <prenom>{prenom}</prenom>
    <motDePasse>{password}</motDePasse>
    <service>97</service>
    <dernierDepot>2025-11-05</dernierDepot>
  </netEntreprises>"""


def users(office: int, standalone: bool) -> Mapping[str, str | None]:
    """The users of the ``office``-th office (from 0) by name, with their account; None for somebody who left."""
    kinds = _STANDALONE if standalone else _NETWORK
    return kinds[office % len(kinds)]


def user_files(number: int, office: int, standalone: bool, seal: Seal) -> Iterator[tuple[str, bytes]]:
    """The files of the users of the ``number``-th workstation (from 0) of the lab, by name below IEA's folder."""
    for place, (user, identity) in enumerate(users(office, standalone).items()):
        # 0: mistyped; 1: never typed; 2: never opened IEA; 3: right but for the password.
        habit = (number + place) % 4
        if standalone:
            # « Administrateur » is whoever there is.
            yield _file(user if number % 2 == 0 else _ONLY_ONE, _old_account(identity, habit, seal))
        elif identity is None:
            yield _file(user, _old_account("ligue-88", 0, seal))
        elif habit == 1:
            yield _file(user, "")
        elif habit != 2:
            yield _file(user, _old_account(identity, habit, seal))
    if number == 1 and not standalone:
        yield _file(_FORGOTTEN, _old_account("ligue-54", 0, seal))


def _file(user: str, account: str) -> tuple[str, bytes]:
    return f"{FOLDER}/{user}.xml", _USER.format(user=user, account=account).encode()


def _old_account(identity: str | None, habit: int, seal: Seal) -> str:
    siret, nom, prenom = WHO[identity or "ligue-54"]
    typed = (nom, prenom) if habit == 3 else (f"{nom} ", prenom.lower())
    nom, prenom = (html.escape(text, quote=False) for text in typed)
    return _ACCOUNT.format(siret=siret, nom=nom, prenom=prenom, password=seal.close(_OLD_PASSWORD))
