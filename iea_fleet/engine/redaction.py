"""What is recorded and told of a workstation goes through the last net, before a table breaks a value over two lines.

Names, addresses and codes stay: they are how a row is found again. So do the changes of a plan, which are carried out.
"""

from __future__ import annotations

from dataclasses import replace

from iea_fleet.engine.outcome import Outcome
from iea_fleet.model.examination import Step
from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Cell, Difference
from iea_fleet.model.plan import Change, Plan, TargetPlan
from iea_fleet.secrets.redactor import SHARED


def cleaned_outcome(outcome: Outcome) -> Outcome:
    """The outcome as it may be kept: its row, and what the history is to remember."""
    row = replace(outcome.row, cells=tuple(map(_cell, outcome.row.cells)))
    memories = {
        address: replace(memory, values={setting: _scalar(value) for setting, value in memory.values.items()})
        for address, memory in outcome.memories.items()
    }
    return replace(outcome, row=row, memories=memories)


def cleaned_plan(plan: Plan) -> Plan:
    """The plan as it may be shown; no longer one to carry out."""
    return replace(plan, targets=tuple(map(_target, plan.targets)))


def cleaned_step(step: Step) -> Step:
    """The step of an examination as it may be shown."""
    return replace(step, seen=SHARED.clean(step.seen), remedy=SHARED.clean(step.remedy))


def cleaned_document(part: object) -> object:
    """A document of JSON, with every text in it that is no key."""
    match part:
        case str():
            return SHARED.clean(part)
        case list() | tuple():
            return [cleaned_document(one) for one in part]
        case dict():
            return {key: cleaned_document(one) for key, one in part.items()}
        case _:
            return part


def _target(target: TargetPlan) -> TargetPlan:
    return replace(target, cells=tuple(map(_cell, target.cells)), changes=tuple(map(_change, target.changes)))


def _change(change: Change) -> Change:
    return replace(change, differences=tuple(map(_difference, change.differences)))


def _cell(cell: Cell) -> Cell:
    differences = tuple(map(_difference, cell.differences))
    return replace(cell, reason=SHARED.clean(cell.reason), differences=differences)


def _difference(difference: Difference) -> Difference:
    return replace(
        difference,
        before=_scalar(difference.before),
        after=_scalar(difference.after),
        last_right=_scalar(difference.last_right),
        note=SHARED.clean(difference.note),
    )


def _scalar(value: Scalar) -> Scalar:
    return SHARED.clean(value) if isinstance(value, str) else value
