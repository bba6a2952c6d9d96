r"""JSON files (RFC 8259): one object at the root, values keep their own types.

A key is the path of names below the root object, with ``/`` between them; ``~1`` and ``~0`` stand for ``/`` and ``~``
in a name, as in a JSON Pointer (RFC 6901). Lists cannot be stepped into. Characters that the encoding of the file does
not have are written as ``\uXXXX``. Comments, ``NaN`` and the like are no JSON and are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from iea_fleet.formats.json_splice import skip, with_value, without
from iea_fleet.formats.text import (
    Text,
    bad_key,
    cannot_hold,
    no_value,
    not_exact,
    place,
    read_text,
    stands_twice,
    unreadable,
    utf16_escapes,
    whole_characters,
)
from iea_fleet.model.layout import Scalar

_DEPTH = 100
_DIGITS = 4000
"""Python itself refuses to read whole numbers of more than 4300 digits."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it is written: 1.0, 1 and 1e0 are three."""

    written: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Members:
    """An object with its members in order, also those that stand twice."""

    members: list[tuple[str, Any]] = field(repr=False)


def _no_constant(_: str) -> None:
    raise ValueError


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
)


def read(data: bytes, keys: Iterable[str], encoding: str | None = None) -> dict[str, Scalar]:
    """The values of those ``keys`` that are there. SettingsFormatError when the file cannot be read.

    Also when a key leads to an object or a list, or through something that is no object (``not_a_value``).
    """
    return _values(_parsed(read_text(data, encoding).content), keys)


def patch(data: bytes, values: Mapping[str, Scalar], encoding: str | None = None) -> bytes:
    """The file with these values and nothing else changed; an absent name goes to the end of its object.

    Absent objects are made. None takes a member away, with its comma; no ``null`` is ever written. SettingsFormatError
    when a number is not finite, a text holds half a character, a key stands twice or is none, or the result cannot be
    proven.
    """
    text = read_text(data, encoding)
    before = _parsed(text.content)
    there = _values(before, values)
    gone = [key for key in there if values[key] is None]
    wanted = {
        key: value
        for key, value in values.items()
        if value is not None and (key not in there or not _same(there[key], value))
    }
    content = text.content
    for key in gone:
        content = without(content, _steps(key))
    for key, value in wanted.items():
        way = [(step, _literal(key, step, text)) for step in _steps(key)]
        content = with_value(content, key, way, _written(key, value, text), text.line_end)
    if not wanted and not gone:
        return data
    _prove(before, _parsed(content), wanted, gone)
    return text.encode(content)


def _same(one: Scalar, other: Scalar) -> bool:
    return type(one) is type(other) and one == other


def _steps(key: str) -> list[str]:
    if re.search(r"~(?![01])", key):
        raise bad_key(key, "after ~ only 0 or 1 can follow: ~1 stands for / and ~0 for ~")
    return [step.replace("~1", "/").replace("~0", "~") for step in key.split("/")]


def _parsed(content: str) -> _Members:
    root, problem = _loaded(content)
    if problem:
        raise unreadable("json", problem)
    if not isinstance(root, _Members):
        raise unreadable("json", "its root is no object")
    if not _is_shallow(root):
        raise unreadable("json", f"it is nested deeper than {_DEPTH} levels")
    return root


def _loaded(content: str) -> tuple[Any, str]:
    try:
        root, end = _DECODER.raw_decode(content, skip(content, 0))
    except json.JSONDecodeError as error:
        what = error.msg.partition(":")[0].removesuffix(" at")  # behind a colon may stand a piece of the file
        return None, f"{what} at {place(content, error.pos)}"
    except ValueError:
        return None, "NaN and Infinity are no JSON"
    except RecursionError:
        return None, f"it is nested deeper than {_DEPTH} levels"
    end = skip(content, end)
    return root, f"something follows the end of the root at {place(content, end)}" if end < len(content) else ""


def _is_shallow(root: _Members) -> bool:
    containers: list[Any] = [root]
    for _ in range(_DEPTH):
        inner = []
        for container in containers:
            values = [value for _, value in container.members] if isinstance(container, _Members) else container
            inner += [value for value in values if isinstance(value, (_Members, list))]
        containers = inner
    return not containers


def _values(root: _Members, keys: Iterable[str]) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for key in keys:
        at: Any = root
        for step in _steps(key):
            if not isinstance(at, _Members):
                raise no_value(key, f"what stands before {step} is no object")
            found = [value for name, value in at.members if name == step]
            if len(found) > 1:
                raise stands_twice(key, step)
            if not found:
                break
            at = found[0]
        else:
            values[key] = _scalar(key, at)
    return values


def _scalar(key: str, value: Any) -> Scalar:  # noqa: ANN401 - what JSON holds
    if isinstance(value, (_Members, list)):
        raise no_value(key, "there is an object or a list, and no single value")
    if not isinstance(value, _Number):
        return value  # type: ignore[no-any-return]
    written = value.written
    if written.lstrip("-").isdigit():
        if len(written) > _DIGITS:
            raise no_value(key, f"there is a number of more than {_DIGITS} digits")
        return int(written)
    number = float(written)
    if not math.isfinite(number):
        raise no_value(key, "there is a number larger than any that we can hold")
    return number


def _written(key: str, value: Scalar, text: Text) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise cannot_hold(key, "JSON has no number that is not finite")
    if isinstance(value, int) and value.bit_length() > 3 * _DIGITS:
        raise cannot_hold(key, "it is a number of too many digits")
    return _literal(key, value, text)


def _literal(key: str, value: Scalar, text: Text) -> str:
    if isinstance(value, str):
        whole_characters(key, value)
    raw = json.dumps(value, ensure_ascii=False)
    return "".join(one if text.holds(one) else utf16_escapes(one) for one in raw)


def _prove(before: _Members, after: _Members, wanted: Mapping[str, Scalar], gone: Iterable[str] = ()) -> None:
    keys = [*wanted, *gone]
    read_back = _values(after, keys)
    exact = read_back.keys() == wanted.keys() and all(_same(read_back[key], wanted[key]) for key in wanted)
    paths = [_steps(key) for key in keys]
    if not exact or _rest(before, paths) != _rest(after, paths):
        raise not_exact(keys)


def _rest(root: _Members, paths: list[list[str]]) -> _Members:
    """What must not change: all but the values at these paths, and objects that hold nothing else."""
    kept = []
    for name, value in root.members:
        deeper = [path[1:] for path in paths if path[0] == name]
        if not deeper:
            kept.append((name, value))
        elif all(deeper):
            rest = _rest(value, deeper) if isinstance(value, _Members) else value
            if rest != _Members([]):
                kept.append((name, rest))
    return _Members(kept)
