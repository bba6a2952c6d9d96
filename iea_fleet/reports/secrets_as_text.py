"""The secrets of an inventory in words: where they are, how old, and who refers to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from iea_fleet.model.secret import KeptSecret
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import duration


def secrets_text(kept: Sequence[KeptSecret], now: dt.datetime) -> RenderableType:
    """Each secret with its age, and below it the places that name it."""
    lines: list[RenderableType] = []
    for one in kept:
        lines.append(Indented(Text.assemble((printable(one.reference), "bold"), f"  {_standing(one, now)}")))
        used_by = printable(", ".join(one.used_by)) or "nothing refers to it"
        lines.append(Indented(Text(used_by, style="dim"), 2))
    missing = sum(one.there is False for one in kept)
    unused = sum(not one.used_by for one in kept)
    total = f"{len(kept)} secret{'s' if len(kept) != 1 else ''}: {missing} not there, {unused} not used"
    return Group(*lines, Text(total, style="bold"))


def _standing(one: KeptSecret, now: dt.datetime) -> str:
    if one.there is None:
        return f"in {one.kind}"
    if one.changed_at is None:
        return "not there"
    return f"changed {duration(max(now - one.changed_at, dt.timedelta()))} ago"
