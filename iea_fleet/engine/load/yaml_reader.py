"""YAML as this tool reads it: plain values, the place of each, and every mistake of form, in bounded time and memory.

One walk over the events of libyaml. Nothing is constructed from tags, nothing is shared by aliases, and only
``true`` and ``false`` are booleans: ``no``, ``12:30``, ``0123`` and ``2026-12-15`` stay text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from iea_fleet.core.faults import Steps, dotted
from iea_fleet.engine.load.decoding import decode
from iea_fleet.engine.load.document import Document, Place
from iea_fleet.errors import Mistake

DEEPEST = 32
MOST_NODES = 1_000_000
MOST_MISTAKES = 1_000
# libyaml where it is there: the pure parser is 15 times slower, and reads the same.
FASTEST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<decimals>\.[0-9]+)?")
# More digits than this are no number anybody means, and Python refuses to convert 4,301 of them.
_MOST_DIGITS = 1000

_SENTENCES = (
    ("tab", "holds a tab in the indentation", "indent with blanks"),
    ("mapping values are not allowed", "has a second `: ` in one line", "quote the text, or check the indentation"),
    (
        "did not find expected ',' or '}'",
        "has a { } that is not well formed",
        "separate its entries with commas and close it; quote texts that hold { } [ ] or a comma",
    ),
    (
        "did not find expected ',' or ']'",
        "has a [ ] that is not well formed",
        "separate its items with commas and close it; quote texts that hold { } [ ] or a comma",
    ),
    (
        "could not find expected ':'",
        "has a line without `key: value`",
        "write a colon and a blank after the key, or indent the text below its key",
    ),
    (
        "did not find expected key",
        "has a line that fits nowhere",
        "align it with the keys around it, and check quotes and brackets",
    ),
    ("unexpected end of stream", "ends inside a quoted text", "close the quotes"),
    (
        "did not find expected '-'",
        "has a line that is no item of the list",
        "begin it with `- `, or check the indentation",
    ),
    ("expected alphabetic or numeric", "has a text that begins with * or &", "quote the text"),
    (
        "cannot start any token",
        "has a text that begins with a character YAML keeps for itself",
        "quote the text",
    ),
    (
        "unknown escape character",
        "has a \\ in double quotes that means nothing",
        "use single quotes, as in 'NANCY\\admin'",
    ),
)


class _TooMuchError(Exception):
    """Reading ends here; the mistake is already noted."""


def read(data: bytes, shown: str, loader: Any = FASTEST) -> Document:  # noqa: ANN401 - a loader class of PyYAML
    """Read one YAML document. Its ``mistakes`` hold everything that is wrong with its form; nothing is raised."""
    document = Document(shown)
    text = decode(data, shown)
    if isinstance(text, Mistake):
        document.mistakes.append(text)
        document.left_out.append(())
        return document
    walk = _Walk(document)
    events = loader(text)
    try:
        while walk.take(events.get_event()):
            pass
    except yaml.MarkedYAMLError as error:
        document.mistakes.append(_syntax(error, text, shown))
        document.left_out.append(())
    except _TooMuchError:
        document.left_out.append(())
    finally:
        events.dispose()
    document.root = walk.bottom[0] if walk.bottom else None
    return document


def _syntax(error: yaml.MarkedYAMLError, text: str, shown: str) -> Mistake:
    problem = error.problem or "cannot be read"
    mark = error.problem_mark or error.context_mark
    if "unexpected end of stream" in problem:
        mark = error.context_mark or mark  # where the quote was opened
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    said = lines[line] if line < len(lines) else ""
    if "cannot start any token" in problem and said[column : column + 1] == "\t":
        problem = "tab"
    for sign, wrong, remedy in _SENTENCES:
        if sign in problem:
            return Mistake(shown, line + 1, column + 1, "", wrong, remedy)
    return Mistake(shown, line + 1, column + 1, "", f"is no YAML here ({problem})", "check quotes and indentation")


class _Walk:
    """Builds values from events. ``key`` is the one that waits for its value; ``dropping``: its value is refused."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._nodes = 0
        self._documents = 0
        self._stack: list[tuple[Any, dict[str | int, Place], bool, str | int | None]] = []
        self.bottom: list[Any] = []
        self._container: Any = self.bottom
        self._places: dict[str | int, Place] = {}
        self._key: str | None = None
        self._key_mark: Any = None
        self._dropping = False

    def take(self, event: Any) -> bool:  # noqa: ANN401 - PyYAML's events have no types
        """Take the next event; False at the end."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            self._container, self._places, self._dropping, _ = self._stack.pop()
            self._key = None
        elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
            self._open(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind is yaml.AliasEvent:
            self._count(event)
            self._drop(event, "is an alias or a text that begins with *", "write the value out, or quote the text")
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self._stop(event, "begins a second document", "keep one document in a file: delete the line ---")
        return kind is not yaml.StreamEndEvent

    def _scalar(self, event: Any) -> None:  # noqa: ANN401
        self._count(event)
        if event.tag is not None and not (event.tag == "!" and event.implicit[1]):
            self._drop(event, "has a tag or begins with !", "quote the text; tags are not read")
        elif event.anchor is not None:
            self._drop(event, "has an anchor or begins with &", "quote the text; anchors are not read")
        elif type(self._container) is dict and self._key is None and not self._dropping:
            self._take_key(event)
        elif not event.implicit[0]:
            self._add(event.value, event.start_mark)
        else:
            self._add(self._typed(event.value), event.start_mark)

    def _typed(self, text: str) -> Any:  # noqa: ANN401
        if text in _WORDS:
            return _WORDS[text]
        if text[0] in "-0123456789" and len(text) <= _MOST_DIGITS and (found := _NUMBER.fullmatch(text)):
            if found["decimals"] is None:
                return int(text)
            if not self._dropping:
                step = self._key if self._key is not None else len(self._container)
                self._document.written[id(self._container), step] = text
            return float(text)
        return text

    def _take_key(self, event: Any) -> None:  # noqa: ANN401
        key = event.value
        if event.implicit[0] and key == "<<":
            self._drop(event, "merges another mapping in (<<)", "write the keys out, or use defaults")
        elif key in self._container:
            line = self._places[key][0]
            self._note(
                event, (*self._path(), key), "stands here a second time", f"the first is in line {line}; keep one"
            )
            self._dropping = True
        else:
            self._key, self._key_mark = key, event.start_mark

    def _add(self, value: Any, mark: Any) -> str | int | None:  # noqa: ANN401
        """Put a value where it belongs; the step that leads to it, None when it is refused."""
        if self._dropping:
            self._dropping = False
            return None
        if type(self._container) is dict:
            step: str | int = self._key  # type: ignore[assignment] # a key was taken before
            place = self._key_mark
            self._container[step] = value
            self._key = None
        else:
            step, place = len(self._container), mark
            self._container.append(value)
        self._places[step] = (place.line + 1, place.column + 1, mark.line + 1, mark.column + 1)
        return step

    def _open(self, event: Any, container: Any) -> None:  # noqa: ANN401
        self._count(event)
        if len(self._stack) >= DEEPEST:
            self._stop(event, f"is nested deeper than {DEEPEST} levels", "is this the file you meant?")
        if type(self._container) is dict and self._key is None and not self._dropping:
            self._note(event, self._path(), "has a mapping or list as a key", "quote texts that begin with { or [")
            step = None
            waits = True
        else:
            if event.tag is not None or event.anchor is not None:
                self._note(event, self._here(), "has a tag or an anchor", "delete it: neither is read")
            step = self._add(container, event.start_mark)
            waits = False
        self._stack.append((self._container, self._places, waits, step))
        self._container, self._places, self._dropping = container, {}, False
        self._document.places[id(container)] = self._places

    def _drop(self, event: Any, wrong: str, remedy: str) -> None:  # noqa: ANN401
        """Refuse a node: as a key its value goes too, as a value it is left out."""
        is_key = type(self._container) is dict and self._key is None and not self._dropping
        path = self._path() if is_key else self._here()
        self._note(event, path, wrong, remedy)
        self._document.left_out.append(path)
        if is_key:
            self._dropping = True
        else:
            self._dropping, self._key = False, None

    def _path(self) -> Steps:
        return tuple(step for *_, step in self._stack[1:] if step is not None)

    def _here(self) -> Steps:
        path = self._path()
        if type(self._container) is dict:
            return path if self._key is None else (*path, self._key)
        return (*path, len(self._container)) if self._stack else path

    def _note(self, event: Any, path: Steps, wrong: str, remedy: str) -> None:  # noqa: ANN401
        mark, found = event.start_mark, self._document.mistakes
        found.append(Mistake(self._document.shown, mark.line + 1, mark.column + 1, dotted(path), wrong, remedy))
        if len(found) >= MOST_MISTAKES:
            raise _TooMuchError

    def _count(self, event: Any) -> None:  # noqa: ANN401
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._stop(event, f"holds more than {MOST_NODES:,} values", "split it with include")

    def _stop(self, event: Any, wrong: str, remedy: str) -> None:  # noqa: ANN401
        self._note(event, (), wrong, remedy)
        raise _TooMuchError
