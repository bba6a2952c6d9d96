"""Ini files as Windows reads them (GetPrivateProfileString, Microsoft Learn).

A key is ``section/option``, cut at its last ``/``. Names are compared without case and without outer blanks; a line
that begins with ``;`` is a comment, and nothing else is: there are no comments behind a value. What stands before the
first section is ignored. Quotes around a value are not part of it: they stay where they are, and are added where a
value would lose its outer blanks or quotes. Windows takes the first of two equal sections or options, other readers
the last or both: here that is an error for the keys asked for.
"""

from __future__ import annotations

import configparser
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from iea_fleet.formats.text import (
    LINE_END,
    Text,
    bad_key,
    cannot_hold,
    not_exact,
    read_text,
    stands_twice,
    texts_only,
)
from iea_fleet.model.layout import Scalar

_BLANK = " \t\v\f\x1a"  # 1A is the end of a DOS file
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_LINE = re.compile(r"[^\r\n]+")
_SEPARATOR = re.compile(r"[ \t]?=[ \t]?")


class _Option(NamedTuple):
    """One ``name=value`` line: where it ends, and where its value begins behind blanks and a quote.

    ``value`` is None where there is no ``=``; the value's place is then the end of the name.
    """

    name: str
    value: str | None
    quoted: bool
    end: int
    start: int
    separator: str
    indent: str


class _Section(NamedTuple):
    """One ``[name]`` line with the options below it. ``end`` is that of the header line."""

    name: str
    end: int
    options: list[_Option]


def read(data: bytes, keys: Iterable[str], encoding: str | None = None) -> dict[str, Scalar]:
    """The values of those ``keys`` that are there. SettingsFormatError when the file cannot be read."""
    sections = _sections(read_text(data, encoding).content)
    return _values(sections, keys)


def patch(data: bytes, values: Mapping[str, Scalar], encoding: str | None = None) -> bytes:
    """The file with these values and nothing else changed; an absent option goes to the end of its section.

    An absent section goes to the end of the file. None takes an option's line away; its section stays.
    SettingsFormatError when a value is no text of one line, when the encoding does not have its characters, when a key
    stands twice, or when the result cannot be proven.
    """
    wanted = texts_only(values, "ini")
    _no_name_twice(values)
    text = read_text(data, encoding)
    there = _values(_sections(text.content), values)
    wanted = {key: value for key, value in wanted.items() if there.get(key) != value}
    gone = [key for key in there if values[key] is None]
    content = text.content
    for key in gone:
        content = _without(content, key)
    for key, value in wanted.items():
        _check_value(key, value, text)
        content = _set(content, key, value, text)
    if not wanted and not gone:
        return data
    _prove(text.content, content, wanted, gone)
    return text.encode(content)


def _names(key: str) -> tuple[str, str]:
    section, _, option = key.rpartition("/")
    if not section.strip(_BLANK) or not option.strip(_BLANK):
        raise bad_key(key, "write section/option")
    return _folded(section), _folded(option)


def _no_name_twice(keys: Iterable[str]) -> None:
    seen: set[tuple[str, str]] = set()
    for key in keys:
        if _names(key) in seen:
            raise bad_key(key, "another key of the layout differs from it in nothing but case")
        seen.add(_names(key))


def _folded(name: str) -> str:
    return name.strip(_BLANK).lower()


def _sections(content: str) -> list[_Section]:
    sections: list[_Section] = []
    for found in _LINE.finditer(content):
        line = found[0].strip(_BLANK)
        if not line or line.startswith(";"):
            continue
        if line.startswith("[") and "]" in line:
            sections.append(_Section(_folded(line[1 : line.rindex("]")]), found.end(), []))
        elif sections:
            sections[-1].options.append(_option(found))
    return sections


def _option(found: re.Match[str]) -> _Option:
    line = found[0]
    before, equals, after = line.partition("=")
    indent = before[: len(before) - len(before.lstrip(_BLANK))]
    name_end = len(before.rstrip(_BLANK))
    start = len(line) - len(after.lstrip(_BLANK)) if equals else name_end
    separator = line[name_end:start]
    written = line[start:].strip(_BLANK)
    quoted = _is_quoted(written)
    value = _bare(written) if equals else None
    return _Option(_folded(before), value, quoted, found.end(), found.start() + start + quoted, separator, indent)


def _bare(written: str) -> str:
    value = written.strip(_BLANK)
    return value[1:-1] if _is_quoted(value) else value


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"


def _quoted(value: str) -> str:
    is_bare = value == value.strip() == value.strip(_BLANK) and not _is_quoted(value)
    return value if is_bare else f'"{value}"'


def _section_of(sections: list[_Section], key: str) -> _Section | None:
    name, _ = _names(key)
    found = [section for section in sections if section.name == name]
    if len(found) > 1:
        raise stands_twice(key, "its section")
    return found[0] if found else None


def _option_of(section: _Section, key: str) -> _Option | None:
    _, name = _names(key)
    found = [option for option in section.options if option.name == name]
    if len(found) > 1:
        raise stands_twice(key, "this option")
    return found[0] if found else None


def _values(sections: list[_Section], keys: Iterable[str]) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for key in keys:
        section = _section_of(sections, key)
        option = _option_of(section, key) if section else None
        if option and option.value is not None:
            values[key] = option.value
    return values


def _check_value(key: str, value: str, text: Text) -> None:
    if found := _CONTROL.search(value):
        raise cannot_hold(key, f"an ini file has no way to write the control character U+{ord(found[0]):04X}")
    if not text.holds(value):
        raise cannot_hold(key, f"it has characters that {text.encoding} does not have")


def _set(content: str, key: str, value: str, text: Text) -> str:
    sections = _sections(content)
    section = _section_of(sections, key)
    option = _option_of(section, key) if section else None
    if option:
        if option.value is None:
            return content[: option.start] + "=" + _quoted(value) + content[option.start :]
        end = option.start + len(option.value)
        return content[: option.start] + (value if option.quoted else _quoted(value)) + content[end:]
    _check_names(key, text)
    name = key.rpartition("/")[2].strip(_BLANK)
    model = section.options[-1] if section and section.options else None
    separator = model.separator if model and _SEPARATOR.fullmatch(model.separator) else "="
    line = (model.indent if model else "") + name + separator + _quoted(value)
    if section:
        at = model.end if model else section.end
        return content[:at] + text.line_end + line + content[at:]
    return _with_section(content, key.rpartition("/")[0].strip(_BLANK), line, text.line_end)


def _without(content: str, key: str) -> str:
    section = _section_of(_sections(content), key)
    option = _option_of(section, key) if section else None
    assert option is not None, "it was read"
    start = max(content.rfind("\n", 0, option.end), content.rfind("\r", 0, option.end)) + 1
    line_end = LINE_END.match(content, option.end)
    return content[:start] + content[line_end.end() if line_end else option.end :]


def _check_names(key: str, text: Text) -> None:
    option = key.rpartition("/")[2].strip(_BLANK)
    if _CONTROL.search(key) or "=" in option or option.startswith((";", "[")):
        raise bad_key(key, "an option of an ini file cannot be named so")
    if not text.holds(key):
        raise cannot_hold(key, f"its name has characters that {text.encoding} does not have")


def _with_section(content: str, section: str, line: str, line_end: str) -> str:
    added = f"[{section}]{line_end}{line}"
    if not content:
        return added + line_end
    ends = [found.end() for found in LINE_END.finditer(content)]
    if not ends or ends[-1] != len(content):
        return content + line_end * 2 + added
    last_line = content[ends[-2] if len(ends) > 1 else 0 : ends[-1]]
    return content + (line_end if last_line.strip() else "") + added + line_end


class _Reader(configparser.RawConfigParser):
    """Python's parser, told to keep every option of a name that stands twice, and the order."""

    def __init__(self) -> None:
        super().__init__(
            allow_no_value=True,
            strict=False,
            delimiters=("=",),
            comment_prefixes=(),
            default_section="\0",
            interpolation=None,
        )
        self._number = itertools.count()

    def optionxform(self, optionstr: str) -> str:
        return f"{next(self._number):09}{optionstr}"


def _by_configparser(content: str) -> list[tuple[str, str, str]]:
    """Section, option and value of every option, in order.

    Python's parser takes an indented line for the rest of the value above it, stops at an option without a section
    or a name, and takes the square of the time for blanks in a name: so each line is set straight first.
    """
    lines = []
    for found in _LINE.finditer(content):
        line = found[0].strip(_BLANK).strip()
        if not line or line.startswith(";"):
            continue
        if line.startswith("[") and "]" in line:
            lines.append(line if line[1 : line.rindex("]")].strip() else "[ ]")
        elif lines:
            before, equals, after = line.partition("=")
            lines.append("-" + _single_blanks(before) + equals + after)
    reader = _Reader()
    reader.read_file(lines)
    numbered = [
        (name, _folded(section), value or "") for section in reader.sections() for name, value in reader.items(section)
    ]
    return [(section, _folded(name[10:]), value) for name, section, value in sorted(numbered)]


def _single_blanks(name: str) -> str:
    return " ".join(name.split())


def _prove(before: str, after: str, wanted: Mapping[str, str], gone: Sequence[str] = ()) -> None:
    keys = [*wanted, *gone]
    asked = {(section, _single_blanks(option)): key for key in keys for section, option in [_names(key)]}
    old, new = _by_configparser(before), _by_configparser(after)
    read_back = {asked[entry[:2]]: _bare(entry[2]).strip() for entry in new if entry[:2] in asked}
    others_stay = [entry for entry in old if entry[:2] not in asked] == [
        entry for entry in new if entry[:2] not in asked
    ]
    exact = _values(_sections(after), keys) == wanted
    if not exact or not others_stay or read_back != {key: value.strip() for key, value in wanted.items()}:
        raise not_exact(keys)
