"""Secrets in files encrypted with age, one file a secret: ``net-entreprises/x`` is ``<folder>/net-entreprises/x.age``.

```yaml
secrets:
  age: {kind: age, folder: secrets, recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}
```

The identity is the operator's: the file that ``IEA_FLEET_AGE_IDENTITY`` names, else ``age-identity.txt`` in the
configuration folder of iea-fleet. It is in the form that ``age-keygen`` writes, readable by its owner alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
import pyrage  # type: ignore[import-untyped]
from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import AgeBackend

IDENTITY_VARIABLE = "IEA_FLEET_AGE_IDENTITY"
_MOST_BYTES = 64 * 1024
_SECRET_KEY = "AGE-SECRET-KEY-1"  # noqa: S105 - how each line of an identity begins, no secret
_ENCRYPTED = (b"age-encryption.org/v1", b"-----BEGIN AGE ENCRYPTED FILE-----")


def identity_path() -> Path:
    """Where the operator's identity is."""
    named = os.environ.get(IDENTITY_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_config_path("iea-fleet") / "age-identity.txt"


@dataclass(slots=True)
class _Age:
    folder: Path
    _identities: list[pyrage.x25519.Identity] = field(default_factory=list, repr=False)

    def exists(self, path: str) -> bool:
        return self._file(path).is_file()

    def get(self, path: str, field: str | None) -> SecretStr:
        if field is not None:
            raise SecretError("a secret in an age file has no fields", "delete the # in the reference")
        file = self._file(path)
        shown = f"the secret {path} of {self.folder}"
        encrypted = _read(file, shown, f"make it with: age -R recipients -o {path}.age")
        try:
            value = pyrage.decrypt(encrypted, self._own_identities())
        except pyrage.DecryptError as error:
            raise _no_entry(error, encrypted, shown) from None
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise SecretError(
                f"{shown} is no UTF-8 text", "encrypt it again as UTF-8", code="secret_not_text"
            ) from None
        if not text:
            raise SecretError(f"{shown} is empty", "encrypt it again", code="secret_empty")
        return SecretStr(text)

    def _file(self, path: str) -> Path:
        """The file of a secret. It must not leave the folder, not even through a link."""
        parts = path.split("/")
        if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise SecretError("a secret reference leads out of its folder", "write it like net-entreprises/ligue-54")
        file = self.folder.joinpath(*parts[:-1], f"{parts[-1]}.age")
        try:
            inside = file.resolve().is_relative_to(self.folder.resolve())
        except (OSError, RuntimeError):  # links in a circle
            inside = False
        if not inside:
            raise SecretError(f"the secret {path} is a link out of {self.folder}", "put the file itself there")
        return file

    def _own_identities(self) -> list[pyrage.x25519.Identity]:
        if not self._identities:
            self._identities = _read_identities(identity_path())
        return self._identities


def _no_entry(error: pyrage.DecryptError, encrypted: bytes, shown: str) -> SecretError:
    """The words for a file that does not open. The library has one class for all, and constant texts."""
    if not encrypted.startswith(_ENCRYPTED):
        return SecretError(f"{shown} is no age file", "encrypt it again with age", code="secret_foreign")
    if "No matching keys" in str(error):
        hint = "ask somebody who can read it to encrypt it to your recipient too"
        return SecretError(f"{shown} is not encrypted to your identity", hint, code="secret_wrong_identity")
    return SecretError(f"{shown} is damaged or cut off", "restore it from git", code="secret_damaged")


def _read(file: Path, shown: str, remedy: str) -> bytes:
    """A small file whole. SecretError in words when it cannot be read."""

    def refused(what: str, hint: str, code: str) -> SecretError:
        return SecretError(f"{shown} {what}", hint, code=code)

    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise refused("is no file", remedy, "secret_missing")
        if found.st_size > _MOST_BYTES:
            raise refused("is larger than 64 KB", "is it the right file?", "secret_foreign")
        return file.read_bytes()
    except FileNotFoundError:
        raise refused("is not there", remedy, "secret_missing") from None
    except PermissionError:
        raise refused("may not be read by you", "check the permissions of the file", "secret_unreadable") from None
    except OSError as error:
        raise refused(f"cannot be read ({error.strerror})", "check the disk", "secret_unreadable") from None


def _read_identities(file: Path) -> list[pyrage.x25519.Identity]:
    shown = f"the age identity {file}"
    content = _read(file, shown, f"make one with: age-keygen -o {file}, or name yours in {IDENTITY_VARIABLE}")
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise SecretError(f"{shown} can be read by others", f"run: chmod 600 {file}", code="identity_open")
    if content.startswith(_ENCRYPTED):
        hint = "name one without a passphrase, readable by you alone"
        raise SecretError(f"{shown} is protected by a passphrase", hint, code="identity_encrypted")
    lines = [line.strip() for line in content.decode("ascii", "replace").splitlines()]
    keys = [line for line in lines if line.startswith(_SECRET_KEY)]
    read: Callable[[str], pyrage.x25519.Identity] = pyrage.x25519.Identity.from_str
    try:
        identities = [read(key) for key in keys]
    except pyrage.IdentityError:
        identities = []
    if not identities:
        raise SecretError(f"{shown} holds no age identity", "make one with age-keygen", code="identity_foreign")
    return identities


def open_backend(declared: AgeBackend, folder: Path) -> _Age:
    """The folder of age files; relative ones are meant from ``folder``. The identity is read when it is needed."""
    return _Age(folder / declared.folder)
