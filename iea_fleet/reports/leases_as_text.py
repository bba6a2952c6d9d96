"""Who holds which workstation, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from iea_fleet.model.journal import Holding
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import duration, workstations


def leases_text(holdings: Sequence[Holding], looked_at: int) -> RenderableType:
    """Each held workstation with the run's id that breaks it; ``looked_at`` counts those that answered."""
    lines: list[RenderableType] = []
    for holding in holdings:
        said = ["ours" if holding.ours else "not ours", _alive(holding)]
        if holding.owner:
            said.append(f"by {printable(holding.owner)}")
        if holding.age is not None:
            said.append(f"for {duration(dt.timedelta(seconds=holding.age))}")
        lines.append(Indented(Text.assemble((holding.workstation, "bold"), f"  {holding.run}  {', '.join(said)}")))
        lines.append(Indented(Text(printable(holding.reason), style="dim"), 2))
    total = f"{workstations(looked_at)} looked at: {len(holdings)} held"
    return Group(*lines, Text(total, style="bold"))


def _alive(holding: Holding) -> str:
    if holding.alive is None:
        return "alive or dead cannot be told"
    return "alive" if holding.alive else "dead"
