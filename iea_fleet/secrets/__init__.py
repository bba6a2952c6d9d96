"""Where secrets come from: one module for each kind of back-end. The only room that reads a secret."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar, cast

from pydantic import SecretStr

from iea_fleet.core.credential_rules import password_fault, secret_fault
from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import AgeBackend, EnvBackend
from iea_fleet.model.operator import AnyBackend
from iea_fleet.model.part import split_reference
from iea_fleet.secrets.age_identity import OperatorIdentity
from iea_fleet.secrets.base import Backend, Opening, refuse_fault
from iea_fleet.secrets.redactor import SHARED

REGISTRY: Mapping[str, str] = {
    "age": "iea_fleet.secrets.age",
    "env": "iea_fleet.secrets.env",
    "command": "iea_fleet.secrets.command",
    "keepass": "iea_fleet.secrets.keepass",
    "vault": "iea_fleet.secrets.vault",
    "keyring": "iea_fleet.secrets.keyring",
}
"""The module of each kind. Each offers ``open_backend(declared, opening) -> Backend``."""


Kept = TypeVar("Kept")


class _Module(Protocol):
    def open_backend(self, declared: AnyBackend, opening: Opening) -> Backend: ...


class Secrets:
    """The secrets of one run: each back-end is opened once, each value read once and kept in memory alone.

    ``declared`` are the back-ends by name; ``folder`` is that of the inventory's main file, from which relative paths
    of back-ends are meant. One object serves all threads.
    """

    def __init__(self, declared: Mapping[str, AnyBackend], folder: Path) -> None:
        self._declared = declared
        variables = frozenset(
            name for backend in declared.values() if isinstance(backend, EnvBackend) for name in backend.names
        )
        self._opening = Opening(folder, self.get, OperatorIdentity(), variables)
        self._lock = threading.RLock()
        self._open: dict[str, Backend | SecretError] = {}
        self._known: dict[str, SecretStr | SecretError] = {}

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._declared)})"

    def unlock(self, references: Iterable[str]) -> None:
        """Unlock the operator's identity now, if one of these references needs it. What goes wrong is told by ``get``.

        For commands that show their progress later: nobody sees a question below a bar, or ends it with Ctrl-C.
        """
        names = {split_reference(reference)[0] for reference in references}
        for name, declared in self._declared.items():
            if name in names and isinstance(declared, AgeBackend):
                with suppress(SecretError):
                    self._opening.identity.keys((self._opening.folder / declared.folder).parent)

    def exists(self, reference: str) -> bool:
        """Whether a reference leads to a secret. The value is not read, where its back-end can tell without.

        SecretError when it cannot be told.
        """
        name, path, _ = split_reference(reference)
        with self._lock:
            return self.backend(name).exists(path)

    def get(self, reference: str) -> SecretStr:
        """The value of a reference. SecretError when it cannot be had; asking again in this run gives the same."""
        with self._lock:
            if reference not in self._known:
                self._known[reference] = self._read(reference)
            return _given(self._known[reference])

    def password(self, reference: str) -> SecretStr:
        """The password of a Net-Entreprises account. SecretError also when the portal would not take it."""
        value = self.get(reference)
        refuse_fault(value, password_fault, "the password")
        return value

    def line(self, reference: str) -> SecretStr:
        """A secret that a program is given on a line. SecretError also when it holds what nobody could have typed."""
        value = self.get(reference)
        refuse_fault(value, secret_fault, "the IEA password")
        return value

    def backend(self, name: str) -> Backend:
        """A back-end by its name, opened now or before. SecretError when it cannot be; it is not tried again."""
        with self._lock:
            if name not in self._open:
                try:
                    self._open[name] = self._opened(name)
                except SecretError as error:
                    self._open[name] = error
            return _given(self._open[name])

    def _read(self, reference: str) -> SecretStr | SecretError:
        name, path, field = split_reference(reference)
        try:
            value = self.backend(name).get(path, field)
        except SecretError as error:
            return error
        SHARED.remember(value.get_secret_value())
        return value

    def _opened(self, name: str) -> Backend:
        declared = self._declared.get(name)
        if declared is None:
            raise SecretError(
                "a secret reference names a back-end that is not declared",
                f"declared: {', '.join(self._declared) or 'none'}",
                code="secret_backend_unknown",
            )
        module = cast("_Module", importlib.import_module(REGISTRY[declared.kind]))
        return module.open_backend(declared, self._opening)


def _given(kept: Kept | SecretError) -> Kept:
    """What was kept; or the same error anew, which knows nothing of where the first was raised."""
    if isinstance(kept, SecretError):
        raise SecretError(kept.sentence, kept.hint, code=kept.code)
    return kept
