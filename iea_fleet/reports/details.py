"""The lines under a workstation: why it is so, what differs, and when it was last seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import ago, change, changes, heading, last_right, word

DIFFERING: Final = frozenset({Status.DRIFTED, Status.PENDING, Status.CHANGED})
_NOTHING_TO_SAY: Final = frozenset({Status.CHANGED, Status.IN_SYNC})


@dataclass(frozen=True, slots=True)
class Details:
    """How much is said. ``now`` adds when something was last seen; ``verbose`` adds the reasons of good cells."""

    verbose: bool = False
    now: dt.datetime | None = None
    zone: dt.tzinfo | None = None

    def lines(self, row: Row) -> tuple[str, ...]:
        """What is to be said of one workstation, worst first, each thing once."""
        cells = sorted(row.cells, key=lambda cell: cell.status.badness)
        lines = [*self._reasons(cells), *self._differences(cells)]
        if self.now is not None and (seen := self._last_seen(row.cells, self.now)):
            lines.append(seen)
        return tuple(lines)

    def _reasons(self, cells: Sequence[Cell]) -> list[str]:
        speaking: dict[str, list[Cell]] = {}
        for cell in cells:
            silent = cell.status in _NOTHING_TO_SAY and not self.verbose
            # The reason of a difference only names the settings; the lines of the differences say more.
            if cell.reason and not silent and not (cell.status in DIFFERING and cell.differences):
                speaking.setdefault(printable(cell.reason), []).append(cell)
        return [
            reason if len(saying) == len(cells) else f"{', '.join(heading(cell.address) for cell in saying)}: {reason}"
            for reason, saying in speaking.items()
        ]

    def _differences(self, cells: Sequence[Cell]) -> list[str]:
        lines = []
        for cell in cells:
            if cell.status not in DIFFERING:
                continue
            if cell.status is not Status.DRIFTED:
                lines += [f"{heading(cell.address)} · {said}" for said in changes(cell.differences)]
                continue
            for difference in cell.differences:
                right = last_right(difference, self.zone)
                said = f"{heading(cell.address)} · {change(difference)}"
                lines.append(f"{said}; {right}" if right else said)
        return lines

    def _last_seen(self, cells: Sequence[Cell], now: dt.datetime) -> str:
        seen: dict[str, list[str]] = {}
        for cell in cells:
            if cell.last_seen:
                said = f"{word(cell.last_seen.status)} {ago(cell.last_seen.at, now)}"
                seen.setdefault(said, []).append(heading(cell.address))
        parts = [said if len(of) == len(cells) else f"{', '.join(of)} {said}" for said, of in seen.items()]
        return f"last seen: {'; '.join(parts)}" if parts else ""
