"""What an operator said yes to, in one shape for a plan of this minute and one from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from iea_fleet.core import matrix
from iea_fleet.core.exit_code import NOT_ASKED_FOR
from iea_fleet.engine.load import Loaded
from iea_fleet.engine.saved_plan import from_folder
from iea_fleet.errors import UsageError
from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.model.plan import Plan, TargetPlan
from iea_fleet.model.saved_plan import SavedPlan
from iea_fleet.model.target import Target

NOT_IN_PLAN: Final = "not_in_plan"
"""The reason code of a workstation that a saved plan has nothing for."""

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A plan as it was shown. ``planned`` are gone to; ``known`` has what is said of the others."""

    plan: Plan
    planned: frozenset[str]
    known: Mapping[str, Row]

    @property
    def plans(self) -> dict[str, TargetPlan]:
        """What is to be done, by workstation."""
        return {target.workstation: target for target in self.plan.targets if target.workstation in self.planned}

    @property
    def changing(self) -> int:
        """How many workstations are to be written to."""
        return sum(1 for target in self.plans.values() if target.changes)


def held_against(
    saved: SavedPlan, loaded: Loaded, targets: Sequence[Target], *, narrowed: bool
) -> tuple[list[Target], Reviewed]:
    """The targets that a saved plan is for, and what of it is to be done on them.

    ``narrowed``: ``targets`` are the operator's own choice, so that those without a plan are told. UsageError when the
    plan is for another inventory, the files changed since it was made, or none of the targets is in it.
    """
    _refuse_others(saved, loaded)
    by_name = {target.workstation: target for target in saved.plan.targets}
    if not any(target.name in by_name for target in targets):
        named = _named([target.name for target in targets])
        raise UsageError(f"the plan has nothing for {named}", "take another --limit, or plan again", code=NOT_IN_PLAN)
    kept = [target for target in targets if narrowed or target.name in by_name]
    known = {
        target.name: _untouched(target, by_name.get(target.name)) for target in kept if target.name not in saved.planned
    }
    plans = tuple(by_name[target.name] for target in kept if target.name in by_name)
    return kept, Reviewed(replace(saved.plan, targets=plans), saved.planned, known)


def _refuse_others(saved: SavedPlan, loaded: Loaded) -> None:
    if saved.plan.inventory != loaded.name:
        raise UsageError(
            f"the plan is for the inventory {saved.plan.inventory!r}, and this is {loaded.name!r}",
            "give the inventory that the plan was made for, or plan again",
            code="plan_other_inventory",
        )
    now = from_folder(loaded.files, loaded.folder)
    changed = [
        *(f"{path} was changed" for path in saved.files if path in now and now[path] != saved.files[path]),
        *(f"{path} is not read any more" for path in saved.files if path not in now),
        *(f"{path} was not read then" for path in now if path not in saved.files),
    ]
    if changed:
        raise UsageError(
            f"the files are not those that the plan was made from: {_named(changed)}",
            "look at what changed there, then plan again",
            code="plan_files_changed",
        )
    ours = {target.name for target in loaded.selected}
    if strange := [target.workstation for target in saved.plan.targets if target.workstation not in ours]:
        raise UsageError(f"the plan is for {_named(strange)}, which these files do not select", "plan again")


def _untouched(target: Target, planned: TargetPlan | None) -> Row:
    """The row of a workstation that the plan does not write to, and why."""
    if planned is None:
        reason = "it is not in the plan; nothing was done here, plan again"
        return matrix.whole(target, Status.SKIPPED, reason, NOT_IN_PLAN)
    return Row(target.name, target.office, tuple(_not_tried(cell) for cell in planned.cells))


def _not_tried(cell: Cell) -> Cell:
    if cell.reason_code in NOT_ASKED_FOR:
        return cell
    reason = f"could not be planned for ({cell.reason}), so nothing was done here; plan again"
    # When it was found so is the plan's time, and the history must not take it for the latest word on what is there.
    return replace(cell, reason=reason, reason_code=NOT_IN_PLAN, observed_at=None)


def _named(things: Sequence[str]) -> str:
    shown = ", ".join(things[:_MOST_NAMED])
    return f"{shown} and {len(things) - _MOST_NAMED} more" if len(things) > _MOST_NAMED else shown
