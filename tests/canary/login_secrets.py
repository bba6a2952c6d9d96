"""The secrets of a connection and of an account, and the lab's inventory with them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from canaries import canary
from kept_secrets import Kept
from labs import RunningLab

from iea_fleet.lab import lifecycle
from iea_fleet.lab.identities import SERVICE_CODE, WHO

PHRASE = canary("7f3a9c51d86e0b24")
"""Opens the key."""
PASSWORD = canary("b02d44e8a9136f7c")
"""Logs in at the jump host."""
ACCOUNT = canary("3c95e7d20f1ab864")
"""Opens an account at Net-Entreprises."""

IDENTITY = "ligue-54"


def locked(lab: RunningLab, folder: Path) -> Path:
    """A copy of the lab's client key in ``folder`` that PHRASE opens."""
    key = folder / "id_locked"
    shutil.copyfile(lab.directory / "id_ed25519", key)
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-p", "-q", "-P", "", "-N", PHRASE, "-f", key], check=True, capture_output=True)
    return key


def inventory_of(lab: RunningLab, secrets: Kept, account: str | None = None, **connection: Any) -> Path:
    """The lab's inventory with this back-end and more in its connection; secrets are named as they are kept.

    With the secret ``account`` one user of each office has an account, which is tested through the lab's proxy.
    """
    for name in ("key_passphrase", "password"):
        if name in connection:
            connection[name] = secrets.reference(connection[name])
    document = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))
    document["secrets"] = {**document.get("secrets", {}), **secrets.declared}
    document["defaults"]["connection"] |= connection
    for declared in (document, *document["offices"].values()):
        declared.pop("identities", None)
        declared.pop("users", None)
    if account is not None:
        siret, nom, prenom = WHO[IDENTITY]
        identity = {"siret": siret, "nom": nom, "prenom": prenom, "service": SERVICE_CODE}
        document["identities"] = {IDENTITY: {**identity, "password": secrets.reference(account)}}
        document["net_entreprises_service"] = {
            "environment": "test",
            "proxy": lab.info.net_entreprises.proxy,
            "ca_file": "ca.pem",
        }
        for office in document["offices"].values():
            user = "Administrateur" if office["installation"] == "standalone" else "dupont"
            office["users"] = {user: {"net_entreprises": IDENTITY}}
    path = lab.directory / "canary.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def registered(lab: RunningLab, password: str = ACCOUNT) -> None:
    """Give the account this password at the portal, which then lets it in."""
    lifecycle.change_account(lab.directory, IDENTITY, "register")
    lifecycle.change_account(lab.directory, IDENTITY, "set-password", password)
