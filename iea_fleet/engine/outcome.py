"""What came of one workstation: its row, what is to be remembered, and the plan where one was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from iea_fleet.model.matrix import Row
from iea_fleet.model.plan import TargetPlan
from iea_fleet.model.run import Memory


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one workstation. ``round_trips`` counts the waits of its session."""

    row: Row
    memories: Mapping[str, Memory] = field(default_factory=dict)
    plan: TargetPlan | None = None
    round_trips: int = 0
