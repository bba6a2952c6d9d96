"""Secrets in the keyring of the operator's desktop, by the package keyring (extra ``keyring``).

```yaml
secrets:
  trousseau: {kind: keyring, service: iea-fleet}      # a reference reads trousseau:ligue-54, kept under that user name
```

Secrets are put there with ``keyring set iea-fleet ligue-54``. No keyring can tell that a secret is there without
reading it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import KeyringBackend
from iea_fleet.secrets.base import Opening, no_fields, not_installed

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend as Keyring


@dataclass(frozen=True, slots=True)
class _Keyring:
    service: str
    keyring: Keyring

    def exists(self, path: str) -> bool:
        """Whether the keyring has it."""
        return self._read(path) is not None

    def get(self, path: str, field: str | None) -> SecretStr:
        """The password that is kept for this user name."""
        no_fields("a secret in a keyring", field)
        value = self._read(path)
        shown = f"the secret {path} of the keyring's service {self.service}"
        hint = f"put it there with: keyring set {self.service} {path}"
        if value is None:
            raise SecretError(f"{shown} is not there", hint, code="secret_missing")
        if not value:
            raise SecretError(f"{shown} is empty", hint, code="secret_empty")
        return SecretStr(value)

    def _read(self, path: str) -> str | None:
        from keyring.errors import KeyringError, KeyringLocked, NoKeyringError  # noqa: PLC0415 - an extra

        try:
            return self.keyring.get_password(self.service, path)
        except KeyringLocked:
            raise SecretError("the keyring is locked", "unlock it, then try again", code="keyring_locked") from None
        except NoKeyringError:
            hint = "a desktop session has one; elsewhere keep secrets in age files"
            raise SecretError("there is no keyring on this machine", hint, code="keyring_missing") from None
        # The back-ends of the keyring let their own errors through: files, D-Bus, wrong passwords.
        except (KeyringError, OSError, ValueError, RuntimeError) as error:
            raise SecretError(
                f"the keyring cannot be read ({type(error).__name__})", "try: keyring diagnose", code="keyring_failed"
            ) from None


def open_backend(declared: KeyringBackend, opening: Opening) -> _Keyring:  # noqa: ARG001 - one contract for all kinds
    """The keyring that is set on this machine, see ``keyring diagnose``."""
    try:
        import keyring  # noqa: PLC0415 - an extra
    except ImportError:
        raise not_installed("keyring") from None
    return _Keyring(declared.service, keyring.get_keyring())
