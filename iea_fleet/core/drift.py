"""Whether a difference is ours to make (*pending*) or somebody's doing (*drifted*).

D is what the files ask, L the last value we wrote or saw right, O what is there. O = D: in sync. Else, L unknown or
O = L: pending. Else drifted, also when D moved since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Difference, Status
from iea_fleet.model.run import Memory

Same = Callable[[str, Scalar, Scalar], bool]


def drifted(difference: Difference, memory: Memory | None, same: Same) -> bool:
    """Whether somebody changed this setting since we last saw it right."""
    if memory is None or difference.setting not in memory.values:
        return False
    return not same(difference.setting, difference.before, memory.values[difference.setting])


def status_of(differences: Iterable[Difference], memory: Memory | None, same: Same) -> Status:
    """The status of a resource with these differences."""
    status = Status.IN_SYNC
    for difference in differences:
        if drifted(difference, memory, same):
            return Status.DRIFTED
        status = Status.PENDING
    return status
