"""What ``doctor`` found out, in words: a line for each step, what to do below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from iea_fleet.model.examination import GUIDED, Examination, Finding, Step, Verdict, title
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import Look, short_seconds, workstations

_LOOKS: Final[Mapping[Finding, Look]] = {
    Finding.OK: Look("✓", "green"),
    Finding.WARN: Look("!", "yellow"),
    Finding.BAD: Look("✗", "bold red"),
    Finding.NOT_TRIED: Look("-", "dim"),
}
_VERDICTS: Final[Mapping[Verdict, tuple[str, Look]]] = {
    "bad": ("bad", _LOOKS[Finding.BAD]),
    "offline": ("offline", Look("○", "cyan")),
    "warn": ("with a warning", _LOOKS[Finding.WARN]),
    "interrupted": ("not examined", _LOOKS[Finding.NOT_TRIED]),
    "guided": ("guided", Look("…", "cyan")),
    "ok": ("well", _LOOKS[Finding.OK]),
}
_TITLE: Final = 14
_TOOK: Final = 5
_SKIPPED: Final = 4


def examination_text(one: Examination, *, whole: bool) -> RenderableType:
    """One workstation. ``whole``: all its steps; else one line where all is well, and only what is not elsewhere."""
    word, look = _VERDICTS[one.verdict]
    name = (printable(one.workstation), "bold")
    if not whole and one.verdict == "ok":
        seconds = sum(step.seconds or 0.0 for step in one.steps)
        told = f"  well, {short_seconds(seconds)}"
        return Indented(Text.assemble((f"{look.symbol} ", look.style), name, told))
    head = Text.assemble(
        (f"{look.symbol} ", look.style), name, f"  {word}", (f"  {printable(one.way)}".rstrip(), "dim")
    )
    return Group(Indented(head), *_steps(one.steps, whole=whole))


def totals_text(examinations: Sequence[Examination]) -> RenderableType:
    """How many workstations are how, the worst first."""
    counts = Counter(one.verdict for one in examinations)
    said = ", ".join(f"{counts[verdict]} {word}" for verdict, (word, _) in _VERDICTS.items() if counts[verdict])
    return Text(f"{workstations(len(examinations))} examined: {said}", style="bold")


def _steps(steps: Sequence[Step], *, whole: bool) -> Iterator[RenderableType]:
    for step in steps:
        if step.finding is not Finding.NOT_TRIED and (whole or step.finding is not Finding.OK):
            yield from _step(step)
    left = [step for step in steps if step.finding is Finding.NOT_TRIED]
    for (why, remedy), alike in groupby(left, key=lambda step: (step.seen, step.remedy)):
        titles = [title(step.name) for step in alike if step.name != GUIDED]
        line = f"not tried: {', '.join(titles)}: {why}" if titles else why
        yield Indented(Text(printable(line), style="dim"), _SKIPPED, Text("  - ", style="dim"))
        yield from _remedy(remedy, _SKIPPED)


def _step(step: Step) -> Iterator[RenderableType]:
    look = _LOOKS[step.finding]
    took = "" if step.seconds is None else short_seconds(step.seconds)
    lead = Text.assemble(
        ("  " + look.symbol, look.style), f" {title(step.name):{_TITLE}} ", (f"{took:>{_TOOK}}  ", "dim")
    )
    yield Indented(Text(printable(step.seen)), len(lead), lead)
    yield from _remedy(step.remedy, len(lead))


def _remedy(remedy: str, columns: int) -> Iterator[RenderableType]:
    if remedy:
        yield Indented(Text(printable(remedy)), columns + 2, Text(f"{'':{columns}}→ "))
