"""What came of a command: its run, its matrix, its plan, and what is known of the accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.reviewed import Reviewed
from iea_fleet.model.account import AccountVerdict
from iea_fleet.model.matrix import Matrix
from iea_fleet.model.plan import Plan, TargetPlan
from iea_fleet.model.run import Run

Verdicts = Mapping[str, AccountVerdict | None]
"""The last verdict on each identity with the password it has now; None for one that was never tested."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a command: its run, its matrix, and its plan, which has every workstation.

    ``planned`` names those for which a plan could be made: the others were not reached, or are not written to.
    """

    run: Run
    matrix: Matrix
    plan: Plan
    planned: frozenset[str] = frozenset()
    accounts: Verdicts = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, outcomes: Sequence[Outcome], offices: Mapping[str, str], accounts: Verdicts) -> Result:
        """The result of a run that came to these outcomes."""
        rows = tuple(outcome.row for outcome in outcomes)
        plans = tuple(one.plan or TargetPlan(one.row.workstation, one.row.office, one.row.cells) for one in outcomes)
        planned = frozenset(one.row.workstation for one in outcomes if one.plan)
        plan = Plan(run.inventory, run.started_at, plans)
        return cls(run, Matrix(rows, offices), plan, planned, accounts)

    @property
    def reviewed(self) -> Reviewed:
        """This result as the plan that an operator says yes to."""
        known = {row.workstation: row for row in self.matrix.rows if row.workstation not in self.planned}
        return Reviewed(self.plan, self.planned, known)
