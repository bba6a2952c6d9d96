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
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


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
        return f"none is {what}"
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
    """All that is wrong in some files, each thing once. ``file_of`` tells which file holds a path."""

    file_of: Callable[[Steps], str]
    found: dict[tuple[Steps, str], Fault] = field(default_factory=dict)

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
