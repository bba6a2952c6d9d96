"""The registry of a lab workstation: ``HKLM.json`` in its folder, keys by their path, values with their kinds.

``{"HKLM/SOFTWARE/IEA": {"Serveur": {"kind": "String", "data": "https://…"}}}``; ``data`` is text, a list of texts
(``MultiString``), a number (``DWord``, ``QWord``), or base64 (``Binary``, ``None``). A key without values is there too.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from iea_fleet.lab.agent_frames import Line, RefusedError, answer, failed
from iea_fleet.lab.windows_files import WindowsFiles, digest_of
from iea_fleet.lab.windows_paths import same_name
from iea_fleet.model.request import ABSENT

FILE: Final = "HKLM.json"
_PATH: Final = re.compile(r"HKLM(/[^/\\\x00]{1,255})+")
_TEXT: Final = ("String", "ExpandString")
_NUMBER: Final = {"DWord": 32, "QWord": 64}
_BYTES: Final = ("Binary", "None")
_Values = dict[str, Any]

_OF_WINDOWS: Final[dict[str, _Values]] = {
    "HKLM/SOFTWARE/Microsoft/Windows NT/CurrentVersion": {
        "CurrentBuild": {"kind": "String", "data": "17763"},
        "CurrentMajorVersionNumber": {"kind": "DWord", "data": 10},
        "ProductName": {"kind": "String", "data": "iea-fleet lab"},
        "RegisteredOwner": {"kind": "String", "data": "Maison des associations"},
        "SystemRoot": {"kind": "String", "data": "C:\\Windows"},
        "UBR": {"kind": "DWord", "data": 316},
    }
}
"""A key that every Windows has, to be read."""


class Registry:
    """The keys of one workstation. Names match without regard to case, and keep the case they were made with."""

    def __init__(self, files: WindowsFiles) -> None:
        self._files = files
        self._file = files.workstation.folder / FILE

    def read_key(self, request: Line) -> Line:
        """``content``, ``absent``, or ``failed``."""
        content = self.content(request.text("path"))
        if content is None:
            return answer("absent")
        limit = int(request.number("limit"))
        if len(content) > limit:
            return failed("too_large", size=len(content), limit=limit)
        return answer("content", content=content)

    def content(self, path: str) -> bytes | None:
        """The values of a key as lines; None without the key. RefusedError ``bad_path``."""
        values = self.values(path)
        return None if values is None else written(values)

    def values(self, path: str) -> _Values | None:
        """The values of a key by their names; None without the key. RefusedError ``bad_path``."""
        keys = self._keys()
        found = _named(keys, _checked(path))
        if found is None:
            return {} if self.has_subkeys(path) else None
        return keys[found]

    def look(self, path: str, expected: str) -> None:
        """Compare a key with what is expected. RefusedError when it is another."""
        found = digest_of(self.content(path))
        if found != expected:
            raise RefusedError(answer("moved", found=found))

    def put(self, path: str, values: _Values | None) -> None:
        """Give a key these values and no other; None removes it. The keys above it are there by that."""
        self._files.refuse_writes(needs_room=values is not None)
        keys, path = self._keys(), _checked(path)
        found = _named(keys, path)
        if values is None:
            keys.pop(found or path, None)
        else:
            keys[found or path] = values
        fresh = self._file.with_name(f".{FILE}.new")
        fresh.write_text(json.dumps(keys, ensure_ascii=False, indent=1), encoding="utf-8")
        fresh.replace(self._file)

    def has_subkeys(self, path: str) -> bool:
        """Whether other keys stand below this one."""
        above = f"{path}/"
        return any(same_name(name[: len(above)], above) for name in self._keys())

    def _keys(self) -> dict[str, _Values]:
        try:
            return {**_OF_WINDOWS, **json.loads(self._file.read_bytes())}
        except FileNotFoundError:
            return dict(_OF_WINDOWS)


class KeyReplacement:
    """One ``replace_key``, step by step: each value is written by itself, and nothing is set aside."""

    def __init__(self, registry: Registry, request: Line) -> None:
        self.path = request.text("path")
        self._registry = registry
        self._content = request.fields["content"]
        self._expected = request.text("expected")
        self._wanted: _Values = {}

    def prepare(self) -> Sequence[Callable[[], None]]:
        """Compare with what is expected, and understand what is wanted."""
        return self._look, self._read

    def make(self) -> Iterator[Callable[[], None]]:
        """Remove each value that is gone, write each that is another, and read the key again."""
        yield self._look
        now = self._registry.values(self.path) or {}
        yield from (partial(self._registry.put, self.path, values) for values in _between(now, self._wanted))
        yield self._check

    def withdraw(self) -> Sequence[Callable[[], None]]:
        """Nothing was prepared."""
        return []

    def done(self) -> Line:
        """The answer when all went well."""
        return answer("done", digest=digest_of(self._content))

    def _look(self) -> None:
        self._registry.look(self.path, self._expected)

    def _read(self) -> None:
        self._wanted = read(self._content)

    def _check(self) -> None:
        if self._registry.content(self.path) != self._content:
            raise RefusedError(failed("changed_since"))


def _between(now: _Values, wanted: _Values) -> Iterator[_Values]:
    """What a key holds after each value that is removed or written; at least once, so that the key is made."""
    values = {name: value for name, value in now.items() if name in wanted}
    yield dict(values)
    for name, value in wanted.items():
        if values.get(name) != value:
            values[name] = value
            yield dict(values)


def written(values: _Values) -> bytes:
    """A key's values in the one form in which they are compared."""
    lines = (
        b" ".join((base64.b64encode(name.encode()), value["kind"].encode(), base64.b64encode(_data(**value))))
        for name, value in values.items()
    )
    return b"".join(line + b"\n" for line in sorted(lines))


def read(content: bytes) -> _Values:
    """The values behind that form. RefusedError ``error`` when it is none."""
    values: _Values = {}
    try:
        for line in content.decode("ascii").splitlines():
            name, kind, data = line.split(" ")
            value = _value(kind, base64.b64decode(data, validate=True))
            values[base64.b64decode(name, validate=True).decode()] = {"kind": kind, "data": value}
    except (ValueError, binascii.Error) as error:
        raise RefusedError(failed("error", f"no values of a key: {error}")) from error
    return values


def remove_key(registry: Registry, request: Line) -> Line:
    """Remove a key that still is the expected one. Windows removes none that has others below it."""
    path, expected = request.text("path"), request.text("expected")
    registry.look(path, expected)
    if expected != ABSENT and registry.has_subkeys(path):
        return failed("error", "the key has subkeys")
    if expected != ABSENT:
        registry.put(path, None)
    return answer("done", digest=ABSENT)


def _data(kind: str, data: Any) -> bytes:  # noqa: ANN401 - as JSON has it
    if kind in _TEXT:
        return str(data).encode()
    if kind == "MultiString":
        return "".join(f"{text}\0" for text in data).encode()
    if kind in _NUMBER:
        return str(int(data)).encode()
    return base64.b64decode(data)


def _value(kind: str, data: bytes) -> str | int | list[str]:
    if kind in _TEXT:
        return data.decode()
    if kind == "MultiString":
        return data.decode().split("\0")[:-1]
    if kind in _NUMBER:
        number = int(data)
        if not 0 <= number < 1 << _NUMBER[kind]:
            raise ValueError(f"{number} is no {kind}")
        return number
    if kind in _BYTES:
        return base64.b64encode(data).decode("ascii")
    raise ValueError(f"{kind} is no kind of value")


def _checked(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise RefusedError(failed("bad_path"))
    return path


def _named(keys: dict[str, _Values], path: str) -> str | None:
    return next((name for name in keys if same_name(name, path)), None)
