"""What an old installation of IEA looks like on the disk of a lab workstation, before anybody tidied it up.

The mess is that of the fiches: « Sécurisé » off and ``http:`` addresses (before V72), ``:80`` appended (V70), and
workstations where both were applied in turn. A third address, comments and line ends are there to be preserved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Habit:
    """How one person typed the settings of one workstation."""

    secure: str
    address: str
    update: str
    state: str
    motif: str = ""


_BEFORE_V72 = _Habit("N", "http://localhost:{port}", "http://localhost:{port}/updates", "connecte")
_AFTER_V70 = _Habit("N", "http://localhost:80", "http://localhost:80/updates", "echec", "Connexion refusée")
_BOTH_FICHES = _Habit("O", "https://localhost:80", "http://localhost:{port}/updates", "echec", "Connexion refusée")
_HABITS = (_BEFORE_V72, _AFTER_V70, _BEFORE_V72, _BEFORE_V72, _BOTH_FICHES, _BEFORE_V72)

_FRENCH = """#Paramètres de connexion
#Mon Mar 04 09:12:33 CET 2019
connexion.securisee={secure}
serveur.authentification={address}
serveur.maj={update}
# Adresse de l'assistance à distance : ne pas modifier (réseau de la fédération)
serveur.assistance=http://localhost:{port}/assistance
affichage.police=Arial\\u00a010
"""
_SPACED = """! Impact emploi association
! reglages repris du poste precedent

connexion.securisee = {secure}
connexion.delai     = 30

serveur.authentification = {address}
serveur.maj              = {update}
serveur.assistance       = http://localhost:{port}/assistance
"""
_COLONS = """# IEA
serveur.assistance: http://localhost:{port}/assistance
serveur.maj: {update}
serveur.authentification: {address}
connexion.securisee: {secure}
imprimante: Bureau de Mme Lefèvre
"""
_LOOKS = ((_FRENCH, "\r\n"), (_SPACED, "\n"), (_COLONS, "\n"), (_FRENCH, "\n"), (_COLONS, "\r\n"))


def old_installation(number: int, port: int) -> Mapping[str, bytes]:
    """The files of the ``number``-th workstation (from 0), by name; ``port`` is that of the IEA servers."""
    habit, (look, line_end) = _HABITS[number % len(_HABITS)], _LOOKS[number % len(_LOOKS)]
    values = {"address": habit.address.format(port=port), "update": habit.update.format(port=port)}
    settings = look.format(secure=habit.secure, port=port, **values)
    version = "V72" if number % 4 == 3 else "3.02.004"
    texts = {
        "connexion.properties": settings.replace("\n", line_end),
        "version.properties": f"#Impact emploi association\nversion={version}\n",
        "etat.properties": f"#Centre de maintenance\r\netat={habit.state}\r\nmotif={habit.motif}\r\n",
    }
    return {name: text.encode("latin-1") for name, text in texts.items()}
