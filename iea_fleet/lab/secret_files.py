"""The passwords of the lab as its inventory refers to them: encrypted with age, one file each.

The identity that opens them lies beside them, as a file that no clone of the lab's folder would have: it is ignored by
git with everything else there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyrage  # type: ignore[import-untyped]

FOLDER: Final = "secrets"
IDENTITY: Final = "age-identity.txt"


OF_WINRM: Final = "winrm/iea-admin"
"""Where the password is that the workstations ask for over WinRM."""


def of_account(name: str) -> str:
    """Where the password of a Net-Entreprises account is."""
    return f"net-entreprises/{name}"


def reference(secret: str) -> str:
    """What the inventory writes in the place of a password."""
    return f"age:{secret}"


def write_secrets(directory: Path, passwords: Mapping[str, str]) -> str:
    """Make an age identity and a file for each password below the lab's folder; the recipient for the inventory."""
    identity = pyrage.x25519.Identity.generate()
    recipient = identity.to_public()
    file = directory / IDENTITY
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(f"# public key: {recipient}\n{identity}\n", encoding="ascii")
    for secret, password in passwords.items():
        kept = directory / FOLDER / f"{secret}.age"
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept.write_bytes(pyrage.encrypt(password.encode(), [recipient]))
    return str(recipient)
