"""Which workstations ``--only`` means, by what is last known of them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from iea_fleet.model.matrix import Cell, Row, Status

MEANT: Final[Mapping[str, frozenset[Status]]] = {
    "pending": frozenset({Status.PENDING}),
    "drifted": frozenset({Status.DRIFTED}),
    "failed": frozenset({Status.FAILED, Status.ROLLED_BACK, Status.BAD, Status.STALE}),
    "offline": frozenset({Status.OFFLINE}),
}
"""The statuses behind each word; ``failed`` is all that makes a run end with 1."""

_LASTING: Final = frozenset({Status.PENDING, Status.DRIFTED})


def picked(rows: Sequence[Row], words: Collection[str]) -> frozenset[str]:
    """The names of the workstations that one of the words means.

    What was pending or drifted when it was last seen, and since could not be worked on (offline, skipped, failed), is
    so still.
    """
    wanted = frozenset[Status]().union(*(MEANT[word] for word in words))
    return frozenset(row.workstation for row in rows if any(_is_one(cell, wanted) for cell in row.cells))


def _is_one(cell: Cell, wanted: frozenset[Status]) -> bool:
    seen = cell.last_seen
    return cell.status in wanted or (seen is not None and seen.status in wanted & _LASTING)
