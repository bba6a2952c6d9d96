"""Many names in few words, in the way selectors are written: ``nancy-[01:12]``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from iea_fleet.reports.safe import printable

_NUMBERED = re.compile(r"(?P<head>.*?)(?P<number>\d{1,9})(?P<tail>\D*)")
_Place = tuple[str, int, str]
"""What pieces are sorted by."""


def folded(names: Iterable[str]) -> str:
    """The names, sorted as people count, runs of three and more folded; what is folded can be given to ``--limit``.

    >>> folded(["nancy-3", "nancy-1", "nancy-2", "toul-01", "nancy-10"])
    'nancy-[1:3], nancy-10, toul-01'
    """
    pieces: list[tuple[_Place, str]] = []
    families: dict[tuple[str, str], set[str]] = {}
    for name in set(names):
        found = _NUMBERED.fullmatch(name)
        if found is None:
            pieces.append(((name, -1, ""), name))
        else:
            families.setdefault((found["head"], found["tail"]), set()).add(found["number"])
    for (head, tail), numbers in families.items():
        pieces += _pieces(head, numbers, tail)
    return ", ".join(printable(piece) for _, piece in sorted(pieces))


def counting_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts names as people count: ``nancy-9`` before ``nancy-10``."""
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name))


def _pieces(head: str, numbers: set[str], tail: str) -> list[tuple[_Place, str]]:
    # « 01 » and « 1 » are two names: numbers with the digits of a padded one are counted with it, the others apart.
    padded = {len(number) for number in numbers if number.startswith("0")}
    by_width: dict[int, list[int]] = {}
    for number in numbers:
        by_width.setdefault(len(number) if len(number) in padded else 0, []).append(int(number))
    pieces: list[tuple[_Place, str]] = []
    for width, members in by_width.items():
        for first, last in _runs(sorted(members)):
            if last - first >= 2:
                pieces.append(((head, first, tail), f"{head}[{first:0{width}}:{last:0{width}}]{tail}"))
            else:
                pieces += [((head, one, tail), f"{head}{one:0{width}}{tail}") for one in range(first, last + 1)]
    return pieces


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Sorted numbers as first and last of each stretch without a gap."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
