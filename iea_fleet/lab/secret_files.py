"""The passwords of the lab's accounts as its inventory refers to them: encrypted with age, one file each.

The identity that opens them lies beside them, as a file that no clone of the lab's folder would have: it is ignored by
git with everything else there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyrage  # type: ignore[import-untyped]

from iea_fleet.lab.portal import PortalAccount

FOLDER: Final = "secrets"
IDENTITY: Final = "age-identity.txt"


def reference(account: str) -> str:
    """What the inventory writes in the place of an account's password."""
    return f"age:{_path(account)}"


def write_secrets(directory: Path, accounts: Iterable[PortalAccount]) -> str:
    """Make an age identity and a file for each account below the lab's folder; the recipient for the inventory."""
    identity = pyrage.x25519.Identity.generate()
    recipient = identity.to_public()
    file = directory / IDENTITY
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(f"# public key: {recipient}\n{identity}\n", encoding="ascii")
    for account in accounts:
        kept = directory / FOLDER / f"{_path(account.name)}.age"
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept.write_bytes(pyrage.encrypt(account.password.encode(), [recipient]))
    return str(recipient)


def _path(account: str) -> str:
    return f"net-entreprises/{account}"
