"""The secrets of a connection, and the lab's inventory with them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from canaries import canary
from kept_secrets import Kept
from labs import RunningLab

PHRASE = canary("7f3a9c51d86e0b24")
"""Opens the key."""
PASSWORD = canary("b02d44e8a9136f7c")
"""Logs in at the jump host."""


def locked(lab: RunningLab, folder: Path) -> Path:
    """A copy of the lab's client key in ``folder`` that PHRASE opens."""
    key = folder / "id_locked"
    shutil.copyfile(lab.directory / "id_ed25519", key)
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-p", "-q", "-P", "", "-N", PHRASE, "-f", key], check=True, capture_output=True)
    return key


def inventory_of(lab: RunningLab, secrets: Kept, **connection: Any) -> Path:
    """The lab's inventory with this back-end and more in its connection; secrets are named as they are kept."""
    for name in ("key_passphrase", "password"):
        if name in connection:
            connection[name] = secrets.reference(connection[name])
    document = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))
    document["secrets"] = {**document.get("secrets", {}), **secrets.declared}
    document["defaults"]["connection"] |= connection
    path = lab.directory / "canary.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path
