"""Pushing to one workstation: gather, plan, ask first, write, relaunch, read again, probe.

Only "nothing is left to do" when read again is success. Sources: the connection fiche, which tests the servers before
« Enregistrer » and relaunches the authentication after it, and which is not to be followed in assistance mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from iea_fleet.core import matrix, planner
from iea_fleet.engine import clock, preconditions, relaunch, verify
from iea_fleet.engine.gather import Gathered, gather
from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.render import render
from iea_fleet.errors import BrokenError, SettingsFormatError
from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.model.plan import TargetPlan
from iea_fleet.model.playbook import Playbook
from iea_fleet.model.request import Answer, Done, Failed, Moved, ReplaceFile
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target
from iea_fleet.resources.server_connection import KIND as SERVER_CONNECTION
from iea_fleet.transports.base import Session


@dataclass
class Push:
    """One workstation's push, in one session. ``reviewed`` is the plan that the operator has said yes to."""

    session: Session
    target: Target
    playbook: Playbook
    memories: Mapping[str, Memory]
    reviewed: TargetPlan | None = None
    asked: verify.Asked = field(default_factory=dict)

    def carry_out(self) -> Outcome:
        """Do it, and say what came of it. TransportError when the connection is of no more use."""
        gathered = gather(self.session, self.target, self.playbook.probes, for_writing=True)
        plan = planner.plan(self.target, gathered.reading, self.memories)
        if (cells := self._kept_from_writing(plan, gathered)) is not None:
            return self._without_writing(plan, gathered, cells)
        if not plan.changes:
            return self._without_writing(plan, relaunch.if_failed(self.session, self.target, gathered), plan.cells)
        if self.playbook.test_first and (cells := self._unreached(plan)):
            return Outcome(Row(self.target.name, self.target.office, cells), {}, plan)
        try:
            requests = render(plan.changes, gathered)
        except SettingsFormatError as error:
            return self._without_writing(plan, gathered, _set(plan, Status.FAILED, str(error), error.code))
        return self._written(plan, gathered, requests)

    def _kept_from_writing(self, plan: TargetPlan, gathered: Gathered) -> tuple[Cell, ...] | None:
        """The cells of a workstation that must not be written to; None when it may be."""
        if self.reviewed is not None and self.reviewed.read != plan.read:
            reason = "the settings changed after the plan was made; nothing was written, plan again"
            return _set(plan, Status.STALE, reason, "moved_since_plan")
        if hold := self.target.held_on(clock.today()):
            return matrix.held(plan.cells, hold)
        if plan.changes and (refusal := preconditions.refusal(self.target, gathered)):
            return _set(plan, refusal.status, refusal.reason, refusal.reason_code)
        return None

    def _without_writing(self, plan: TargetPlan, gathered: Gathered, cells: tuple[Cell, ...]) -> Outcome:
        probed = verify.probe(self.session, self.target, self.playbook.probes, gathered, self.asked)
        row = Row(self.target.name, self.target.office, cells + probed)
        return Outcome(row, planner.memories(self.target, cells, gathered.at), plan)

    def _unreached(self, plan: TargetPlan) -> tuple[Cell, ...]:
        """The cells of a workstation whose wanted servers do not answer; empty when they do, or are not changed."""
        changed = {change.address for change in plan.changes}
        if SERVER_CONNECTION not in changed or self.target.server_connection is None:
            return ()
        asked = verify.ask(self.session, self.target, self.target.server_connection.wanted(), self.asked)
        bad = [cell for cell in asked if cell.status is Status.BAD]
        if not bad:
            return ()
        named = "; ".join(f"{cell.address.removeprefix('servers.')}: {cell.reason}" for cell in bad)
        reason = f"nothing was written: the wanted servers do not answer from this workstation ({named})"
        return _set(plan, Status.SKIPPED, reason, "test_first_failed") + asked

    def _written(self, plan: TargetPlan, before: Gathered, requests: tuple[ReplaceFile, ...]) -> Outcome:
        try:
            answers = self.session.carry_out(requests)
            if any(not isinstance(answer, Done) for answer in answers):
                return self._without_writing(plan, before, _not_written(plan, requests, answers))
            after, fault = relaunch.after_writing(self.session, self.target, before)
        except BrokenError as error:
            raise BrokenError(
                f"{error.sentence}, while the settings were being written",
                "each file is whole, the old or the new one; run iea-fleet drift to see which",
                code=error.code,
            ) from error
        again = planner.plan(self.target, after.reading, self.memories)
        cells = tuple(_held_by_file(cell, now, fault) for cell, now in zip(plan.cells, again.cells, strict=True))
        remembered = planner.memories(self.target, again.cells, after.at)
        cells += verify.probe(self.session, self.target, self.playbook.probes, after, self.asked)
        return Outcome(Row(self.target.name, self.target.office, cells), remembered, plan)


def _set(plan: TargetPlan, status: Status, reason: str, reason_code: str) -> tuple[Cell, ...]:
    """The cells of a plan with those that were to change set to this."""
    changed = {change.address for change in plan.changes}
    return tuple(
        replace(cell, status=status, reason=reason, reason_code=reason_code) if cell.address in changed else cell
        for cell in plan.cells
    )


def _not_written(plan: TargetPlan, requests: tuple[ReplaceFile, ...], answers: list[Answer]) -> tuple[Cell, ...]:
    """The cells of a plan whose files could not all be replaced."""
    for request, answer in zip(requests, answers, strict=True):
        match answer:
            case Moved():
                reason = f"somebody changed {request.path} between reading and writing; it was left alone"
                return _set(plan, Status.STALE, reason, "moved_before_write")
            case Failed(reason_code, reason):
                return _set(plan, Status.FAILED, f"{request.path} was not written: {reason}", reason_code)
    raise AssertionError("a batch was not done and no request says why")


def _held_by_file(planned: Cell, now: Cell, fault: relaunch.Fault | None) -> Cell:
    """What a resource's cell says after the write: changed when nothing is left to do, otherwise failed."""
    if not planned.differences or planned.status is Status.SKIPPED:
        return now
    if now.status is not Status.IN_SYNC:
        reason = f"it was written, and read again it is not as written: {now.reason}"
        return replace(now, status=Status.FAILED, reason=reason, reason_code="not_held")
    settings = ", ".join(difference.setting for difference in planned.differences)
    if fault is not None:
        reason = f"{settings} written, but {fault.reason}"
        return replace(
            now, status=Status.FAILED, reason=reason, reason_code=fault.reason_code, differences=planned.differences
        )
    return replace(
        now,
        status=Status.CHANGED,
        reason=f"{settings} written",
        reason_code="changed",
        differences=planned.differences,
    )
