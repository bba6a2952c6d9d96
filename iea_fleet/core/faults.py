"""What is wrong with well-formed files, as plain data: where in which file, what, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Steps = tuple[str | int, ...]
"""A way through a document: keys and indexes."""


def dotted(steps: Steps) -> str:
    """A path as people read it.

    >>> dotted(("offices", "nancy", "tags", 0))
    'offices.nancy.tags[0]'
    """
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{printable(step, 80)}" if text else printable(step, 80)
    return text


def printable(text: str, longest: int = 500) -> str:
    """Text from a file as a terminal may be given it: no control characters, no direction marks, not endless."""
    shown = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[:longest])
    return f"{shown}…" if len(text) > longest else shown


def alike(word: str, other: str) -> bool:
    """Whether one of two words may be a slip for the other."""
    return bool(difflib.get_close_matches(word.casefold()[:100], [other.casefold()]))


def nearest(word: str, known: Iterable[str], what: str = "known") -> str:
    """What to do about a word that is not known: the nearest known one, or all of them when there are few.

    >>> nearest("adress", ["address", "tags"])
    'did you mean `address`?'
    """
    names = list(known)
    folded = {name.casefold(): name for name in names}
    # difflib compares with every name; beyond some thousands that would be felt, and nobody reads a guess.
    close = difflib.get_close_matches(word.casefold()[:100], list(folded)[:5000], n=1)
    if close:
        return f"did you mean `{folded[close[0]]}`?"
    if not names:
        return "declare it first"
    rest = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{what}: {', '.join(names[:20])}{rest}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. ``needs`` are the paths that have to be read rightly for this to be certain."""

    file: str
    path: Steps
    wrong: str
    remedy: str = ""
    at_key: bool = False
    needs: tuple[Steps, ...] = ()


@dataclass(slots=True)
class Notes:
    """All that is wrong in some files, each thing once. ``file_of`` tells which file holds a path.

    ``odd`` is what may be right all the same: it is shown, and nothing is refused for it.
    """

    file_of: Callable[[Steps], str]
    found: dict[tuple[Steps, str], Fault] = field(default_factory=dict)
    odd: list[Fault] = field(default_factory=list)

    def add(
        self,
        path: Steps,
        wrong: str,
        remedy: str = "",
        *,
        at_key: bool = False,
        needs: tuple[Steps, ...] = (),
        topic: str = "",
    ) -> None:
        """Note a fault. ``topic``: one fault of this topic at a place is enough, whatever its words."""
        self.found.setdefault((path, topic or wrong), Fault(self.file_of(path), path, wrong, remedy, at_key, needs))

    def warn(self, path: Steps, odd: str, remedy: str = "") -> None:
        """Note something that is odd."""
        self.odd.append(Fault(self.file_of(path), path, f"warning: {odd}", remedy))


class Gaps:
    """What could not be read, and is therefore not known to be missing."""

    # Comparing words is slow; where this many keys were refused in one map, anything may be among them.
    _MOST_COMPARED = 50

    def __init__(self, left_out: Iterable[Steps]) -> None:
        self._all = False
        self._below: dict[Steps, set[str]] = {}
        for steps in left_out:
            if steps:
                self._below.setdefault(steps[:-1], set()).add(str(steps[-1]))
            else:
                self._all = True

    def __bool__(self) -> bool:
        return self._all or bool(self._below)

    def may_explain(self, fault: Fault) -> bool:
        """Whether a fault may be there only because something it needs could not be read.

        A key that is alike, in the same place, may be the one that is needed, misspelt.
        """
        return bool(fault.needs) and (self._all or any(self.may_hold(need) for need in fault.needs))

    def may_hold(self, need: Steps) -> bool:
        """Whether something at this path, or above it, was there and could not be read."""
        if need in self._below:
            return True
        for depth, step in enumerate(need):
            refused = self._below.get(need[:depth])
            if refused is None:
                continue
            if len(refused) > self._MOST_COMPARED or any(alike(key, str(step)) for key in refused):
                return True
        return False
