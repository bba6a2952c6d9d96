"""A check of a Windows workstation in words: what came of each step, what it proves, and what stays unproven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from iea_fleet.model.windows_check import Step, Verdict, WindowsCheck
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import Look, short_seconds

_LOOKS: Final[Mapping[Verdict, Look]] = {
    "as_expected": Look("✓", "green"),
    "unexpected": Look("✗", "bold red"),
}
_TOOK: Final = 5


def check_text(check: WindowsCheck) -> RenderableType:
    """One workstation: a line for each step, below it what it proves or what to do, then what no step has shown."""
    head = Text.assemble((printable(check.workstation), "bold"), f"  {check.transport}, {check.at:%d %b %Y %H:%M} UTC")
    lines: list[RenderableType] = [Indented(head)]
    if check.stand_in:
        lines.append(
            Indented(Text("what answered is the lab's stand-in for PowerShell: nothing here is about Windows"))
        )
    if check.reason:
        lines.append(Indented(Text(printable(check.reason)), 4, Text("  ✗ ", style="bold red")))
    for step in check.steps:
        lines += _step(step)
    if left := [step.name.replace("_", " ") for step in check.steps if step.verdict == "not_tried"]:
        lines.append(Indented(Text(f"not tried: {', '.join(left)}", style="dim"), 4, Text("  - ", style="dim")))
    lines.append(Text("still unproven", style="bold"))
    lines += [Indented(Text(printable(sentence)), 4, Text("  · ")) for sentence in check.unproven]
    lines.append(Text(_total(check), style="bold"))
    return Group(*lines)


def _step(step: Step) -> Iterator[RenderableType]:
    if step.verdict == "not_tried":
        return
    look = _LOOKS[step.verdict]
    lead = Text.assemble((f"  {look.symbol} ", look.style), (f"{short_seconds(step.seconds):>{_TOOK}}  ", "dim"))
    said = f": {printable(step.came)}" + (f" ({printable(step.reason)})" if step.reason else "")
    if step.verdict == "as_expected":
        yield Indented(Text(step.title + said), len(lead), lead)
        yield Indented(Text(step.proves, style="dim"), len(lead) + 2, Text(f"{'':{len(lead)}}∴ ", style="dim"))
        return
    yield Indented(Text(f"{step.title}: {printable(step.came)}; expected: {step.expected}"), len(lead), lead)
    if step.reason:
        yield Indented(Text(printable(step.reason)), len(lead) + 2, Text(f"{'':{len(lead)}}→ "))


def _total(check: WindowsCheck) -> str:
    right = sum(1 for step in check.steps if step.verdict == "as_expected")
    seconds = short_seconds(sum(step.seconds for step in check.steps))
    if not check.steps:
        return f"{check.workstation}: nothing was tried"
    return f"{check.workstation}: {right} of {len(check.steps)} steps as expected, {seconds}"
