"""The last net before text leaves this process: values of secrets that were read become ``[secret]``.

Types keep secrets out of what is told and kept. This finds the value that slipped through all the same, in the forms
into which programs, formats and error messages turn a text.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote_from_bytes

MARK: Final = "[secret]"
SHORTEST: Final = 6
"""Characters of the shortest value that is replaced: a shorter one stands in too many words by chance."""

_BEGINNING: Final = 4
_HOLE: Final = "\ufdd0"  # Unicode keeps it for a program's own use: no text of anybody has it
_HEX_ESCAPE: Final = re.compile(r"(%)(..)|(\\x)(..)|(\\u)(.{4})|(\\U)(.{8})|(&#x)(\w+;)")


class Redactor:
    """Replaces the values it was told to remember. For all threads; ``clean`` takes no lock, for signal handlers.

    There is one for the process, ``SHARED``. It is no regular expression over all forms: values are read between two
    lines that are told, and compiling one anew takes 60 ms at 50 plain values, and four times that at 200. Remembering
    takes 1 ms a value, cleaning 0.12 s a megabyte and 11 µs a line, however many values there are.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Forms by their first letters; never changed, but replaced as a whole.
        self._known: Mapping[str, frozenset[str]] = {}

    def remember(self, value: str) -> None:
        """Replace this value from now on, and each line of it where it has several. Short ones are not replaced."""
        new: dict[str, set[str]] = {}
        for part in {value, *value.splitlines()}:
            if part not in self._known.get(part[:_BEGINNING], ()):
                for form in forms(part):
                    new.setdefault(form[:_BEGINNING], set()).add(form)
        with self._lock:
            more = {begun_so: self._known.get(begun_so, frozenset()) | found for begun_so, found in new.items()}
            self._known = {**self._known, **more}

    def clean(self, text: str) -> str:
        """The text with ``[secret]`` in the place of each remembered value, whatever its form.

        Looked for are only forms whose first letters stand in the text: the cost does not grow with the values.
        """
        known = self._known
        if not known:
            return text
        beginnings = {text[place : place + _BEGINNING] for place in range(len(text) - _BEGINNING + 1)}
        found = [form for begun_so in beginnings & known.keys() for form in known[begun_so] if form in text]
        if not found:
            return text
        # A mark that stands there already must not be taken for the value "secret".
        text = text.replace(MARK, _HOLE)
        for form in sorted(found, key=len, reverse=True):
            text = text.replace(form, _HOLE)
        return text.replace(_HOLE, MARK)


SHARED: Final = Redactor()
"""The one of this process: ``Secrets`` tells it every value that it reads."""


def forms(value: str) -> frozenset[str]:
    """How a value can look in a text; nothing when it has less than 6 characters.

    As it stands, composed and decomposed (NFC, NFD); base64 in each alignment, standard and URL-safe; hexadecimal;
    UTF-16; escaped as XML, JSON, URL, Python and shells do; with its UTF-8 taken for Latin-1, and the other way round.
    """
    if len(value) < SHORTEST:
        return frozenset()
    same = {value, unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)}
    found = {form for one in same for form in (one, *_escaped(one), *_encoded(one))}
    found |= {_HEX_ESCAPE.sub(_other_case, form) for form in found}
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _escaped(value: str) -> Iterator[str]:
    """With an escape for each character that would mean something else."""
    in_json = json.dumps(value)[1:-1]
    yield from (in_json, json.dumps(value, ensure_ascii=False)[1:-1], in_json.replace("/", "\\/"))
    yield json.dumps(in_json)[1:-1]  # JSON that is quoted in JSON
    for unsafe in ("[<>&]", "[<>&']"):
        yield re.sub(unsafe, lambda found: f"\\u{ord(found[0]):04x}", in_json)
    for quoted in (html.escape(value), html.escape(value).replace("&quot;", '"')):
        for apostrophe in ("'", "&#x27;", "&#39;", "&apos;"):
            in_xml = quoted.replace("&#x27;", apostrophe)
            yield from (in_xml, in_xml.encode("ascii", "xmlcharrefreplace").decode())
            yield re.sub("[^ -~]", lambda found: f"&#x{ord(found[0]):x};", in_xml)
    for in_python in (repr(value)[1:-1], ascii(value)[1:-1], value.encode("unicode_escape").decode()):
        yield from (in_python, in_python.replace("'", "\\'"))
    yield from (value.replace("'", "'\"'\"'"), value.replace("'", "'\\''"))


def _encoded(value: str) -> Iterator[str]:
    """As bytes, in each encoding that has all of its characters, and what is made of bytes in a text."""
    for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be"):
        try:
            data = value.encode(encoding)
        except UnicodeEncodeError:
            continue
        in_python, as_latin = repr(data)[2:-1], data.decode("latin-1")
        yield from (in_python, in_python.replace("'", "\\'"), data.hex(), data.hex().upper())
        yield from (as_latin, json.dumps(as_latin)[1:-1], as_latin.replace("\0", "\ufffd"))
        yield from (data.decode("utf-8", "replace"), data.decode("utf-8", "surrogateescape"))
        for unescaped in ("", "/", "!'()*"):
            in_url = quote_from_bytes(data, unescaped)
            yield from (in_url, in_url.replace("%20", "+"))
        yield from _in_base64(data)


def _in_base64(data: bytes) -> Iterator[str]:
    """The letters that these bytes alone decide, wherever they stand in what was encoded."""
    for before in range(3):
        letters = base64.b64encode(bytes(before) + data).decode()
        decided = letters[-(-8 * before // 6) : (before + len(data)) * 8 // 6]
        yield from (decided, decided.replace("+", "-").replace("/", "_"))


def _other_case(escape: re.Match[str]) -> str:
    """A hexadecimal escape with its digits in the other case."""
    introduction, digits = (part for part in escape.groups() if part is not None)
    return introduction + digits.swapcase()
