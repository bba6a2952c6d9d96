"""Secrets in a HashiCorp Vault or OpenBao, engine KV version 2, by hvac (extra ``vault``).

```yaml
secrets:
  vault: {kind: vault, url: https://vault.example.org, mount: kv, token: env:VAULT_TOKEN}
  env: {kind: env, names: [VAULT_TOKEN]}
```

A reference reads ``vault:iea/ligue-54#password``. Without a field it is the only one, else ``password`` or ``value``.
The server's certificate is checked against the certificates of this machine (``SSL_CERT_FILE`` names others);
``VAULT_NAMESPACE`` is sent where it is set. Redirects are not followed: the token would go along.
Tested against a real OpenBao server. Sources: the HTTP API of the KV secrets engine, version 2; hvac's documentation.
"""

from __future__ import annotations

import datetime as dt
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import VaultBackend
from iea_fleet.secrets.base import Opening, not_installed, parts_of

TIMEOUT = 10
"""Seconds to connect, and seconds without an answer."""
Answer = TypeVar("Answer")
_LASTING = ("vault_tls", "vault_timeout", "vault_no_answer", "vault_sealed")
"""What is wrong with the server, and not with one path: it is not asked again in this run."""
_USUAL = ("password", "value")


@dataclass(slots=True)
class _Vault:
    url: str
    mount: str
    _client: Any = field(repr=False)  # hvac has no types
    _down: SecretError | None = None

    def exists(self, path: str) -> bool:
        """Whether the newest version of the secret is there, by its metadata; a policy has to allow reading those."""

        def request() -> bool:
            about = self._client.secrets.kv.v2.read_secret_metadata(path, mount_point=self.mount)["data"]
            newest = about["versions"].get(str(about["current_version"]), {"destroyed": True})
            gone_at = newest.get("deletion_time")  # it may lie ahead
            gone = bool(gone_at) and dt.datetime.fromisoformat(gone_at) <= dt.datetime.now(dt.UTC)
            return not newest["destroyed"] and not gone

        return bool(self._ask(path, request))

    def get(self, path: str, field: str | None) -> SecretStr:
        """A field of the newest version."""

        def request() -> dict[str, Any]:
            answer = self._client.secrets.kv.v2.read_secret_version(
                path, mount_point=self.mount, raise_on_deleted_version=False
            )
            return dict(answer["data"]["data"] or {})

        shown = f"the secret {path} of {self.url}"
        values = self._ask(path, request)
        if not values:
            hint = f"check its path and `mount` ({self.mount}); a deleted one can be put back with: vault kv undelete"
            raise SecretError(f"{shown} is not there", hint, code="secret_missing")
        value = values[_chosen(values, field, shown)]
        if not isinstance(value, str):
            raise SecretError(f"{shown} holds no text there", "keep it as text", code="secret_not_text")
        if not value:
            raise SecretError(f"{shown} is empty there", "keep it again", code="secret_empty")
        return SecretStr(value)

    def _ask(self, path: str, request: Callable[[], Answer]) -> Answer | None:
        """What a request answers; None where there is no such path. A server that is down is not asked again."""
        from hvac import exceptions  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
        from requests import RequestException  # noqa: PLC0415

        parts_of(path)
        if self._down is not None:
            raise SecretError(self._down.sentence, self._down.hint, code=self._down.code)
        try:
            return request()
        except exceptions.InvalidPath:
            return None
        except (exceptions.Forbidden, exceptions.Unauthorized):
            raise self._refused(path) from None
        except (exceptions.VaultError, RequestException, KeyError, TypeError, AttributeError, ValueError) as error:
            refused = _no_answer(error, self.url)
            if refused.code in _LASTING:
                self._down = refused
            raise refused from None

    def _refused(self, path: str) -> SecretError:
        """Whether it is the token that is refused, or the path."""
        from hvac import exceptions  # noqa: PLC0415 - an extra
        from requests import RequestException  # noqa: PLC0415

        try:
            self._client.auth.token.lookup_self()
        except (exceptions.VaultError, RequestException):
            hint = "it is wrong, has expired or may do nothing; put a new one where `token` refers to"
            return SecretError(f"{self.url} refused the token", hint, code="vault_token_refused")
        hint = f"let the policy of the token read {self.mount}/data/{path} and {self.mount}/metadata/{path}"
        return SecretError(f"{self.url} does not let this token read {path}", hint, code="vault_not_allowed")


def _chosen(values: Mapping[str, Any], field: str | None, shown: str) -> str:
    """Which field is meant. The names of fields are shown, never their values."""
    if field is None and len(values) == 1:
        return next(iter(values))
    usual = [name for name in _USUAL if name in values] if field is None else [field]
    if usual and usual[0] in values:
        return usual[0]
    what = "has no such field" if field else "has several fields"
    raise SecretError(f"{shown} {what}", f"write # and one of: {', '.join(values)}", code="secret_no_field")


def _no_answer(error: Exception, url: str) -> SecretError:
    """The words for a server that gives no answer, or none that can be used. What it said is not shown."""
    import requests  # noqa: PLC0415 - an extra
    from hvac import exceptions  # noqa: PLC0415

    match error:
        case requests.exceptions.SSLError():
            hint = "is its authority known to this machine? SSL_CERT_FILE names a file with more"
            return SecretError(f"the certificate of {url} does not hold", hint, code="vault_tls")
        case requests.exceptions.Timeout():
            return SecretError(f"{url} did not answer within {TIMEOUT} s", "is it up?", code="vault_timeout")
        case requests.exceptions.ConnectionError():
            return SecretError(f"no connection to {url}", "is it up, and the address right?", code="vault_no_answer")
        case exceptions.VaultDown() | exceptions.VaultNotInitialized():
            return SecretError(f"{url} is sealed", "somebody has to unseal it", code="vault_sealed")
        case exceptions.RateLimitExceeded():
            return SecretError(f"{url} wants fewer requests", "wait, then try again", code="vault_busy")
    return SecretError(
        f"{url} gave no answer of a Vault ({type(error).__name__})", "check `url` and `mount`", code="vault_answer"
    )


def open_backend(declared: VaultBackend, opening: Opening) -> _Vault:
    """The server; nothing is asked of it yet. SecretError when its token cannot be had."""
    try:
        import hvac  # noqa: PLC0415 - an extra
    except ImportError:
        raise not_installed("vault") from None
    trusted = ssl.get_default_verify_paths()
    client = hvac.Client(
        url=declared.url,
        token=opening.secret(declared.token).get_secret_value(),
        namespace=os.environ.get("VAULT_NAMESPACE"),
        verify=trusted.cafile or trusted.capath or True,
        timeout=TIMEOUT,
        allow_redirects=False,
    )
    return _Vault(declared.url, declared.mount, client)
