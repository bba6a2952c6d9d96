"""Paths on the controller made absolute: they are meant from the folder of the file that names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

_IN_SETTINGS = (("connection", "key_file"), ("connection", "ca_file"), ("server_connection", "ca_file"))
_IN_BACKENDS = ("folder", "file", "key_file")


def anchor_paths(root: Any, folder: Path) -> None:  # noqa: ANN401 - what YAML holds
    """Make ``key_file``, ``ca_file`` and the places of secret back-ends absolute, in place; ``~`` is expanded."""
    for mapping in _maps(_get(root, "secrets")):
        if mapping.get("kind") == "age":
            # The model's own default is meant from this folder too.
            mapping.setdefault("folder", "secrets")
        for key in _IN_BACKENDS:
            _anchor(mapping, key, folder)
    _anchor(_get(root, "net_entreprises_service"), "ca_file", folder)
    for level in _levels(root):
        for section, key in _IN_SETTINGS:
            _anchor(_get(level, section), key, folder)


def _levels(root: Any) -> Iterator[Any]:  # noqa: ANN401
    yield _get(root, "defaults")
    for office in _maps(_get(root, "offices")):
        yield office
        yield from _maps(office.get("workstations"))


def _maps(mapping: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    if isinstance(mapping, dict):
        yield from (value for value in mapping.values() if isinstance(value, dict))


def _get(mapping: Any, key: str) -> Any:  # noqa: ANN401
    return mapping.get(key) if isinstance(mapping, dict) else None


def _anchor(mapping: Any, key: str, folder: Path) -> None:  # noqa: ANN401
    text = _get(mapping, key)
    if isinstance(text, str) and text:
        mapping[key] = str(folder / _expanded(text))


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # a ~name that this machine does not know: it stays, and is not found when it is used
        return Path(text)
