"""Secrets in environment variables: only the listed names can be read.

```yaml
secrets:
  env: {kind: env, names: [PASSPHRASE]}       # a reference reads env:PASSPHRASE
```
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import EnvBackend
from iea_fleet.secrets.base import Opening, no_fields


@dataclass(frozen=True, slots=True)
class _Environment:
    names: tuple[str, ...]

    def exists(self, path: str) -> bool:
        return path in self.names and path in os.environ

    def get(self, path: str, field: str | None) -> SecretStr:
        no_fields("an environment variable", field)
        # The name is not shown: a password that stands where a reference should be would be shown with it.
        if path not in self.names:
            raise SecretError(
                "a secret reference names an environment variable that is not listed",
                "add it to `names`",
                code="secret_not_listed",
            )
        value = os.environ.get(path)
        if value is None:
            raise SecretError(
                f"the environment variable {path} is not set", "set it for this command", code="secret_missing"
            )
        if not value:
            raise SecretError(
                f"the environment variable {path} is empty", "set it for this command", code="secret_missing"
            )
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SecretError(
                f"the environment variable {path} is not UTF-8", "set it again", code="secret_not_text"
            ) from None
        return SecretStr(value)


def open_backend(declared: EnvBackend, opening: Opening) -> _Environment:  # noqa: ARG001 - one contract for all kinds
    """The environment of this process, as far as it is listed."""
    return _Environment(declared.names)
