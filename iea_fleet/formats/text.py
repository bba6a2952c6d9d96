"""What the formats share: bytes to text and back without losing one, and the words for what cannot be done.

Errors name the key and the place, never a value or a piece of the file: both may hold a secret. For the same reason
no error here is raised while a library's error is being handled: such errors carry the whole text.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from iea_fleet.errors import SettingsFormatError
from iea_fleet.model.layout import Scalar

LINE_END = re.compile(r"\r\n|\r|\n")

_BOMS = {  # the longest first: the one of UTF-32 begins with that of UTF-16
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}
_WITHOUT_BOM = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
"""What Python's codecs that write a BOM by themselves are in a file that has none; Windows is little-endian."""
_NO_FILE_ENCODINGS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7"}
"""Codecs of Python for other things than files; the first two take the square of the time."""
_GUESSES = ("utf-8", "cp1252", "latin-1")
_LINES = 200_000
"""More lines than any file of settings has; it bounds the time of parsers that go line by line."""
_REPAIR = "open the file, repair it there and save it"
_BY_HAND = "change this setting by hand, or ask who wrote the layout"


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a settings file and how it becomes bytes again.

    ``certain`` is False when nothing tells the encoding: no BOM, no word of the layout or the file, and no accents
    that only UTF-8 explains.
    """

    content: str = field(repr=False)
    encoding: str
    bom: bytes = b""
    certain: bool = True

    @property
    def line_end(self) -> str:
        """The line end that the file uses most; a line feed when it has none."""
        found = LINE_END.findall(self.content)
        return max(("\n", "\r\n", "\r"), key=found.count)

    def holds(self, text: str) -> bool:
        """Whether the encoding has all these characters."""
        return _encoded(text, self.encoding) is not None

    def encode(self, content: str) -> bytes:
        """The bytes of the file with this content. The caller has asked ``holds`` for what is new in it."""
        encoded = _encoded(content, self.encoding)
        if encoded is None or _decoded(encoded, self.encoding) != content:
            raise not_exact()
        return self.bom + encoded


def read_text(data: bytes, encoding: str | None, guesses: Sequence[str] = _GUESSES) -> Text:
    """The text of a file: by its BOM, else by ``encoding``, else by the first of ``guesses`` that gives the same bytes.

    SettingsFormatError ``unreadable_format`` when none does, or when there are NUL characters: then it is no text.
    """
    text = _with_bom(data) or (_as_told(data, encoding) if encoding else _guessed(data, guesses))
    if text is None:
        told = f"the layout says {encoding}, and it is not that" if encoding else "it is in no encoding we know"
        raise unreadable("text", told, remedy="look at the file, and write its encoding into the layout")
    if "\0" in text.content:
        raise unreadable(
            "text", f"it holds NUL characters at {place(text.content, text.content.index(chr(0)))}", remedy=_REPAIR
        )
    if sum(1 for _ in LINE_END.finditer(text.content)) > _LINES:
        raise unreadable("text", f"it has more than {_LINES} lines", remedy="look at what this file is")
    return text


def _with_bom(data: bytes) -> Text | None:
    for encoding, bom in _BOMS.items():
        if data.startswith(bom):
            content = _exact(data[len(bom) :], encoding)
            if content is None:
                raise unreadable("text", f"it begins as {encoding} and does not go on so", remedy=_REPAIR)
            return Text(content, encoding, bom)
    return None


def _as_told(data: bytes, encoding: str) -> Text | None:
    name = canonical(encoding)
    plain = _WITHOUT_BOM.get(name, name)
    content = _exact(data, plain)
    bom = _BOMS[plain] if plain != name and not data else b""
    return None if content is None else Text(content, plain, bom)


def _guessed(data: bytes, guesses: Sequence[str]) -> Text | None:
    for encoding in guesses:
        content = _exact(data, encoding)
        if content is not None:
            return Text(content, encoding, certain=encoding == "utf-8" and not data.isascii())
    return None


def canonical(encoding: str) -> str:
    """One name for an encoding, however it is written; the name itself when Python does not know it."""
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return encoding


def _exact(data: bytes, encoding: str) -> str | None:
    content = _decoded(data, encoding) if canonical(encoding) not in _NO_FILE_ENCODINGS else None
    if content is None or _encoded(content, encoding) != data or _encoded(content, "utf-8") is None:
        return None
    return content


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):  # LookupError: a codec such as rot13, which is none of text to bytes
        return None


def _encoded(content: str, encoding: str) -> bytes | None:
    try:
        return content.encode(encoding)
    except (UnicodeError, LookupError):
        return None


def utf16_escapes(text: str) -> str:
    r"""Every character as ``\uXXXX``, as Java and JSON write them; those beyond U+FFFF are two.

    >>> utf16_escapes("é")
    '\\u00e9'
    """
    units = text.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def texts_only(values: Mapping[str, Scalar], format_name: str) -> dict[str, str]:
    """The values of a format that knows nothing but text; None, which takes a key away, is left out.

    SettingsFormatError ``cannot_hold`` for any other.
    """
    texts = {}
    for key, value in values.items():
        if value is None:
            continue
        if not isinstance(value, str):
            raise cannot_hold(key, f"{format_name} files hold text, and this is {type(value).__name__}")
        whole_characters(key, value)
        texts[key] = value
    return texts


def whole_characters(key: str, value: str) -> None:
    """SettingsFormatError ``cannot_hold`` when a text holds half of a surrogate pair, which no encoding writes."""
    if _encoded(value, "utf-8") is None:
        raise cannot_hold(key, "it holds half a character (a lone surrogate)")


def place(content: str, offset: int) -> str:
    r"""Where an offset is, counted from 1, as a person finds it in an editor.

    >>> place("a\r\nbc", 4)
    'line 2, column 2'
    """
    line, start = 1, 0
    for found in LINE_END.finditer(content, 0, offset):
        line, start = line + 1, found.end()
    return f"line {line}, column {offset - start + 1}"


def unreadable(
    format_name: str, what: str, *, code: str = "unreadable_format", remedy: str = _REPAIR
) -> SettingsFormatError:
    """The file as a whole cannot be read."""
    return SettingsFormatError(f"the file cannot be read as {format_name}: {what}", remedy, code=code)


def cannot_hold(key: str, why: str) -> SettingsFormatError:
    """The value of this key cannot stand in the file. ``why`` never shows it."""
    return SettingsFormatError(
        f"{key}: the value cannot be written: {why}",
        "choose another value, or describe the file anew in the layout",
        code="cannot_hold",
    )


def stands_twice(key: str, what: str) -> SettingsFormatError:
    """The key, or something on its way, stands twice, and programs differ in which one they take."""
    return SettingsFormatError(f"{key}: {what} stands twice in the file", "remove one by hand", code="duplicate_key")


def no_value(key: str, why: str) -> SettingsFormatError:
    """There is something at this key, or on its way, and it is no single value."""
    return SettingsFormatError(
        f"{key}: {why}", "look at the file, and correct the key in the layout", code="not_a_value"
    )


def bad_key(key: str, why: str) -> SettingsFormatError:
    """The key of the layout cannot be a key of this format."""
    return SettingsFormatError(
        f"{key}: is no key of this format: {why}", "correct the key in the layout", code="bad_key"
    )


def not_exact(keys: Iterable[str] = ()) -> SettingsFormatError:
    """The result, read again by another parser, differs in more than it should: it is not handed out."""
    named = ", ".join(keys)
    about = f"{named}: " if named else ""
    return SettingsFormatError(
        f"{about}the file cannot be changed there without touching something else", _BY_HAND, code="not_exact"
    )
