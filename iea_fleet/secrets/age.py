"""Secrets in files encrypted with age, one file a secret: ``net-entreprises/x`` is ``<folder>/net-entreprises/x.age``.

```yaml
secrets:
  age: {kind: age, folder: secrets, recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}
```

Every write encrypts to all ``recipients``: age's own (age1…) and the public keys ssh-ed25519 and ssh-rsa. Reading
takes the identity of the operator: the file that ``IEA_FLEET_AGE_IDENTITY`` names, else ``age-identity.txt``
beside the folder of the secrets, as a lab has it (keep yours out of git: in a clone others can read it, and it is
refused), else the one in the configuration folder of iea-fleet. The format is age-encryption.org/v1.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import AgeBackend
from iea_fleet.secrets import age_files
from iea_fleet.secrets.age_identity import ENCRYPTED, OperatorIdentity
from iea_fleet.secrets.base import Opening, as_text, no_fields, parts_of


@dataclass(frozen=True, slots=True)
class AgeFolder:
    """The back-end: a folder of age files. What is written is whole or not there, and one process writes at a time."""

    folder: Path
    recipients: tuple[str, ...]
    identity: OperatorIdentity

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        return os.path.isfile(self._file(path))  # noqa: PTH113 - a name that no disk can hold is not there either

    def get(self, path: str, field: str | None) -> SecretStr:
        """The decrypted file."""
        no_fields("a secret in an age file", field)
        return as_text(self._decrypted(path)[0], self._shown(path), "encrypt it again")

    def kept(self) -> dict[str, float]:
        """The paths of all secrets, in order, and when each file was last changed on this machine (Unix seconds)."""
        return age_files.kept(self.folder)

    def put(self, path: str, value: SecretStr) -> None:
        """Keep a value, encrypted to all recipients, in the place of the one that may be there.

        SecretError leaves everything as it was. A file that is no age file is not overwritten.
        """
        file, shown = self._file(path), self._shown(path)
        encrypted = _encrypted(value.get_secret_value().encode(), self.recipients, shown)
        with age_files.one_writer(self.folder):
            age_files.refuse_links(self.folder, file, shown)
            if os.path.lexists(file) and not age_files.read_small(file, shown, "").startswith(ENCRYPTED):
                raise SecretError(f"{shown} is no age file", "move it away first", code="secret_foreign")
            age_files.replace(file, encrypted, shown)

    def rekey(self, path: str) -> None:
        """Encrypt a secret anew, to the recipients of now. SecretError leaves its file as it was.

        What the operator's own identity would not open again is not written.
        """
        file, shown = self._file(path), self._shown(path)
        with age_files.one_writer(self.folder):
            age_files.refuse_links(self.folder, file, shown)
            value, armored = self._decrypted(path)
            encrypted = _encrypted(value, self.recipients, shown, armored=armored)
            try:
                pyrage.decrypt(encrypted, self.identity.keys(self.folder.parent))
            except pyrage.DecryptError:
                raise SecretError(
                    f"{shown} would not open with your own identity any more",
                    "add your recipient to `recipients`, or let somebody whose recipient is there do this",
                    code="secret_would_be_lost",
                ) from None
            age_files.replace(file, encrypted, shown)

    def _shown(self, path: str) -> str:
        return f"the secret {path} of {self.folder}"

    def _file(self, path: str) -> Path:
        """The file of a secret. It must not leave the folder, not even through a link."""
        parts = parts_of(path)
        file = self.folder.joinpath(*parts[:-1], f"{parts[-1]}{age_files.ENDING}")
        try:
            inside = file.resolve().is_relative_to(self.folder.resolve())
        except (OSError, RuntimeError):  # links in a circle
            inside = False
        if not inside:
            raise SecretError(
                f"the secret {path} is a link out of {self.folder}", "put the file itself there", code="secret_is_link"
            )
        return file

    def _decrypted(self, path: str) -> tuple[bytes, bool]:
        """The value of a file, and whether the file is text (armored)."""
        shown = self._shown(path)
        encrypted = age_files.read_small(
            self._file(path), shown, f"make it with: iea-fleet secrets INVENTORY set {path}"
        )
        try:
            return pyrage.decrypt(encrypted, self.identity.keys(self.folder.parent)), encrypted.startswith(ENCRYPTED[1])
        except pyrage.DecryptError as error:
            raise _no_entry(error, encrypted, shown) from None


def _encrypted(value: bytes, recipients: Sequence[str], shown: str, *, armored: bool = False) -> bytes:
    known = [_recipient(text, place) for place, text in enumerate(recipients, start=1)]
    encrypted: bytes = pyrage.encrypt(value, known, armored=armored)
    if len(encrypted) > age_files.MOST_BYTES:
        raise SecretError(f"{shown} is too long", "at most 64 KB are kept", code="secret_too_long")
    return encrypted


def _recipient(text: str, place: int) -> pyrage.x25519.Recipient | pyrage.ssh.Recipient:
    kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        return kind.from_str(text)
    except pyrage.RecipientError:
        raise SecretError(
            f"number {place} of `recipients` is no recipient of age",
            "copy it again: age1… as `iea-fleet secrets INVENTORY init` prints it, or a line ssh-ed25519 AAAA…",
            code="recipient_wrong",
        ) from None


def _no_entry(error: pyrage.DecryptError, encrypted: bytes, shown: str) -> SecretError:
    """The words for a file that does not open. The library has one class for all, and constant texts."""
    cut_off = encrypted and any(begin.startswith(encrypted) for begin in ENCRYPTED)
    if not encrypted.startswith(ENCRYPTED) and not cut_off:
        return SecretError(f"{shown} is no age file", "encrypt it again with age", code="secret_foreign")
    if "No matching keys" in str(error):
        hint = "ask somebody who can read it to encrypt it to your recipient too"
        return SecretError(f"{shown} is not encrypted to your identity", hint, code="secret_wrong_identity")
    return SecretError(f"{shown} is damaged or cut off", "restore it from git", code="secret_damaged")


def open_backend(declared: AgeBackend, opening: Opening) -> AgeFolder:
    """The folder of age files; relative ones are meant from ``opening.folder``. The identity is read when needed."""
    return AgeFolder(opening.folder / declared.folder, declared.recipients, opening.identity)
