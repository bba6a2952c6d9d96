"""Secrets in a KeePass file (KDBX 3 and 4), by pykeepass (extra ``keepass``). It is opened once a run and only read.

```yaml
secrets:
  coffre: {kind: keepass, file: coffre.kdbx, password: env:COFFRE_PASSWORD, key_file: coffre.keyx}
  env: {kind: env, names: [COFFRE_PASSWORD]}
```

A reference reads ``coffre:Groupe/Entrée``, for its password, or ``coffre:Groupe/Entrée#UserName`` for another field:
Title, UserName, Password, URL, Notes, or one of the entry's own. References between entries ({REF:…}) are followed.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import KeepassBackend
from iea_fleet.secrets.base import Opening, not_installed

_FIELDS = {"Title": "title", "UserName": "username", "Password": "password", "URL": "url", "Notes": "notes"}
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Keepass:
    file: Path
    opened: Any  # pykeepass has no types

    def exists(self, path: str) -> bool:
        """Whether there is such an entry."""
        return bool(self._entries(path))

    def get(self, path: str, field: str | None) -> SecretStr:
        """A field of an entry."""
        shown = f"the entry {path} of {self.file}"
        entries = self._entries(path)
        if len(entries) != 1:
            what = f"is there {len(entries)} times" if entries else "is not there"
            code = "secret_ambiguous" if entries else "secret_missing"
            raise SecretError(f"{shown} {what}", "a reference names its groups and its title", code=code)
        value = self._field(entries[0], field or "Password", shown)
        if not value:
            raise SecretError(f"{shown} has an empty {field or 'Password'}", "fill it in KeePass", code="secret_empty")
        return SecretStr(value)

    def _entries(self, path: str) -> list[Any]:
        *groups, title = path.split("/")
        found = [self.opened.root_group]
        for name in groups:
            found = [group for above in found for group in above.subgroups if group.name == name]
        return [entry for group in found for entry in group.entries if entry.title == title]

    def _field(self, entry: Any, field: str, shown: str) -> str | None:  # noqa: ANN401 - pykeepass has no types
        own = entry.custom_properties
        if field not in _FIELDS and field not in own:
            hint = f"its fields: {', '.join((*_FIELDS, *own))}"
            raise SecretError(f"{shown} has no such field", hint, code="secret_no_field")
        value: str | None = own[field] if field in own else getattr(entry, _FIELDS[field])
        return self._followed(value, shown) if value and "{REF:" in value.upper() else value

    def _followed(self, value: str, shown: str) -> str:
        """What a reference to another entry leads to: to the library it is text, and would be written as a password."""
        try:
            led: str | None = self.opened.deref(value)
        except (AttributeError, TypeError, ValueError, RecursionError):
            led = None
        if led is None or "{REF:" in led.upper():
            raise SecretError(
                f"{shown} refers to another entry that is not there", "correct it in KeePass", code="secret_missing"
            )
        return led


def open_backend(declared: KeepassBackend, opening: Opening) -> _Keepass:
    """The file, opened with its password and key file. SecretError in words when it does not open."""
    try:
        import pykeepass  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
        from argon2.exceptions import Argon2Error  # noqa: PLC0415
        from construct import ConstructError  # type: ignore[import-untyped]  # noqa: PLC0415
        from pykeepass.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
            CredentialsError,
            HeaderChecksumError,
            PayloadChecksumError,
        )
    except ImportError:
        raise not_installed("keepass") from None
    file = opening.folder / declared.file
    shown = f"the KeePass file {file}"
    password = opening.secret(declared.password).get_secret_value() if declared.password else None
    key = io.BytesIO(_read(opening.folder / declared.key_file, "the key file")) if declared.key_file else None
    try:
        return _Keepass(file, pykeepass.PyKeePass(io.BytesIO(_read(file, "the KeePass file")), password, key))
    except CredentialsError:
        hint = "correct `password` and `key_file` of this back-end, or the secret that `password` refers to"
        raise SecretError(f"{shown} does not open with them", hint, code="keepass_refused") from None
    # What a damaged file makes of the library's parsers is not one class.
    except (
        HeaderChecksumError, PayloadChecksumError, ConstructError, Argon2Error, zlib.error,
        LookupError, ValueError, TypeError, AttributeError, SyntaxError, OverflowError, MemoryError,
    ):  # fmt: skip
        raise SecretError(
            f"{shown} is damaged, cut off, or no KeePass file", "put it back from a backup", code="keepass_damaged"
        ) from None


def _read(file: Path, what: str) -> bytes:
    """A file whole. SecretError in words when it cannot be read."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        hint = "check the name in the inventory; it is meant from its folder"
        raise SecretError(f"{what} {file} is not there", hint, code="keepass_missing") from None
    except OSError as error:
        raise SecretError(
            f"{what} {file} cannot be read ({error.strerror})", "check its permissions", code="keepass_unreadable"
        ) from None
    if len(content) > _MOST_BYTES:
        raise SecretError(f"{what} {file} is larger than 64 MB", "is it the right file?", code="keepass_damaged")
    return content
