"""What is known of a run or a plan, one line a fact, and the files it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable

_DIGITS: Final = 12


def facts_text(facts: Mapping[str, str], files: Mapping[str, str]) -> Iterator[RenderableType]:
    """The facts by name, those that say nothing left out; then each file with the beginning of its digest."""
    width = max(map(len, facts))
    for name, said in facts.items():
        if said:
            yield Indented(Text.assemble((f"{name:{width}}  ", "dim"), printable(said)))
    if files:
        yield Indented(Text("files", style="dim"))
    for path, digest in sorted(files.items()):
        yield Indented(Text.assemble(f"{printable(path)}  ", (short_digest(digest), "dim")), 2)


def short_digest(digest: str) -> str:
    """As much of a digest as tells it from another.

    >>> short_digest("sha256:e3b0c44298fc1c149afbf4c8996fb924")
    'sha256:e3b0c44298fc'
    """
    kind, _, digits = printable(digest).rpartition(":")
    return f"{kind}:{digits[:_DIGITS]}" if kind else digits[:_DIGITS]
