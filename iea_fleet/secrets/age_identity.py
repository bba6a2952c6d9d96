"""The operator's age identity: where it is, how it is unlocked, and making one.

It is a file in the form that ``age-keygen`` writes, protected by a passphrase or not, or an OpenSSH private key
without one; readable by its owner alone.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.secrets.age_files import not_written, read_small, sync, write_new
from iea_fleet.secrets.redactor import SHARED

if TYPE_CHECKING:
    import pyrage  # type: ignore[import-untyped]

    Keys = list[pyrage.x25519.Identity | pyrage.ssh.Identity]

IDENTITY_VARIABLE = "IEA_FLEET_AGE_IDENTITY"
PASSPHRASE_VARIABLE = "IEA_FLEET_AGE_PASSPHRASE"  # noqa: S105 - the name of a variable
ENCRYPTED = (b"age-encryption.org/v1", b"-----BEGIN AGE ENCRYPTED FILE-----")
"""How every age file begins, as bytes and as text."""
_NAME = "age-identity.txt"
_SECRET_KEY = "AGE-SECRET-KEY-1"  # noqa: S105 - how each line of an identity begins, no secret
_SSH_KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----"


def identity_path(beside: Path | None = None) -> Path:
    """Where the operator's identity is: what the variable names, else in the configuration folder of iea-fleet.

    One that lies in ``beside``, the folder around that of the secrets, is nearer than the latter. A lab has one there.
    """
    if named := os.environ.get(IDENTITY_VARIABLE):
        return Path(named).expanduser()
    if beside is not None and (beside / _NAME).exists():
        return beside / _NAME
    return platformdirs.user_config_path("iea-fleet") / _NAME


class OperatorIdentity:
    """The operator's identity, read and unlocked when it is first needed, and not again in a run."""

    def __init__(self) -> None:
        self._keys: dict[Path, Keys | SecretError] = {}

    def keys(self, beside: Path | None = None) -> Keys:
        """The keys that open age files (see ``identity_path``).

        SecretError when they cannot be had; it stays the same for the whole run.
        """
        file = identity_path(beside)
        if file not in self._keys:
            try:
                self._keys[file] = _read_keys(file)
            except SecretError as error:
                self._keys[file] = error
        keys = self._keys[file]
        if isinstance(keys, SecretError):
            raise SecretError(keys.sentence, keys.hint, code=keys.code)
        return keys


def recipients_of(keys: Keys) -> list[str]:
    """What can be written into ``recipients`` for these keys. An OpenSSH key's is in its .pub file."""
    return [str(key.to_public()) for key in keys if hasattr(key, "to_public")]


def make_identity(file: Path, passphrase: SecretStr | None) -> str:
    """Make the operator's identity in this file, protected where a passphrase is given; its recipient.

    SecretError when it is there already: without it every secret would be lost.
    """
    import pyrage  # noqa: PLC0415 - half the commands need no pyrage

    key = pyrage.x25519.Identity.generate()
    recipient = str(key.to_public())
    content = f"# public key: {recipient}\n{key}\n".encode()
    if passphrase is not None:
        content = pyrage.passphrase.encrypt(content, passphrase.get_secret_value())
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(file, content)
        sync(file.parent)
    except FileExistsError:
        hint = "it is never overwritten; move it away to make another"
        raise SecretError(f"the age identity {file} is there already", hint, code="identity_there") from None
    except OSError as error:
        raise not_written(f"the age identity {file}", error) from None
    return recipient


def _read_keys(file: Path) -> Keys:
    import pyrage  # noqa: PLC0415 - half the commands need no pyrage

    shown = f"the age identity {file}"
    content = read_small(
        file,
        shown,
        f"copy yours there, or name it in {IDENTITY_VARIABLE}; who never had one: iea-fleet secrets INVENTORY init",
    )
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise SecretError(f"{shown} can be read by others", f"run: chmod 600 {file}", code="identity_open")
    if content.startswith(_SSH_KEY):
        return [_ssh_key(content, shown)]
    if content.startswith(ENCRYPTED):
        content = _unlocked(content, file, shown)
    lines = [line.strip() for line in content.decode("ascii", "replace").splitlines()]
    read: Callable[[str], pyrage.x25519.Identity] = pyrage.x25519.Identity.from_str
    try:
        keys: Keys = [read(line) for line in lines if line.startswith(_SECRET_KEY)]
    except pyrage.IdentityError:
        keys = []
    if not keys:
        raise SecretError(f"{shown} holds no age identity", "make one with age-keygen", code="identity_foreign")
    return keys


def _ssh_key(content: bytes, shown: str) -> pyrage.ssh.Identity:
    import pyrage  # noqa: PLC0415 - half the commands need no pyrage

    try:
        return pyrage.ssh.Identity.from_buffer(content)
    except pyrage.IdentityError as error:
        if "must be decrypted" in str(error):
            hint = "name a key without one, or make an identity with: iea-fleet secrets INVENTORY init --passphrase"
            raise SecretError(f"{shown} is an SSH key with a passphrase", hint, code="identity_encrypted") from None
        hint = "name an ssh-ed25519 or ssh-rsa key"
        raise SecretError(f"{shown} is no SSH key that age can use", hint, code="identity_foreign") from None


def _unlocked(content: bytes, file: Path, shown: str) -> bytes:
    import pyrage  # noqa: PLC0415 - half the commands need no pyrage

    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    if passphrase is None:
        if not sys.stdin.isatty():
            hint = f"set {PASSPHRASE_VARIABLE} for this command"
            raise SecretError(
                f"{shown} is protected by a passphrase, and there is no terminal to ask for it on",
                hint,
                code="identity_encrypted",
            )
        passphrase = getpass.getpass(f"Passphrase of {file}: ")
    SHARED.remember(passphrase)
    try:
        unlocked: bytes = pyrage.passphrase.decrypt(content, passphrase)
    except pyrage.DecryptError as error:
        if "Decryption failed" in str(error):
            hint = f"type it again, or correct {PASSPHRASE_VARIABLE}"
            raise SecretError(
                f"the passphrase does not open {shown.removeprefix('the ')}", hint, code="identity_passphrase_wrong"
            ) from None
        hint = "put it back from a backup"
        raise SecretError(
            f"{shown} is damaged, or is not protected by a passphrase alone", hint, code="identity_foreign"
        ) from None
    return unlocked
