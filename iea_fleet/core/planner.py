"""What is to be done on one workstation, from what was read there and what the files ask. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from iea_fleet.core import drift
from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Cell, Difference, Status
from iea_fleet.model.plan import Change, TargetPlan
from iea_fleet.model.request import ReadFile
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target
from iea_fleet.resources import LATER, Answers, Kind, Observed, Unobserved, kind_named, kind_of


@dataclass(frozen=True, slots=True)
class Reading:
    """What a workstation's resources were when they were read, by address."""

    observed: Mapping[str, Observed | Unobserved]
    at: dt.datetime

    def values(self, address: str) -> Mapping[str, Scalar]:
        """The values of one resource; none when they could not be told."""
        observed = self.observed.get(address)
        return observed.values if isinstance(observed, Observed) else {}


def reads(target: Target) -> tuple[ReadFile, ...]:
    """What has to be read to plan for this workstation, each file once."""
    return tuple(
        dict.fromkeys(read for address, kind in _kinds(target).items() for read in kind.reads(target, address))
    )


def observe(target: Target, answers: Answers, at: dt.datetime) -> Reading:
    """The state of each resource that these answers show."""
    return Reading({address: kind.observe(target, address, answers) for address, kind in _kinds(target).items()}, at)


def plan(target: Target, reading: Reading, memories: Mapping[str, Memory]) -> TargetPlan:
    """The cells of every resource and the changes that are to be made. Planning the desired state changes nothing."""
    cells: list[Cell] = []
    changes: list[Change] = []
    kinds = _kinds(target)
    for address in target.resources:
        if address not in kinds:
            cells.append(Cell(address, Status.SKIPPED, LATER[kind_of(address)], "not_built"))
            continue
        observed = reading.observed[address]
        if isinstance(observed, Unobserved):
            cells.append(Cell(address, observed.status, observed.reason, observed.reason_code, reading.at))
            continue
        memory, kind = memories.get(address), kinds[address]
        differences = _differences(target, address, kind, observed, memory)
        status = drift.status_of(differences, memory, kind.same)
        cells.append(
            Cell(address, status, _reason(differences), status if differences else "", reading.at, differences)
        )
        if differences:
            changes.append(Change(address, differences, kind.edits(target, address, observed, differences)))
    read = {
        path: found
        for one in reading.observed.values()
        if isinstance(one, Observed)
        for path, found in one.read.items()
    }
    return TargetPlan(target.name, target.office, tuple(cells), tuple(changes), read)


def memories(target: Target, cells: tuple[Cell, ...], at: dt.datetime) -> dict[str, Memory]:
    """What is worth remembering: the wanted values of every resource that was seen right."""
    kinds = _kinds(target)
    return {
        cell.address: Memory(dict(kinds[cell.address].wanted(target, cell.address)), at)
        for cell in cells
        if cell.address in kinds and cell.status in (Status.IN_SYNC, Status.CHANGED)
    }


def _kinds(target: Target) -> dict[str, Kind]:
    named = ((address, kind_named(kind_of(address))) for address in target.resources)
    return {address: kind for address, kind in named if kind is not None}


def _differences(
    target: Target, address: str, kind: Kind, observed: Observed, memory: Memory | None
) -> tuple[Difference, ...]:
    known = memory.values if memory else {}
    return tuple(
        Difference(
            setting,
            observed.values.get(setting),
            value,
            kind.note(target, setting, observed.values),
            known.get(setting),
            memory.right_at if memory and setting in known else None,
        )
        for setting, value in kind.wanted(target, address).items()
        if setting not in observed.values or not kind.same(setting, observed.values[setting], value)
    )


def _reason(differences: tuple[Difference, ...]) -> str:
    """One sentence for the matrix; the values stand in the differences.

    >>> _reason((Difference("secure", False, True, "« Sécurisé » is not ticked"), Difference("update_url", "a", "b")))
    'differs: secure (« Sécurisé » is not ticked), update_url'
    """
    if not differences:
        return ""
    return "differs: " + ", ".join(
        f"{difference.setting} ({difference.note})" if difference.note else difference.setting
        for difference in differences
    )
