"""The other workstations of an office: IEA has to be closed on all of them before their one copy is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from iea_fleet.errors import IeaFleetError
from iea_fleet.model.matrix import Status
from iea_fleet.model.request import Absent, Failed, Stat
from iea_fleet.model.target import Target
from iea_fleet.resources import Unobserved
from iea_fleet.transports.base import Reach
from iea_fleet.transports.doorway import Doorway, Entrance
from iea_fleet.transports.sessions import open_session

Reaches = Mapping[str, Reach | IeaFleetError]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """All workstations of the inventory, whether they are selected or not, and the way in to them."""

    targets: Sequence[Target]
    reaches: Callable[[Sequence[Target]], Reaches]

    def open_elsewhere(self, target: Target) -> Unobserved | None:
        """Why the one copy on this workstation must not be written now; None when it may be.

        One connection each to the other workstations of the office, read only.
        """
        kept = target.layout.net_entreprises if target.layout else None
        if kept is None or kept.scope != "office" or target.installation != "network":
            return None
        others = {one.name: one for one in self.targets if one.office == target.office and one.name != target.name}
        if by_hand := next((name for name, one in others.items() if one.guided), None):
            return _untold(by_hand, "a person looks after it")
        reaches = self.reaches(tuple(others.values()))
        ways = []
        for name, reach in reaches.items():
            if isinstance(reach, IeaFleetError):
                return _untold(name, str(reach))
            ways.append(reach)
        with Doorway(ahead=len(ways) or 1) as doorway:
            troubles = [_looked_at(others[way.workstation], way, entrance) for way, entrance in doorway.admit(ways)]
        return next((trouble for trouble in troubles if trouble is not None), None)


def _looked_at(target: Target, reach: Reach, entrance: Entrance | IeaFleetError) -> Unobserved | None:
    """Why a workstation keeps the others from being written to; None when IEA is closed there."""
    if isinstance(entrance, IeaFleetError):
        return _untold(target.name, str(entrance))
    path = target.files.get("lock_file")
    if path is None:
        entrance.close()
        return None
    try:
        with open_session(reach, entrance, read_only=True) as session:
            (answer,) = session.carry_out((Stat(path),))
    except IeaFleetError as error:
        return _untold(target.name, str(error))
    match answer:
        case Absent():
            return None
        case Failed(_, reason):
            return _untold(target.name, reason)
        case _:
            reason = f"IEA is open on {target.name}, which shares this installation; close it there, then apply again"
            return Unobserved(Status.WAITING, reason, "iea_open_elsewhere")


def _untold(name: str, why: str) -> Unobserved:
    reason = f"whether IEA is open on {name}, which shares this installation, cannot be told: {why}"
    return Unobserved(Status.WAITING, reason, "office_not_reached")
