"""Where the members of JSON objects stand in a text, and how one is put in, changed or taken away there.

The text was read as JSON before, and the ways through it hold no name twice: ``formats.json`` sees to both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from iea_fleet.formats.text import LINE_END, no_value

_BLANK = re.compile(r"[ \t\n\r]*")
_LINE_LEAD = re.compile(r"[\r\n][ \t]*\Z")
# Only where a value ends is of interest: no number is made, since those of thousands of digits are refused by Python.
_WALKER = json.JSONDecoder(parse_int=len, parse_float=len)


class _Member(NamedTuple):
    """One ``"name": value``: where the blanks before it, its name, and its value begin, and where it ends."""

    name: str
    lead: int
    start: int
    colon: int
    value: int
    end: int


def skip(content: str, at: int) -> int:
    """Where the blanks that begin at a place end."""
    found = _BLANK.match(content, at)
    return found.end() if found else at


def with_value(content: str, key: str, way: Sequence[tuple[str, str]], literal: str, line_end: str) -> str:
    """The text with this literal at the end of a way: the names of members, each with how it is written."""
    brace = skip(content, 0)
    for depth, (step, name) in enumerate(way):
        members = list(_members(content, brace))
        found = [member for member in members if member.name == step]
        last = depth == len(way) - 1
        if not found:
            content = _with_member(content, brace, members, name, literal if last else "{}", line_end)
            found = [member for member in _members(content, brace) if member.name == step]
            brace = found[0].value
        elif last:
            return content[: found[0].value] + literal + content[found[0].end :]
        else:
            brace = found[0].value
            if content[brace] != "{":
                raise no_value(key, f"what stands at {step} is no object")
    return content


def without(content: str, steps: Sequence[str]) -> str:
    """The text without the member at the end of these names, and without its comma."""
    brace = skip(content, 0)
    for step in steps[:-1]:
        brace = next(member.value for member in _members(content, brace) if member.name == step)
    members = list(_members(content, brace))
    index = next(index for index, member in enumerate(members) if member.name == steps[-1])
    gone = members[index]
    if index + 1 < len(members):
        return content[: gone.start] + content[members[index + 1].start :]
    start = members[index - 1].end if index else gone.lead
    return content[:start] + content[gone.end :]


def _members(content: str, brace: int) -> Iterator[_Member]:
    """The members of the object whose brace stands there, in a text that was read before."""
    lead = brace + 1
    start = skip(content, lead)
    while content[start] != "}":
        name, colon = _WALKER.raw_decode(content, start)
        value = skip(content, content.index(":", colon) + 1)
        _, end = _WALKER.raw_decode(content, value)
        yield _Member(name, lead, start, colon, value, end)
        lead = skip(content, end)
        if content[lead] == ",":
            lead += 1
        start = skip(content, lead)


def _with_member(content: str, brace: int, members: list[_Member], name: str, value: str, line_end: str) -> str:
    if not members:
        return _first_member(content, brace, f"{name}: {value}", line_end)
    model = members[-1]
    colon = content[model.colon : model.value]
    lead = content[model.lead : model.start]
    if not lead and len(members) == 1 and colon != ":":
        lead = " "  # {"a": 1} does not show what its commas would look like; its colon does
    return f"{content[: model.end]},{lead}{name}{colon}{value}{content[model.end :]}"


def _first_member(content: str, brace: int, member: str, line_end: str) -> str:
    close = skip(content, brace + 1)
    root = skip(content, 0)
    first = next(_members(content, root), None)
    root_lead = _LINE_LEAD.search(content[first.lead : first.start]) if first else None
    blanks = content[brace + 1 : close]
    is_block = LINE_END.search(blanks) if blanks else not first or root_lead
    if not is_block:
        return content[: brace + 1] + blanks + member + content[brace + 1 :]
    unit = root_lead[0][1:] if root_lead else "  "
    line = re.search(r"[^\r\n]*\Z", content[:brace])
    indent = re.match(r"[ \t]*", line[0] if line else "")
    outer = indent[0] if indent else ""
    ending = "" if blanks else line_end + outer
    return f"{content[: brace + 1]}{line_end}{outer}{unit}{member}{ending}{content[brace + 1 :]}"
