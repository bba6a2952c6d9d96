"""One pass over an XML text with expat: where the elements asked for stand, and a fingerprint of all the rest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.parsers import expat

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats.text import unreadable

Path = tuple[str, ...]
"""The names of an element and those above it, below the root; the root itself is ``()``."""

# A group that repeats is never possessive here and beside here: before Python 3.11.5 such a one forgets where it was.
_TAG = re.compile(
    r"<[^ \t\r\n/>]++(?P<attributes>(?:[ \t\r\n]++[^ \t\r\n=/>]++[ \t\r\n]*+=[ \t\r\n]*+(?:\"[^\"]*+\"|'[^']*+'))*)"
    r"(?P<tail>[ \t\r\n]*+/?>)"
)
_DEPTH = 100


@dataclass(slots=True)
class Element:
    """An element that is asked for, or on the way to one. Places are offsets into the text.

    Of ``<a x="1" >text</a>``: ``start`` is before ``<a``, ``attributes_start`` before `` x``, ``attributes_end``
    before `` >``, ``inner`` before the text and ``end`` behind it. ``last_child`` is where the last child begins.
    """

    path: Path
    start: int
    attributes: dict[str, str] = field(repr=False)
    attributes_start: int = 0
    attributes_end: int = 0
    inner: int = 0
    end: int = 0
    pieces: list[str] = field(default_factory=list, repr=False)
    last_child: int | None = None
    has_notes: bool = False

    @property
    def text(self) -> str:
        """What it holds itself, without its children."""
        return "".join(self.pieces)

    @property
    def is_empty_tag(self) -> bool:
        """Whether it is written ``<a/>``."""
        return self.end < self.inner


class Scan:
    """What one reading finds: ``elements`` by path, several where a path stands more than once.

    ``texts`` are the paths of elements whose text is asked for, ``attributes`` those of attributes, with their name.
    ``rest`` is the same for two texts that differ in nothing but these, and the elements that had to be made for
    them, and blanks between the elements on the way. SettingsFormatError when the text is not well-formed
    (``unreadable_format``) or has a document type (``dtd``).
    """

    def __init__(self, content: str, texts: Iterable[Path], attributes: Iterable[tuple[Path, str]] = ()) -> None:
        self._texts = set(texts)
        self._attributes = set(attributes)
        owners = self._texts | {path for path, _ in self._attributes}
        self._ways = {path[:depth] for path in owners for depth in range(len(path))}
        self._known = self._ways | owners | {()}
        self.elements: dict[Path, list[Element]] = {}
        self._stack: list[Element | None] = []
        self._run: list[str] = []
        self._rest = hashlib.blake2b()
        self._parser = expat.ParserCreate("UTF-8")  # the declaration speaks of the bytes, and these are not they
        self._listen()
        problem = self._parse(content.encode("utf-8"))
        if problem:
            raise unreadable("xml", problem)
        self.rest = self._rest.digest()
        self._set_places(content)

    def _listen(self) -> None:
        parser = self._parser
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._run.append
        parser.StartDoctypeDeclHandler = self._on_document_type
        parser.CommentHandler = lambda text: self._on_note("comment", text)
        parser.ProcessingInstructionHandler = lambda *instruction: self._on_note("instruction", *instruction)
        parser.XmlDeclHandler = lambda *declaration: self._log("declaration", *declaration)
        parser.StartCdataSectionHandler = lambda: self._on_cdata("begins")
        parser.EndCdataSectionHandler = lambda: self._on_cdata("ends")

    def _parse(self, data: bytes) -> str:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            return f"{expat.ErrorString(error.code)} at line {error.lineno}, column {error.offset + 1}"
        return ""

    def _log(self, *event: object) -> None:
        self._rest.update(repr(event).encode("utf-8"))

    def _on_start(self, name: str, attributes: list[str]) -> None:
        self._end_run()
        if len(self._stack) >= _DEPTH:
            raise unreadable("xml", f"it is nested deeper than {_DEPTH} levels")
        parent = self._stack[-1] if self._stack else None
        at = self._parser.CurrentByteIndex
        if parent:
            parent.last_child = at
        path = (*parent.path, name) if parent else ()
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True))
        if (parent or not self._stack) and path in self._known:
            element = Element(path, at, dict(pairs))
            self.elements.setdefault(path, []).append(element)
            self._stack.append(element)
            if not path:
                self._log("root", name)
            for pair in pairs:
                if (path, pair[0]) not in self._attributes:
                    self._log("attribute", path, *pair)
        else:
            self._stack.append(None)
            self._log("start", name, pairs)

    def _on_end(self, _: str) -> None:
        self._end_run()
        element = self._stack.pop()
        if element is None:
            self._log("end")
            return
        element.end = self._parser.CurrentByteIndex
        if element.path not in self._texts:
            text = "".join(element.text.split()) if element.path in self._ways else element.text
            if text:
                self._log("text", element.path, text)

    def _end_run(self) -> None:
        """A text comes in pieces; where expat cuts it says nothing."""
        if not self._run:
            return
        text = "".join(self._run)
        self._run.clear()
        element = self._stack[-1] if self._stack else None
        if element:
            element.pieces.append(text)
        else:
            self._log("text", text)

    def _on_note(self, *note: str) -> None:
        self._end_run()
        if self._stack and (element := self._stack[-1]):
            element.has_notes = True
        self._log(*note)

    def _on_cdata(self, which: str) -> None:
        self._end_run()
        element = self._stack[-1]
        if element is None or element.path not in self._texts:
            self._log("cdata", which)

    def _on_document_type(self, *_: object) -> None:
        raise SettingsFormatError(
            "the file has a document type (<!DOCTYPE …>), which can make a reader open other files",
            "remove it by hand if the software does not need it; else this file stays with a person",
            code="dtd",
        )

    def _set_places(self, content: str) -> None:
        """Turn expat's offsets, which count bytes, into places in the text, and look at the tags themselves."""
        data = b"" if content.isascii() else content.encode("utf-8")

        def at(index: int) -> int:
            return len(data[:index].decode("utf-8")) if data else index

        for element in (element for found in self.elements.values() for element in found[:2]):
            element.start, element.end = at(element.start), at(element.end)
            element.last_child = None if element.last_child is None else at(element.last_child)
            tag = _TAG.match(content, element.start)
            assert tag is not None, "expat has read this tag"
            element.attributes_start, element.attributes_end = tag.span("attributes")
            element.inner = tag.end()
            if tag["tail"].endswith("/>"):
                element.end = element.inner - 1
