"""Ranges of workstation names: nancy-[01:03] is nancy-01, nancy-02 and nancy-03."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_MEMBERS = 10_000

_RANGE = re.compile(r"\[(\d+):(\d+)\]")


def is_range(text: str) -> bool:
    """Whether a name holds a range."""
    return _RANGE.search(text) is not None


def members(text: str) -> Iterator[tuple[str, int | None]]:
    """The names of a range with their numbers, both ends included, zeros in front kept; a plain name is itself.

    ValueError, in the form ``what is wrong; what to do``, when the range is reversed, too large, or not alone.

    >>> list(members("nancy-[09:10]"))
    [('nancy-09', 9), ('nancy-10', 10)]
    """
    found = _RANGE.findall(text)
    if not found:
        return iter([(text, None)])
    if len(found) > 1:
        raise ValueError("has more than one range; write one range in a name, and a line for each of the others")
    first, last = found[0]
    start, end = int(first), int(last)
    if start > end:
        raise ValueError(f"has a range that runs backwards; write [{last}:{first}]")
    if end - start >= MOST_MEMBERS:
        raise ValueError(f"has a range of more than {MOST_MEMBERS:,} workstations; is the last number right?")
    padded = any(len(text) > 1 and text.startswith("0") for text in (first, last))
    width = max(len(first), len(last)) if padded else 0
    head, tail = _RANGE.split(text)[0], _RANGE.split(text)[-1]
    return ((f"{head}{number:0{width}d}{tail}", number) for number in range(start, end + 1))
