"""Looking at a workstation: plan, drift and status. Nothing is written; the session refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from iea_fleet.core import matrix, planner
from iea_fleet.engine import clock, verify
from iea_fleet.engine.gather import gather
from iea_fleet.engine.lease import Leases
from iea_fleet.engine.outcome import Outcome
from iea_fleet.model.matrix import Row
from iea_fleet.model.playbook import ProbeName
from iea_fleet.model.target import Target
from iea_fleet.resources import Knowledge
from iea_fleet.transports.base import Session


def look(
    session: Session, target: Target, probes: Sequence[ProbeName], knowledge: Knowledge, leases: Leases
) -> Outcome:
    """Read the settings, compare them with the files, and ask the probes, if any.

    A run that is at work there, or was interrupted, stands in the place of what differs.
    """
    gathered = gather(session, target, probes, knowledge, (leases.read(target),))
    plan = planner.plan(target, gathered.reading)
    seen = planner.memories(plan.cells, gathered.reading)
    lease = leases.standing(target, gathered.answers[leases.read(target)])
    if trouble := lease.in_a_cell():
        plan, seen = replace(plan, cells=matrix.instead(plan.cells, trouble), changes=()), {}
    elif hold := target.held_on(clock.today()):
        plan = replace(plan, cells=matrix.held(plan.cells, hold), changes=())
    row = Row(target.name, target.office, plan.cells + verify.probe(session, target, probes, gathered, {}))
    return Outcome(row, seen, plan)
