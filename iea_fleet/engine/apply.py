"""Pushing to one workstation: gather, settle, plan, ask first, write, relaunch, read again, probe, commit.

Only "nothing is left to do" when read again is success. Sources: the connection fiche, which tests the servers before
« Enregistrer » and relaunches the authentication after it, and which is not to be followed in assistance mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from iea_fleet.core import matrix, planner
from iea_fleet.engine import clock, leftovers, preconditions, relaunch, staleness, verify
from iea_fleet.engine.gather import Gathered, gather
from iea_fleet.engine.lease import Leases, Standing
from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.render import render
from iea_fleet.engine.settle import Record, Settled, settle
from iea_fleet.engine.transaction import LOST, Transaction, Write
from iea_fleet.errors import BrokenError, SettingsFormatError
from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.model.plan import TargetPlan
from iea_fleet.model.playbook import Playbook
from iea_fleet.model.request import Answer, Done, Failed, Moved, Request
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target
from iea_fleet.resources import Unobserved
from iea_fleet.resources.server_connection import KIND as SERVER_CONNECTION
from iea_fleet.transports.base import Session

_NEXT = "the next iea-fleet apply settles it"
_WHOLE = "each file is whole, the old or the new one; the next iea-fleet apply settles the rest"

# How far a push had come when its connection broke, and what to do.
_NOTHING_WRITTEN = ("before this run wrote anything there", "")
_SETTLING = ("while what an interrupted run left there was being settled", _WHOLE)
_WRITING = ("while the settings were being written", _WHOLE)


@dataclass
class Push:
    """One workstation's push, in one session of one run.

    ``reviewed`` is the plan that the operator has said yes to; ``leases`` reads and signs ``run.json``; ``record`` is
    told what a dead run has replaced after all.
    """

    session: Session
    target: Target
    playbook: Playbook
    memories: Mapping[str, Memory]
    leases: Leases
    run: str
    record: Record
    reviewed: TargetPlan | None = None
    asked: verify.Asked = field(default_factory=dict)
    _reached: tuple[str, str] = field(default=_NOTHING_WRITTEN, init=False)

    def carry_out(self) -> Outcome:
        """Do it, and say what came of it. TransportError when the connection is of no more use."""
        try:
            return self._carried_out()
        except BrokenError as error:
            said, hint = self._reached
            raise BrokenError(f"{error.sentence}, {said}", hint or error.hint, code=error.code) from error

    def _carried_out(self) -> Outcome:
        gathered = self._gather()
        if self.target.held_on(clock.today()) is None:
            gathered, trouble = self._settled(gathered)
            if trouble is not None:
                plan = self._plan(gathered)
                return self._without_writing(plan, gathered, matrix.instead(plan.cells, trouble))
        plan = self._plan(gathered)
        if (cells := self._kept_from_writing(plan, gathered)) is not None:
            return self._without_writing(plan, gathered, cells)
        if not plan.changes:
            self._reached = _SETTLING
            leftovers.tidy(self.session, self.target, self.leases, self.run, gathered)
            self._reached = _NOTHING_WRITTEN
            return self._without_writing(plan, self._left(gathered), plan.cells)
        if self.playbook.test_first and (cells := self._unreached(plan)):
            return Outcome(Row(self.target.name, self.target.office, cells), {}, plan)
        try:
            requests = self._writes(plan, gathered)
        except SettingsFormatError as error:
            return self._without_writing(plan, gathered, _set(plan, Status.FAILED, str(error), error.code))
        self._reached = _WRITING
        return self._written(plan, gathered, requests)

    def _gather(self) -> Gathered:
        also = (self.leases.read(self.target), *leftovers.folders(self.target), *self._also())
        return gather(self.session, self.target, self.playbook.probes, also, for_writing=True)

    def _also(self) -> Iterable[Request]:
        """What else has to be read for the plan."""
        return ()

    def _plan(self, gathered: Gathered) -> TargetPlan:
        """What is to be done here; what is left to do, once it was done."""
        return planner.plan(self.target, gathered.reading, self.memories)

    def _writes(self, plan: TargetPlan, gathered: Gathered) -> tuple[Write, ...]:
        """The requests that carry the plan out. SettingsFormatError when a file cannot hold a value."""
        return render(plan.changes, gathered)

    def _remembered(self, cells: tuple[Cell, ...], gathered: Gathered) -> dict[str, Memory]:
        """What the history keeps as last right, by address."""
        return planner.memories(self.target, cells, gathered.at)

    def _left(self, gathered: Gathered) -> Gathered:
        """What is there in the end on a workstation that has nothing to change."""
        return relaunch.if_failed(self.session, self.target, gathered)

    def _settled(self, gathered: Gathered) -> tuple[Gathered, Unobserved | None]:
        """What is there once a dead run was settled; why the workstation is not ours to write to, or None."""
        lease = self.leases.standing(self.target, gathered.answers[self.leases.read(self.target)], self.session)
        if lease.standing is not Standing.DEAD:
            return gathered, lease.in_a_cell()
        self._reached = _SETTLING
        settled = settle(self.session, self.target, lease, self.leases, self.record)
        self._reached = _NOTHING_WRITTEN
        if settled is None:
            # Its owner was alive when we read it and has ended well since, or somebody else settles it: read it anew.
            return self._settled(self._gather())
        if not isinstance(settled, Settled):
            return gathered, settled
        if settled.finished:
            relaunch.after_writing(self.session, self.target, gathered)
        after = self._gather()
        if settled.left_alone:
            return after, Unobserved(Status.STALE, f"{settled.said}; look at it, then apply again", "moved_since_run")
        return after, None

    def _kept_from_writing(self, plan: TargetPlan, gathered: Gathered) -> tuple[Cell, ...] | None:
        """The cells of a workstation that must not be written to; None when it may be."""
        if hold := self.target.held_on(clock.today()):
            return matrix.held(plan.cells, hold)
        if self.reviewed is not None and (cells := staleness.held_against(self.reviewed, plan)) is not None:
            return cells
        if plan.changes and (refusal := preconditions.refusal(self.target, gathered)):
            return _set(plan, refusal.status, refusal.reason, refusal.reason_code)
        return None

    def _without_writing(self, plan: TargetPlan, gathered: Gathered, cells: tuple[Cell, ...]) -> Outcome:
        # Somebody else is at work there: what their servers answer by now is not for this run to judge.
        theirs = any(cell.status is Status.STALE or cell.reason_code == "held_by_run" for cell in cells)
        row = Row(self.target.name, self.target.office, cells if theirs else cells + self._probed(gathered))
        return Outcome(row, self._remembered(cells, gathered), plan)

    def _probed(self, gathered: Gathered) -> tuple[Cell, ...]:
        return verify.probe(self.session, self.target, self.playbook.probes, gathered, self.asked)

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

    def _written(self, plan: TargetPlan, before: Gathered, requests: tuple[Write, ...]) -> Outcome:
        """Write as one transaction: all of it holds when read again, or all of it is put back."""
        required_before = verify.required(self.session, self.target, self.playbook.required, before, self.asked)
        transaction = Transaction.prepare(self.session, self.target, self.leases, self.run, requests, before)
        if trouble := transaction.take(before):
            return self._without_writing(plan, before, _set(plan, trouble.status, trouble.reason, trouble.reason_code))
        leftovers.remove(self.session, leftovers.found(self.target, before.answers))
        answers = transaction.write()
        if transaction.lost:
            return self._without_writing(plan, before, _set(plan, LOST.status, LOST.reason, LOST.reason_code))
        if any(not isinstance(answer, Done) for answer in answers):
            cells = _not_written(plan, requests, answers)
            back = transaction.put_back()
            if back.stuck:
                cells = _set(plan, Status.FAILED, f"half written, and {back.stuck}; {_NEXT}", "not_put_back")
            elif why := transaction.commit(keep_backups=False):
                cells = _set(plan, Status.FAILED, *_not_over(transaction, why, "not written"))
            return self._without_writing(plan, before, cells)
        after, fault = relaunch.after_writing(self.session, self.target, before)
        again = self._plan(after)
        probed = self._probed(after)
        if reason := _why_not_kept(again, required_before, probed):
            return self._rolled_back(plan, before, transaction, reason)
        why = transaction.commit(keep_backups=True)
        cells = tuple(_kept(cell, now, fault) for cell, now in zip(plan.cells, again.cells, strict=True))
        if why:
            cells = _set(plan, Status.FAILED, *_not_over(transaction, why))
        remembered = self._remembered(again.cells, after)
        row = Row(self.target.name, self.target.office, cells + probed)
        return Outcome(row, remembered, plan, transaction.files)

    def _rolled_back(self, plan: TargetPlan, before: Gathered, transaction: Transaction, reason: str) -> Outcome:
        back = transaction.put_back()
        relaunch.after_writing(self.session, self.target, before)
        why = "" if back.stuck else transaction.commit(keep_backups=False)
        after = self._gather()
        status, code, said = Status.ROLLED_BACK, "rolled_back", f"written and put back: {reason}"
        if why:
            status, (said, code) = Status.FAILED, _not_over(transaction, why, said)
        if back.changed:
            status, code = Status.FAILED, "not_put_back"
            said = f"{said}; {', '.join(back.changed)} was changed by somebody meanwhile and left alone"
        if back.stuck:
            status, code = Status.FAILED, "not_put_back"
            said = f"written, and to be put back: {reason}; but {back.stuck}; {_NEXT}"
        self.asked.clear()
        return self._without_writing(plan, after, _set(plan, status, said, code))


def _set(plan: TargetPlan, status: Status, reason: str, reason_code: str) -> tuple[Cell, ...]:
    """The cells of a plan with those that were to change set to this."""
    changed = {change.address for change in plan.changes}
    return tuple(
        replace(cell, status=status, reason=reason, reason_code=reason_code) if cell.address in changed else cell
        for cell in plan.cells
    )


def _not_written(plan: TargetPlan, requests: tuple[Write, ...], answers: list[Answer]) -> tuple[Cell, ...]:
    """The cells of a plan whose files could not all be replaced; those that were have been put back."""
    for request, answer in zip(requests, answers, strict=True):
        match answer:
            case Moved():
                reason = f"somebody changed {request.path} between reading and writing; nothing was written"
                return _set(plan, Status.STALE, reason, "moved_before_write")
            case Failed(reason_code, reason):
                return _set(plan, Status.FAILED, f"{request.path} was not written: {reason}", reason_code)
    raise AssertionError("a batch was not done and no request says why")


def _not_over(transaction: Transaction, why: str, done: str = "written") -> tuple[str, str]:
    """Reason and code of a transaction that was carried out and could not be brought to its end."""
    if transaction.lost:
        return f"{done}, but {why}; run iea-fleet drift", "lease_lost"
    return f"{done}, but {why}; {_NEXT}", "not_settled"


def _why_not_kept(again: TargetPlan, before: Mapping[str, Cell], probed: tuple[Cell, ...]) -> str:
    """Why what was written does not stay; empty when it does.

    A required probe counts when the push turned it bad. A refusal of the server is nothing that settings repair.
    """
    for cell in again.cells:
        if cell.status is not Status.IN_SYNC and cell.status is not Status.SKIPPED:
            return f"read again it is not as written ({cell.reason})"
    for cell in probed:
        was = before.get(cell.address)
        if (
            was is not None
            and cell.status is Status.BAD
            and was.status is not Status.BAD
            and cell.reason_code not in ("tray_refused", "tray_licence")
        ):
            return f"{cell.address} has turned bad ({cell.reason})"
    return ""


def _kept(planned: Cell, now: Cell, fault: relaunch.Fault | None) -> Cell:
    """What a resource's cell says of a change that was kept."""
    if not planned.differences or planned.status is Status.SKIPPED:
        return now
    settings = ", ".join(difference.setting for difference in planned.differences)
    if fault is not None:
        reason, code, status = f"{settings} written, but {fault.reason}", fault.reason_code, Status.FAILED
    else:
        reason, code, status = f"{settings} written", "changed", Status.CHANGED
    return replace(now, status=status, reason=reason, reason_code=code, differences=planned.differences)
