"""What came of one workstation: its row, what is to be remembered, and the plan where one was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from iea_fleet.model.journal import JournalFile
from iea_fleet.model.matrix import Row
from iea_fleet.model.plan import TargetPlan
from iea_fleet.model.run import Memory


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one workstation. ``replaced`` are the files that a transaction wrote and kept.

    ``wave`` is the number of the wave that it was pushed in, None where there are no waves.
    """

    row: Row
    memories: Mapping[str, Memory] = field(default_factory=dict)
    plan: TargetPlan | None = None
    replaced: tuple[JournalFile, ...] = ()
    wave: int | None = None
