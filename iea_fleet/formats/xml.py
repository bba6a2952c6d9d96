"""XML files (XML 1.0): texts of elements and attributes.

A key is the path of element names below the root element, with ``/`` between them; ``@name`` as its last step is an
attribute, alone one of the root. Names are compared as they are written, prefix included. Characters that the
encoding of the file does not have are written as character references. A document type is refused, and with it every
entity of the file's own: settings need none, and they are how XML reads other files or fills a memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from iea_fleet.formats.text import (
    LINE_END,
    Text,
    bad_key,
    cannot_hold,
    canonical,
    no_value,
    not_exact,
    read_text,
    stands_twice,
    texts_only,
    unreadable,
)
from iea_fleet.formats.xml_scan import Element, Path, Scan
from iea_fleet.model.layout import Scalar

_DECLARED = re.compile(r"<\?xml[ \t\r\n][^>]*?encoding[ \t\r\n]*=[ \t\r\n]*[\"']([A-Za-z][A-Za-z0-9._-]*)[\"']")
_NAME = re.compile(r"[^\W\d][\w.-]*(?::[^\W\d][\w.-]*)?")
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CDATA = re.compile(r"<!\[CDATA\[((?:(?!]]>)[\s\S])*)]]>")
_ATTRIBUTE = re.compile(
    r"(?P<name>[^ \t\r\n=/>]+)[ \t\r\n]*=[ \t\r\n]*(?P<quote>[\"'])(?P<value>.*?)(?P=quote)", re.DOTALL
)
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_TO_LINE_END = re.compile(r"[ \t]*(?=[\r\n]|</|\Z)")
_QUOTES = {'"': "&quot;", "'": "&apos;"}
_BLANK = " \t\r\n"
_HOLDS_OTHERS = "there is an element that holds others, and no single value"

Steps = tuple[Path, str | None]


def read(data: bytes, keys: Iterable[str], encoding: str | None = None) -> dict[str, Scalar]:
    """The values of those ``keys`` that are there. SettingsFormatError when the file cannot be read.

    Also when a key stands twice (``duplicate_key``) or leads to an element that holds others (``not_a_value``).
    """
    asked = {key: _steps(key) for key in keys}
    return _values(_scan(_text(data, encoding).content, asked), asked)


def patch(data: bytes, values: Mapping[str, Scalar], encoding: str | None = None) -> bytes:
    """The file with these values and nothing else changed; an absent element or attribute ends its parent.

    Absent parents are made. None takes an element away, with its attributes and the line that it leaves blank, or an
    attribute. SettingsFormatError when a value is no text or has characters that XML cannot hold, when a key stands
    twice or leads to other elements, or when the result cannot be proven.
    """
    wanted = texts_only(values, "xml")
    asked = {key: _steps(key) for key in values}
    text = _text(data, encoding)
    there = _values(_scan(text.content, asked), asked)
    asked = {key: steps for key, steps in asked.items() if there.get(key) != wanted.get(key)}
    content = text.content
    for key, steps in asked.items():
        if key not in wanted:
            content = _without(content, key, steps)
            continue
        if found := _ILLEGAL.search(wanted[key]):
            raise cannot_hold(key, f"XML has no way to write the character U+{ord(found[0]):04X}")
        content = _set(content, key, steps, wanted[key], text)
    if not asked:
        return data
    _prove(text.content, content, asked, wanted)
    return text.encode(content)


def _text(data: bytes, encoding: str | None) -> Text:
    """The text of the file. Without BOM, layout and declaration it is UTF-8 (XML 1.0, 4.3.3).

    Where the declaration says something else than BOM or layout, programs differ in what they believe: what both
    read in the same way is accepted, and what we add is written in ASCII.
    """
    declared = _DECLARED.match(data[:200].decode("latin-1"))
    text = read_text(data, encoding, (declared[1],) if declared else ("utf-8",))
    declared = _DECLARED.match(text.content[:200])
    is_wide = text.encoding.startswith(("utf-16-", "utf-32-"))  # nobody can take that for something else
    agreed = not declared or is_wide or canonical(declared[1]) == canonical(text.encoding)
    if declared and not agreed and not text.content.isascii() and not _is_same(text, declared[1]):
        raise unreadable("xml", f"its declaration says {declared[1]}, and it is read as {text.encoding}")
    return replace(text, certain=agreed)


def _is_same(text: Text, declared: str) -> bool:
    other = replace(text, encoding=declared)
    return other.holds(text.content) and other.encode(text.content) == text.encode(text.content)


def _steps(key: str) -> tuple[Path, str | None]:
    """The element's path, and the attribute if the key is one of an attribute."""
    *path, last = key.split("/")
    attribute = last[1:] if last.startswith("@") else None
    names = [*path, last if attribute is None else attribute]
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    if wrong or (attribute is not None and attribute.partition(":")[0] == "xmlns"):
        raise bad_key(key, "write names of elements with / between them, and @name at the end for an attribute")
    return (tuple(path), attribute) if attribute is not None else ((*path, last), None)


def _scan(content: str, asked: Mapping[str, Steps], besides: Iterable[tuple[Path, str]] = ()) -> Scan:
    texts = [path for path, attribute in asked.values() if attribute is None]
    attributes = [(path, attribute) for path, attribute in asked.values() if attribute is not None]
    return Scan(content, texts, [*attributes, *besides])


def _values(scan: Scan, asked: Mapping[str, Steps]) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for key, (path, attribute) in asked.items():
        way = _way(scan, key, path)
        element = way[-1]
        if len(way) <= len(path):
            continue
        if attribute is not None:
            if attribute in element.attributes:
                values[key] = element.attributes[attribute]
        elif element.last_child is not None:
            raise no_value(key, _HOLDS_OTHERS)
        else:
            values[key] = element.text
    return values


def _way(scan: Scan, key: str, path: Path) -> list[Element]:
    """The elements from the root to this path, as far as they are there."""
    way = []
    for depth in range(len(path) + 1):
        found = scan.elements.get(path[:depth], [])
        if len(found) > 1:
            raise stands_twice(key, f"the element {path[depth - 1]}")
        if not found:
            break
        way.append(found[0])
    return way


def _set(content: str, key: str, steps: Steps, value: str, text: Text) -> str:
    path, attribute = steps
    while True:
        way = _way(Scan(content, [path]), key, path)
        missing = path[len(way) - 1 :]
        if not missing:
            break
        is_value = len(missing) == 1 and attribute is None
        child = _child(key, missing[0], way, text)
        inner = f"<{child}>{_escaped(value, text)}</{child}>" if is_value else f"<{child}/>"
        content = _with_child(content, key, way, inner, text.line_end)
    if attribute is None:
        return _with_text(content, key, way[-1], value, text)
    name = attribute if attribute in way[-1].attributes else _child(key, attribute, way, text)
    return _with_attribute(content, way[-1], name, value, text)


def _child(key: str, name: str, way: list[Element], text: Text) -> str:
    """The name, when an element or attribute of that name can be added to the last of these elements."""
    prefix = name.partition(":")[0] if ":" in name else "xml"
    if prefix != "xml" and not any(f"xmlns:{prefix}" in element.attributes for element in way):
        raise cannot_hold(key, f"{name} is not there, and the prefix {prefix} is not declared above it")
    if not _is_raw(name, text):
        raise cannot_hold(key, f"the name {name} has characters that {text.encoding} does not have")
    return name


def _is_raw(characters: str, text: Text) -> bool:
    return characters.isascii() or (text.certain and text.holds(characters))


def _escaped(value: str, text: Text, quote: str = "") -> str:
    references = _REFERENCES | ({quote: _QUOTES[quote]} if quote else {})
    return "".join(
        references.get(character) or (character if _is_raw(character, text) else f"&#{ord(character)};")
        for character in value
    )


def _with_text(content: str, key: str, element: Element, value: str, text: Text) -> str:
    if element.last_child is not None:
        raise no_value(key, _HOLDS_OTHERS)
    if element.has_notes:
        raise no_value(key, "there is a comment beside the value, which would be lost")
    if element.is_empty_tag:
        opened = content[: element.attributes_end] + ">"
        name = content[element.start + 1 : element.attributes_start]
        return opened + _escaped(value, text) + f"</{name}>" + content[element.inner :]
    in_cdata = _CDATA.fullmatch(content, element.inner, element.end)
    if in_cdata and "]]>" not in value and "\r" not in value and _is_raw(value, text):
        return content[: in_cdata.start(1)] + value + content[in_cdata.end(1) :]
    return content[: element.inner] + _escaped(value, text) + content[element.end :]


def _with_attribute(content: str, element: Element, name: str, value: str, text: Text) -> str:
    for found in _ATTRIBUTE.finditer(content, element.attributes_start, element.attributes_end):
        if found["name"] == name:
            quote = found["quote"]
            return content[: found.start("value")] + _escaped(value, text, quote) + content[found.end("value") :]
    at = element.attributes_end
    return f'{content[:at]} {name}="{_escaped(value, text, chr(34))}"{content[at:]}'


def _without(content: str, key: str, steps: Steps) -> str:
    path, attribute = steps
    way = _way(Scan(content, [path]), key, path)
    if len(way) <= len(path):
        return content  # it went with the element that another key takes away
    element = way[-1]
    if attribute is not None:
        return _without_attribute(content, element, attribute)
    if element.has_notes:
        raise no_value(key, "there is a comment beside the value, which would be lost")
    if way[-2].text.strip(_BLANK):
        raise no_value(key, "there is text beside the element")
    tag_end = element.inner if element.is_empty_tag else content.index(">", element.end) + 1
    behind = _TO_LINE_END.match(content, tag_end)
    if behind is None and _is_first_of_line(content, element.start):
        end = tag_end + len(content[tag_end:]) - len(content[tag_end:].lstrip(" \t"))
        return content[: element.start] + content[end:]
    start = element.start - len(_lead(content, element.start))
    return content[:start] + content[behind.end() if behind else tag_end :]


def _without_attribute(content: str, element: Element, name: str) -> str:
    start = element.attributes_start
    for found in _ATTRIBUTE.finditer(content, element.attributes_start, element.attributes_end):
        if found["name"] == name:
            return content[:start] + content[found.end() :]
        start = found.end()
    return content


def _with_child(content: str, key: str, way: list[Element], child: str, line_end: str) -> str:
    """The text with one more child at the end of the last element of the way, indented like its siblings."""
    parent, root = way[-1], way[0]
    if parent.text.strip(_BLANK):
        raise no_value(key, "an element on its way holds text, and cannot take another element")
    if parent.last_child is not None:
        at = len(content[: parent.end].rstrip(_BLANK))
        return content[:at] + _lead(content, parent.last_child) + child + content[at:]
    outer = LINE_END.sub("", _lead(content, parent.start)) if _is_first_of_line(content, parent.start) else ""
    root_lead = _lead(content, root.last_child) if root.last_child is not None else line_end + "  "
    blanks = content[len(content[: parent.end].rstrip(_BLANK)) : parent.end] if not parent.is_empty_tag else ""
    is_block = LINE_END.search(blanks or root_lead)
    before = line_end + outer + LINE_END.sub("", root_lead) if is_block else blanks
    after = "" if blanks or not is_block else line_end + outer
    if parent.is_empty_tag:
        name = content[parent.start + 1 : parent.attributes_start]
        return f"{content[: parent.attributes_end]}>{before}{child}{after}</{name}>{content[parent.inner :]}"
    at = parent.end - len(blanks)
    return content[:at] + before + child + after + content[at:]


def _is_first_of_line(content: str, start: int) -> bool:
    return content[:start].rstrip(" \t")[-1:] in ("", "\r", "\n")


def _lead(content: str, start: int) -> str:
    """The blanks before an element, from its line's end on if it is the first of its line."""
    head = content[:start]
    blanks = head[len(head.rstrip(_BLANK)) :]
    ends = list(LINE_END.finditer(blanks))
    return blanks[ends[-1].start() :] if ends else blanks


def _prove(before: str, after: str, asked: Mapping[str, Steps], wanted: Mapping[str, str]) -> None:
    old, new = _scan(before, asked), _scan(after, asked)
    gone = [path for key, (path, attribute) in asked.items() if key not in wanted and attribute is None]
    if gone:
        # An element takes its own attributes along: they are no part of the rest.
        own = [(path, name) for path in gone for found in old.elements[path] for name in found.attributes]
        old = _scan(before, asked, own)
    if old.rest != new.rest or _values(new, asked) != {key: wanted[key] for key in asked if key in wanted}:
        raise not_exact(asked)
