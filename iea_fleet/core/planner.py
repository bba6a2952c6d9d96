"""What is to be done on one workstation, from what was read there and what the files ask. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from iea_fleet.core import drift
from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Cell, Difference, Status
from iea_fleet.model.plan import Change, TargetPlan
from iea_fleet.model.request import Answer, Request
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target
from iea_fleet.resources import LATER, Answers, Kind, Knowledge, Observed, Read, Unobserved, kind_named, kind_of

Wanted = Mapping[str, Scalar] | Unobserved


@dataclass(frozen=True, slots=True)
class Reading:
    """What a workstation's resources were when they were read, by address, and what the files ask of them.

    ``besides`` are cells of what was found there that the inventory does not know.
    """

    observed: Mapping[str, Observed | Unobserved]
    wanted: Mapping[str, Wanted]
    knowledge: Knowledge
    at: dt.datetime
    besides: tuple[Cell, ...] = ()

    def values(self, address: str) -> Mapping[str, Scalar]:
        """The values of one resource; none when they could not be told."""
        observed = self.observed.get(address)
        return observed.values if isinstance(observed, Observed) else {}


def reads(target: Target, known: Mapping[Request, Answer]) -> tuple[Read, ...]:
    """What has to be read to plan for this workstation, as far as the answers ``known`` so far tell; each once."""
    return tuple(
        dict.fromkeys(read for address, kind in _kinds(target).items() for read in kind.reads(target, address, known))
    )


def observe(target: Target, answers: Answers, knowledge: Knowledge, at: dt.datetime) -> Reading:
    """The state of each resource that these answers show."""
    kinds = _kinds(target)
    return Reading(
        {address: kind.observe(target, address, answers, knowledge) for address, kind in kinds.items()},
        {address: kind.wanted(target, address, knowledge.marks) for address, kind in kinds.items()},
        knowledge,
        at,
        tuple(cell for kind in dict.fromkeys(kinds.values()) for cell in kind.besides(target, answers)),
    )


def plan(target: Target, reading: Reading) -> TargetPlan:
    """The cells of every resource and the changes that are to be made. Planning the desired state changes nothing."""
    cells: list[Cell] = []
    changes: list[Change] = []
    kinds = _kinds(target)
    for address in target.resources:
        if address not in kinds:
            cells.append(Cell(address, Status.SKIPPED, LATER[kind_of(address)], "not_built"))
            continue
        observed, wanted = reading.observed[address], reading.wanted[address]
        if isinstance(observed, Unobserved) or isinstance(wanted, Unobserved):
            trouble = observed if isinstance(observed, Unobserved) else wanted
            assert isinstance(trouble, Unobserved)
            cells.append(Cell(address, trouble.status, trouble.reason, trouble.reason_code, reading.at))
            continue
        memory, kind = reading.knowledge.memories.get(address), kinds[address]
        differences = _differences(kind, observed, wanted, memory)
        status = drift.status_of(differences, memory, kind.same)
        cells.append(
            Cell(address, status, _reason(differences), status if differences else "", reading.at, differences)
        )
        if differences:
            changes.append(Change(address, differences, kind.edits(target, address, observed, differences)))
    cells += [replace(cell, observed_at=reading.at) for cell in reading.besides]
    return TargetPlan(target.name, target.office, tuple(cells), tuple(changes), _digests(kinds, reading))


def memories(cells: tuple[Cell, ...], reading: Reading) -> dict[str, Memory]:
    """What is worth remembering: the wanted values of every resource that was seen right."""
    kept = {}
    for cell in cells:
        observed, wanted = reading.observed.get(cell.address), reading.wanted.get(cell.address)
        if cell.status in (Status.IN_SYNC, Status.CHANGED) and isinstance(observed, Observed):
            assert wanted is not None
            assert not isinstance(wanted, Unobserved)
            kept[cell.address] = Memory({**wanted, **observed.besides}, reading.at)
    return kept


def _digests(kinds: Mapping[str, Kind], reading: Reading) -> dict[str, str]:
    """What was read, by its digests; of a file with a secret the mark of it: a short password could be guessed."""
    read: dict[str, str] = {}
    for address, one in reading.observed.items():
        if isinstance(one, Observed):
            hidden = any(map(kinds[address].is_secret, one.values))
            shown = reading.knowledge.marks.of if hidden else str
            read.update({path: shown(found) for path, found in one.read.items()})
    return read


def _kinds(target: Target) -> dict[str, Kind]:
    named = ((address, kind_named(kind_of(address))) for address in target.resources)
    return {address: kind for address, kind in named if kind is not None}


def _differences(
    kind: Kind, observed: Observed, wanted: Mapping[str, Scalar], memory: Memory | None
) -> tuple[Difference, ...]:
    known = memory.values if memory else {}
    return tuple(
        Difference(
            setting,
            observed.values.get(setting),
            value,
            kind.note(setting, observed.values, wanted),
            known.get(setting),
            memory.right_at if memory and setting in known else None,
            kind.is_secret(setting),
        )
        for setting, value in wanted.items()
        if not _is_right(kind, setting, observed.values.get(setting), value)
    )


def _is_right(kind: Kind, setting: str, found: Scalar, wanted: Scalar) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return kind.same(setting, found, wanted)


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
