r"""Java properties files: ``key=value`` lines with escapes and continued lines.

The rules are those of java.util.Properties.load; javaproperties reads them. A key of the layout is the key of the
file, a ``/`` in it is an ordinary character. Java takes the last of several equal keys, other readers the first: here
that is an error. Characters that the encoding does not have are written as ``\uXXXX``, and so is every accent where
nothing tells the encoding, since Java reads that rightly whatever it believes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import javaproperties

from iea_fleet.formats.text import (
    LINE_END,
    Text,
    not_exact,
    place,
    read_text,
    stands_twice,
    texts_only,
    unreadable,
    utf16_escapes,
)
from iea_fleet.model.layout import Scalar

_EOL = r"(?:\r\n|\r|\n)"
_JOIN = rf"\\(?:{_EOL}|\Z)[ \t\f]*+"
_GAP = rf"(?:[ \t\f]|{_JOIN})*"
_ENTRY = re.compile(
    rf"{_GAP}(?:\\[^\r\n]|[^\\=: \t\f\r\n]|{_JOIN})*(?P<gap>{_GAP}[=:]?{_GAP})(?P<value>[\s\S]*?){_EOL}?\Z"
)
_CONTINUED = re.compile(rf"(?<![^\r\n])(?:[^\r\n]*+(?<=\\){_EOL})+[^\r\n]*+")
_OPEN = re.compile(rf"(?<!\\)(?:\\\\)*\\{_EOL}\Z")
_PLAIN_GAP = re.compile(r"[ \t]?[=:][ \t]?")
_NAMED = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
_WORK = 50_000_000
"""How many characters javaproperties may look at again and again in continued lines: it searches the whole entry
once for each line of it."""


class _Piece(NamedTuple):
    """A line, or several that are one. ``key`` is None for comments and blank lines; ``value`` is then the comment."""

    key: str | None
    value: str
    source: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.source)


def read(data: bytes, keys: Iterable[str], encoding: str | None = None) -> dict[str, Scalar]:
    """The values of those ``keys`` that are there. SettingsFormatError when the file cannot be read."""
    pieces = _pieces(read_text(data, encoding).content)
    found = _entries(pieces, keys)
    return {key: piece.value for key, piece in found.items()}


def patch(data: bytes, values: Mapping[str, Scalar], encoding: str | None = None) -> bytes:
    """The file with these values and nothing else changed; an absent key goes to the end.

    None takes an entry away, with the lines that continue it; comments stay. SettingsFormatError when a value is no
    text, a key stands twice, or the result cannot be proven.
    """
    wanted = texts_only(values, "properties")
    text = read_text(data, encoding)
    before = _pieces(text.content)
    gone = {key: piece for key, piece in _entries(before, values).items() if values[key] is None}
    content = _without(text.content, gone.values())
    pieces = _pieces(content) if gone else before
    there = _entries(pieces, wanted)
    wanted = {key: value for key, value in wanted.items() if key not in there or there[key].value != value}
    if not wanted and not gone:
        return data
    for piece in sorted((there[key] for key in wanted if key in there), key=lambda piece: piece.start, reverse=True):
        spliced = _spliced(piece.source, _escaped_value(wanted[piece.key or ""], text))
        content = content[: piece.start] + spliced + content[piece.end :]
    for key in wanted:
        if key not in there:
            content = _appended(content, pieces, key, wanted[key], text)
    _prove(before, _pieces(content), wanted, gone)
    return text.encode(content)


def _pieces(content: str) -> list[_Piece]:
    if sum(len(run[0]) * len(LINE_END.findall(run[0])) for run in _CONTINUED.finditer(content)) > _WORK:
        raise unreadable("properties", "an entry goes on over far too many lines")
    pieces: list[_Piece] = []
    at = 0
    for piece in _parsed(content):
        if piece is None:
            raise unreadable(
                "properties", f"a \\u without four hexadecimal digits, in the entry at {place(content, at)}"
            )
        pieces.append(piece)
        at = piece.end
    return pieces


def _parsed(content: str) -> Iterator[_Piece | None]:
    """The pieces of the text; None and no more where there is a bad escape."""
    at = 0
    elements = javaproperties.parse(content)
    while True:
        try:
            element = next(elements, None)
        except javaproperties.InvalidUEscapeError:
            break
        if element is None:
            return
        key = element.key if isinstance(element, javaproperties.KeyValue) else None
        yield _Piece(key, getattr(element, "value", ""), element.source, at)
        at += len(element.source)
    yield None


def _entries(pieces: list[_Piece], keys: Iterable[str]) -> dict[str, _Piece]:
    asked = set(keys)
    found: dict[str, _Piece] = {}
    for piece in pieces:
        if piece.key is not None and piece.key in asked:
            if piece.key in found:
                raise stands_twice(piece.key, "this key")
            found[piece.key] = piece
    return found


def _without(content: str, gone: Iterable[_Piece]) -> str:
    for piece in sorted(gone, key=lambda piece: piece.start, reverse=True):
        content = content[: piece.start] + content[piece.end :]
    return content


def _spliced(source: str, escaped: str) -> str:
    found = _ENTRY.match(source)
    if found is None:
        raise not_exact()
    separator = "" if re.search(r"[=: \t\f]", found["gap"]) else "="
    return source[: found.start("value")] + separator + escaped + source[found.end("value") :]


def _appended(content: str, pieces: list[_Piece], key: str, value: str, text: Text) -> str:
    entries = [piece for piece in pieces if piece.key is not None]
    last = _ENTRY.match(entries[-1].source) if entries else None
    separator = last["gap"] if last and _PLAIN_GAP.fullmatch(last["gap"]) else "="
    line = _escaped_key(key, text) + separator + _escaped_value(value, text)
    if not content:
        return line + text.line_end
    ended = content.endswith(("\r", "\n"))
    if not ended:
        content += text.line_end
    if _OPEN.search(content) and pieces and not _is_comment(pieces[-1]):
        content += text.line_end  # an empty line ends the continuation, which would swallow ours
    return content + line + (text.line_end if ended else "")


def _is_comment(piece: _Piece) -> bool:
    return piece.source.lstrip(" \t\f").startswith(("#", "!"))


def _escaped_value(value: str, text: Text) -> str:
    escaped = "".join(_escaped(character, text) for character in value)
    return "\\" + escaped if escaped[:1] in (" ", "=", ":", "#", "!") else escaped


def _escaped_key(key: str, text: Text) -> str:
    return "".join("\\" + character if character in " =:#!" else _escaped(character, text) for character in key)


def _escaped(character: str, text: Text) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if " " <= character <= "~":
        return character
    raw = character.isprintable() and text.certain and text.holds(character)
    return character if raw else utf16_escapes(character)


def _prove(before: list[_Piece], after: list[_Piece], wanted: Mapping[str, str], gone: Iterable[str] = ()) -> None:
    asked = [*wanted, *gone]
    found = _entries(after, asked)
    exact = {key: piece.value for key, piece in found.items()} == wanted
    if not exact or _others(before, asked) != _others(after, asked):
        raise not_exact(asked)


def _others(pieces: list[_Piece], asked: Collection[str]) -> list[tuple[str | None, str]]:
    return [(piece.key, piece.value) for piece in pieces if piece.key not in asked and (piece.key or piece.value)]
