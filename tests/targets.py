"""Targets and layouts for tests of pure rooms, made from the same models as the user's files."""

from __future__ import annotations

from typing import Any

from iea_fleet.model.layout import Layout
from iea_fleet.model.matrix import Status
from iea_fleet.model.target import ServerConnection, SshConnection, Target
from iea_fleet.resources import Knowledge, Unobserved

LAYOUT: dict[str, Any] = {
    "version": 1,
    "name": "test",
    "versions": ">=3.00.72,<3.03",
    "os": "posix",
    "root": "/iea",
    "private": "/iea-fleet",
    "version_file": {"file": "version.properties", "format": "properties", "key": "version"},
    "state_file": {
        "file": "etat.properties",
        "format": "properties",
        "key": "etat",
        "reason": "motif",
        "values": {
            "connecte": "connected",
            "echec": "failed",
            "assistance": "assistance",
            "refus": "refused",
            "licence": "licence",
        },
    },
    "application": {"lock_file": "ImpactEmploi.lock"},
    "server_connection": {
        "file": "connexion.properties",
        "format": "properties",
        "encoding": "latin-1",
        "keys": {
            "secure": {"key": "connexion.securisee", "values": {"O": True, "N": False}},
            "authentication_url": {"key": "serveur.authentification"},
            "update_url": {"key": "serveur.maj"},
        },
    },
    "actions": {"relaunch_authentication": {"run": ["/iea/maintenance", "relancer"], "timeout": 30}},
}


class PlainMarks:
    """Marks that a test can read: the text itself. ``passwords`` are by identity; others cannot be had."""

    def __init__(self, **passwords: str) -> None:
        self.passwords = passwords

    def of(self, text: str) -> str:
        return f"mark:{text}"

    def password(self, identity: str) -> str | Unobserved:
        if identity not in self.passwords:
            return Unobserved(Status.UNKNOWN, "the password cannot be had", "secret_missing")
        return self.of(self.passwords[identity])


NOTHING_KNOWN = Knowledge({}, PlainMarks())

WANTED = ServerConnection(
    secure=True,
    authentication_url="https://impact-emploi.urssaf.fr",
    update_url="https://impact-emploi.urssaf.fr/updates",
)


def target(name: str = "nancy-01", *, layout: dict[str, Any] | None = None, **changes: Any) -> Target:
    """A target as resolving an inventory would give it, with these fields changed."""
    described = Layout.model_validate(layout or LAYOUT)
    fields: dict[str, Any] = {
        "name": name,
        "office": "nancy",
        "installation": "network",
        "address": "127.0.0.1",
        "connection": SshConnection(user="iea-admin", key_file="/nowhere"),
        "layout": described,
        "files": {
            "server_connection": "/iea/connexion.properties",
            "state_file": "/iea/etat.properties",
            "version_file": "/iea/version.properties",
            "lock_file": "/iea/ImpactEmploi.lock",
            "private": "/iea-fleet",
        },
        "server_connection": WANTED,
        "resources": ("server_connection",),
    }
    return Target(**{**fields, **changes})
