"""The key of a history: it signs journals and plans, and hides values that must not be guessed from their digests.

It is kept beside the database and never in it: a copied database signs nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from pydantic import SecretStr

from iea_fleet.errors import HistoryError

FILE: Final = "history.key"
_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """32 random bytes in a file that only its owner can read."""

    secret: bytes = field(repr=False)

    @classmethod
    def open(cls, state_dir: Path) -> Self:
        """The key of the history in this folder, made when there is none yet. HistoryError when it cannot be had."""
        path = state_dir / FILE
        try:
            _make(path)
            mode = path.stat().st_mode
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise HistoryError(f"the key of the history {path} cannot be read: {error}", code="history_key") from None
        if mode & 0o077:
            raise HistoryError(
                f"the key of the history {path} can be read by others", f"chmod 600 {path}", code="history_key"
            )
        try:
            secret = bytes.fromhex(text)
        except ValueError:
            secret = b""
        if len(secret) != _BYTES:
            raise HistoryError(
                f"the key of the history {path} is damaged",
                "put it back from a backup; without it, interrupted runs have to be released by hand",
                code="history_key",
            )
        return cls(secret)

    @property
    def fingerprint(self) -> str:
        """What the database keeps of the key, to know it again."""
        return hashlib.sha256(b"iea-fleet history key\0" + self.secret).hexdigest()[:32]

    def sign(self, data: bytes) -> str:
        """A signature that only who has the key can make."""
        return hmac.new(self.secret, data, hashlib.sha256).hexdigest()

    def mark(self, value: SecretStr) -> str:
        """What is kept in the place of a secret: it tells whether two are the same, and cannot be guessed from.

        A bare hash of a short password could be.
        """
        return "hmac-sha256:" + self.sign(b"iea-fleet secret\0" + value.get_secret_value().encode())


def _make(path: Path) -> None:
    """Make the key if it is not there; of two processes at once one makes it, whole, and both read the same."""
    if path.exists():
        return
    new = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)
        except FileExistsError:
            return
    finally:
        new.unlink()
