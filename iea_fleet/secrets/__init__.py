"""Where secrets come from: one module for each kind of back-end. The only room that reads a secret."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import Backend as DeclaredBackend
from iea_fleet.model.part import split_reference
from iea_fleet.secrets.redactor import SHARED

REGISTRY: Mapping[str, str] = {
    "age": "iea_fleet.secrets.age",
    "env": "iea_fleet.secrets.env",
}
"""The module of each kind. Each offers ``open_backend(declared, folder) -> Backend``."""


class Backend(Protocol):
    """What every kind of back-end offers, once it is open. It is used by one thread at a time."""

    def exists(self, path: str) -> bool:
        """Whether there is a secret, without reading its value. SecretError when that cannot be told."""
        ...

    def get(self, path: str, field: str | None) -> SecretStr:
        """The value, never trimmed or changed. SecretError, without any value in it, when it cannot be had."""
        ...


class _Module(Protocol):
    def open_backend(self, declared: DeclaredBackend, folder: Path) -> Backend: ...


class Secrets:
    """The secrets of one run: each back-end is opened once, each value read once and kept in memory alone.

    ``declared`` are the back-ends of the inventory by name; ``folder`` is that of its main file, from which relative
    paths of back-ends are meant. One object serves all threads.
    """

    def __init__(self, declared: Mapping[str, DeclaredBackend], folder: Path) -> None:
        self._declared = declared
        self._folder = folder
        self._lock = threading.RLock()
        self._open: dict[str, Backend] = {}
        self._known: dict[str, SecretStr | SecretError] = {}

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._declared)})"

    def exists(self, reference: str) -> bool:
        """Whether a reference leads to a secret. The value is not read. SecretError when it cannot be told."""
        name, path, _ = split_reference(reference)
        with self._lock:
            return self._backend(name).exists(path)

    def get(self, reference: str) -> SecretStr:
        """The value of a reference. SecretError when it cannot be had; asking again in this run gives the same."""
        with self._lock:
            if reference not in self._known:
                self._known[reference] = self._read(reference)
            known = self._known[reference]
        if isinstance(known, SecretError):
            raise SecretError(known.sentence, known.hint, code=known.code)
        return known

    def _read(self, reference: str) -> SecretStr | SecretError:
        name, path, field = split_reference(reference)
        try:
            value = self._backend(name).get(path, field)
        except SecretError as error:
            return error
        SHARED.remember(value.get_secret_value())
        return value

    def _backend(self, name: str) -> Backend:
        if name not in self._open:
            declared = self._declared.get(name)
            if declared is None:
                raise SecretError(
                    "a secret reference names a back-end that is not declared",
                    f"declared: {', '.join(self._declared) or 'none'}",
                    code="secret_backend_unknown",
                )
            if declared.kind not in REGISTRY:
                raise SecretError(
                    f"this release does not read secrets of the kind {declared.kind}",
                    f"use one of: {', '.join(REGISTRY)}",
                    code="secret_backend_not_built",
                )
            module = cast("_Module", importlib.import_module(REGISTRY[declared.kind]))
            self._open[name] = module.open_backend(declared, self._folder)
        return self._open[name]
