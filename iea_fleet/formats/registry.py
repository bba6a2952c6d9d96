r"""Keys of the Windows registry, in the lines that the agent makes of them: name, kind and data of each value.

The form of the lines is in ``transports/windows``: one key is one file, sorted, and the same key always gives the same
bytes. A key of the layout is the name of a value, a ``/`` or ``\`` in it is an ordinary character; ``@`` is the value
without a name, as in files of regedit. Names are compared without case. All values are text here: numbers are decimal,
and the lines of a MultiString are parted by line feeds; Binary and None are no settings.

A value keeps its kind. A new one is a String: nothing tells what else the program expects, so where it wants a number
the program has to make the value once. Source of the kinds: Microsoft Learn, « Microsoft.Win32.RegistryValueKind ».
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats.text import bad_key, cannot_hold, no_value, stands_twice, texts_only, unreadable
from iea_fleet.model.layout import Scalar

_LINE = re.compile(rb"(?P<name>[A-Za-z0-9+/=]*) (?P<kind>[A-Za-z]+) (?P<data>[A-Za-z0-9+/=]*)")
_TEXTS = ("String", "ExpandString")
_LARGEST = {"DWord": 2**32 - 1, "QWord": 2**64 - 1}
_KINDS = (*_TEXTS, *_LARGEST, "MultiString", "Binary", "None")
_DEFAULT = "@"


class _Value(NamedTuple):
    """One value of a key; ``data`` as the line holds it."""

    name: str
    kind: str
    data: bytes

    @property
    def line(self) -> bytes:
        return b"%b %b %b\n" % (base64.b64encode(self.name.encode()), self.kind.encode(), base64.b64encode(self.data))


def read(data: bytes, keys: Iterable[str], encoding: str | None = None) -> dict[str, Scalar]:  # noqa: ARG001 - the same for all formats
    """The texts of those ``keys`` that are there. SettingsFormatError when one is no text, number or list of texts."""
    there = _by_name(_values(data))
    return {key: _text(key, there[name]) for key, name in _names(keys).items() if name in there}


def patch(data: bytes, values: Mapping[str, Scalar], encoding: str | None = None) -> bytes:  # noqa: ARG001 - the same for all formats
    """The key with these values and nothing else changed; a value keeps its kind, and an absent one becomes a String.

    None takes a value away. SettingsFormatError when a value is no text, or its kind cannot hold it.
    """
    wanted = texts_only(values, "registry")
    there = _by_name(_values(data))
    for key, name in _names(values).items():
        old = there.get(name)
        if old is not None and _text(key, old) == wanted.get(key):
            continue
        if key in wanted:
            kind = old.kind if old else "String"
            written = old.name if old else _spelt(key)
            there[name] = _Value(written, kind, _data(key, kind, wanted[key]))
        else:
            there.pop(name, None)
    return b"".join(sorted(value.line for value in there.values()))


def _values(data: bytes) -> list[_Value]:
    """The values of a key. Only what the agent writes is taken: other bytes could not be given back unchanged."""
    values = [_value(line) for line in data.removesuffix(b"\n").split(b"\n")] if data else []
    if b"".join(sorted(value.line for value in values)) != data:
        raise _damaged()
    return values


def _value(line: bytes) -> _Value:
    found = _LINE.fullmatch(line)
    if found is None or (kind := found["kind"].decode()) not in _KINDS:
        raise _damaged()
    try:
        name, data = base64.b64decode(found["name"], validate=True), base64.b64decode(found["data"], validate=True)
        value = _Value(name.decode(), kind, data)
        sound = _is_sound(value)
    except (binascii.Error, UnicodeDecodeError):
        sound = False
    if not sound:
        raise _damaged()
    return value


def _is_sound(value: _Value) -> bool:
    """Whether the data are such as the kind has. UnicodeDecodeError when they are no UTF-8."""
    if value.kind in ("Binary", "None"):
        return True
    text = value.data.decode()
    if value.kind in _LARGEST:
        return _is_number(text, _LARGEST[value.kind])
    return value.kind != "MultiString" or not text or text.endswith("\0")


def _is_number(text: str, largest: int) -> bool:
    """Whether a text is a whole number as it would be read back."""
    return re.fullmatch(r"0|[1-9][0-9]{0,19}", text) is not None and int(text) <= largest


def _damaged() -> SettingsFormatError:
    return unreadable(
        "registry", "it is not what the agent makes of a registry key", remedy="run iea-fleet windows-check there"
    )


def _by_name(values: Iterable[_Value]) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for value in values:
        if found.setdefault(value.name.lower(), value) is not value:
            raise stands_twice(value.name or _DEFAULT, "this name")
    return found


def _names(keys: Iterable[str]) -> dict[str, str]:
    """The name that each key of the layout means, in the form by which names are compared."""
    names = {key: _spelt(key).lower() for key in keys}
    if len(set(names.values())) < len(names):
        twice = next(key for key, name in names.items() if list(names.values()).count(name) > 1)
        raise bad_key(twice, "another key of the layout differs from it in nothing but case")
    return names


def _spelt(key: str) -> str:
    return "" if key == _DEFAULT else key


def _text(key: str, value: _Value) -> str:
    if value.kind in ("Binary", "None"):
        raise no_value(key, f"there is a value of the kind {value.kind}, which is no text and no number")
    text = value.data.decode()
    if value.kind != "MultiString":
        return text
    lines = text.split("\0")[:-1]
    if any("\n" in line for line in lines) or lines == [""]:
        raise no_value(key, "there is a list of texts that cannot be told apart by lines")
    return "\n".join(lines)


def _data(key: str, kind: str, text: str) -> bytes:
    """The data of a value of this kind."""
    if "\0" in text:
        raise cannot_hold(key, "it holds a NUL character, where the registry ends a text")
    if kind in _LARGEST and not _is_number(text, _LARGEST[kind]):
        raise cannot_hold(key, f"it is a {kind} in the registry: a whole number from 0 to {_LARGEST[kind]}")
    if kind == "MultiString":
        lines = text.split("\n") if text else []
        if not all(lines):
            raise cannot_hold(key, "it is a MultiString in the registry, which holds no empty lines")
        return "".join(f"{line}\0" for line in lines).encode()
    return text.encode()
