"""Pushing to one workstation: gather, settle, plan, ask first, write, relaunch, read again, probe, commit.

Only "nothing is left to do" when read again is success. Sources: the connection fiche, which tests the servers before
« Enregistrer » and relaunches the authentication after it, and which is not to be followed in assistance mode.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from iea_fleet.core import matrix, planner
from iea_fleet.engine import clock, leftovers, preconditions, relaunch, said, staleness, verify
from iea_fleet.engine.credentials import Credentials, after_sealing, changes_accounts, without_refused
from iea_fleet.engine.gather import Gathered, gather
from iea_fleet.engine.lease import Lease, Leases, Standing
from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.render import Rendered, render
from iea_fleet.engine.settle import Record, Settled, put_run_file_back, settle
from iea_fleet.engine.transaction import LOST, Transaction
from iea_fleet.errors import BrokenError, NotBegunError, SecretError, SettingsFormatError
from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.model.plan import TargetPlan
from iea_fleet.model.playbook import Playbook
from iea_fleet.model.request import Done, Failed, Request
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target
from iea_fleet.resources import Knowledge, Unobserved
from iea_fleet.resources.server_connection import KIND as SERVER_CONNECTION
from iea_fleet.transports.base import Session

_WHOLE = "each file is whole, the old or the new one; the next iea-fleet apply settles the rest"

# How far a push had come when its connection broke, and what to do.
_NOTHING_WRITTEN = ("before this run wrote anything there", "")
_SETTLING = ("while what an interrupted run left there was being settled", _WHOLE)
_WRITING = ("while the settings were being written", _WHOLE)


@dataclass
class Push:
    """One workstation's push, in one session of one run.

    ``reviewed`` is the plan that the operator has said yes to; ``leases`` reads and signs ``run.json``; ``credentials``
    knows the secrets, and which accounts are accepted; ``record`` is told what a dead run has replaced after all.
    """

    session: Session
    target: Target
    playbook: Playbook
    knowledge: Knowledge
    leases: Leases
    run: str
    credentials: Credentials
    record: Record
    reviewed: TargetPlan | None = None
    asked: verify.Asked = field(default_factory=dict)
    _reached: tuple[str, str] = field(default=_NOTHING_WRITTEN, init=False)
    _taken: bool = field(default=False, init=False)
    """Whether anything was written by this run, ``run.json`` first of all."""

    def carry_out(self) -> Outcome:
        """Do it, and say what came of it. TransportError when the connection is of no more use."""
        try:
            return self._carried_out()
        except BrokenError as error:
            how_far, hint = self._reached
            if isinstance(error, NotBegunError):
                how_far, hint = (how_far, "") if self._taken else _NOTHING_WRITTEN
            raise BrokenError(f"{error.sentence}, {how_far}", hint or error.hint, code=error.code) from error

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
        return self._pushed(plan, gathered)

    def _pushed(self, plan: TargetPlan, gathered: Gathered) -> Outcome:
        """Ask first, then render everything, then write."""
        if self.playbook.test_first and (cells := self._unreached(plan)):
            return Outcome(Row(self.target.name, self.target.office, cells), {}, plan)
        plan = without_refused(plan, self.target, self.credentials)
        if not plan.changes:
            return self._without_writing(plan, gathered, plan.cells)
        try:
            rendered = self._render(plan, gathered)
        except (SettingsFormatError, SecretError) as error:
            return self._without_writing(plan, gathered, said.of_all(plan, Status.FAILED, str(error), error.code))
        if changes_accounts(plan) and (opened := self._opened_meanwhile()):
            cells = said.of_all(plan, opened.status, opened.reason, opened.reason_code)
            return self._without_writing(plan, gathered, cells)
        self._reached = _WRITING
        return self._written(plan, gathered, rendered)

    def _opened_meanwhile(self) -> Unobserved | None:
        """Whether somebody has opened IEA while the account was tested, which takes its time."""
        question = preconditions.application(self.target)
        opened = preconditions.is_open(self.session.carry_out((question,))[0]) if question else None
        return opened or self.credentials.open_elsewhere(self.target)

    def _gather(self) -> Gathered:
        also = (self.leases.read(self.target), *leftovers.folders(self.target), *self._also())
        return gather(self.session, self.target, self.playbook.probes, self.knowledge, also, for_writing=True)

    def _also(self) -> Iterable[Request]:
        """What else has to be read for the plan."""
        return ()

    def _plan(self, gathered: Gathered) -> TargetPlan:
        """What is to be done here; what is left to do, once it was done."""
        return planner.plan(self.target, gathered.reading)

    def _render(self, plan: TargetPlan, gathered: Gathered) -> Rendered:
        """The requests that carry the plan out. SettingsFormatError or SecretError when they cannot be made."""
        return render(plan.changes, gathered, self.session, self.target, self.credentials.secrets)

    def _remembered(self, cells: tuple[Cell, ...], gathered: Gathered) -> dict[str, Memory]:
        """What the history keeps as last right, by address."""
        return planner.memories(cells, gathered.reading)

    def _left(self, gathered: Gathered) -> Gathered:
        """What is there in the end on a workstation that has nothing to change."""
        return relaunch.if_failed(self.session, self.target, gathered)

    def _settled(self, gathered: Gathered) -> tuple[Gathered, Unobserved | None]:
        """What is there once a dead run was settled; why the workstation is not ours to write to, or None."""
        lease = self.leases.standing(self.target, gathered.answers[self.leases.read(self.target)], self.session)
        if lease.standing is not Standing.DEAD:
            free = lease.standing is Standing.FREE
            return self._with_run_file(gathered) if free else (gathered, lease.in_a_cell())
        if trouble := self._keeps_from_settling(lease, gathered):
            return gathered, trouble
        self._reached = _SETTLING
        settled = settle(self.session, self.target, lease, self.leases, self.record)
        self._reached = _NOTHING_WRITTEN
        if settled is None:
            # Its owner was alive when we read it and has ended well since, or somebody else settles it: read it anew.
            return self._settled(self._gather())
        if not isinstance(settled, Settled):
            return gathered, settled
        if settled.finished:
            relaunch.after_writing(self.session, self.target, gathered, self.knowledge)
        after = self._gather()
        if settled.left_alone:
            return after, Unobserved(Status.STALE, f"{settled.said}; look at it, then apply again", "moved_since_run")
        return after, None

    def _with_run_file(self, gathered: Gathered) -> tuple[Gathered, Unobserved | None]:
        """What ``_settled`` says once a ``run.json`` that its writer had moved away on Windows is there again."""
        back = put_run_file_back(self.session, self.target, gathered.answers)
        if back is None:
            return gathered, None
        if isinstance(back, Failed):
            reason = f"a run was interrupted here, and its run.json cannot be put back: {back.reason}"
            return gathered, Unobserved(Status.FAILED, reason, "not_settled")
        return self._settled(self._gather())

    def _keeps_from_settling(self, lease: Lease, gathered: Gathered) -> Unobserved | None:
        """Why what a dead run left has to wait: settling writes, so IEA has to be closed for it too."""
        opened = preconditions.is_open(gathered.answer(preconditions.application(self.target)))
        if opened is None and lease.journal is not None and any(file.secret for file in lease.journal.files):
            opened = self.credentials.open_elsewhere(self.target)
        if opened is None:
            return None
        return replace(opened, reason=f"an interrupted run is to be settled here first: {opened.reason}")

    def _kept_from_writing(self, plan: TargetPlan, gathered: Gathered) -> tuple[Cell, ...] | None:
        """The cells of a workstation that must not be written to; None when it may be."""
        if hold := self.target.held_on(clock.today()):
            return matrix.held(plan.cells, hold)
        if self.reviewed is not None and (cells := staleness.held_against(self.reviewed, plan)) is not None:
            return cells
        if not plan.changes:
            return None
        refusal = preconditions.refusal(self.target, gathered)
        if refusal is None and changes_accounts(plan):
            refusal = self.credentials.open_elsewhere(self.target)
        return said.of_all(plan, refusal.status, refusal.reason, refusal.reason_code) if refusal else None

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
        return said.of_all(plan, Status.SKIPPED, reason, "test_first_failed") + asked

    def _written(self, plan: TargetPlan, before: Gathered, rendered: Rendered) -> Outcome:
        """Write as one transaction: all of it holds when read again, or all of it is put back."""
        required_before = verify.required(self.session, self.target, self.playbook.required, before, self.asked)
        transaction = Transaction.prepare(self.session, self.target, self.leases, self.run, rendered.writes, before)
        if trouble := transaction.take(before):
            return self._without_writing(
                plan, before, said.of_all(plan, trouble.status, trouble.reason, trouble.reason_code)
            )
        self._taken = True
        leftovers.remove(self.session, leftovers.found(self.target, before.answers))
        answers = transaction.write()
        if transaction.lost:
            return self._without_writing(plan, before, said.of_all(plan, LOST.status, LOST.reason, LOST.reason_code))
        if any(not isinstance(answer, Done) for answer in answers):
            cells = said.not_written(plan, rendered.writes, answers)
            back = transaction.put_back()
            if back.stuck:
                cells = said.of_all(plan, Status.FAILED, f"half written, and {back.stuck}; {said.NEXT}", "not_put_back")
            elif why := transaction.commit(keep_backups=False):
                cells = said.of_all(plan, Status.FAILED, *said.not_over(transaction, why, "not written"))
            return self._without_writing(plan, before, cells)
        after, fault = self._followed(plan, before, after_sealing(before.reading, rendered.sealed))
        again = self._plan(after)
        probed = self._probed(after)
        if reason := said.why_not_kept(plan, again, required_before, probed):
            return self._rolled_back(plan, before, transaction, reason)
        why = transaction.commit(keep_backups=True)
        now = {cell.address: cell for cell in again.cells}
        cells = tuple(
            said.kept(cell, now.get(cell.address, cell), fault, tested=self.credentials.tested) for cell in plan.cells
        )
        if why:
            cells = said.of_all(plan, Status.FAILED, *said.not_over(transaction, why))
        remembered = self._remembered(again.cells, after)
        row = Row(self.target.name, self.target.office, cells + probed)
        return Outcome(row, remembered, plan, transaction.files)

    def _followed(
        self, plan: TargetPlan, before: Gathered, knowledge: Knowledge
    ) -> tuple[Gathered, relaunch.Fault | None]:
        """Everything read again; the authentication is relaunched when its settings were written."""
        if SERVER_CONNECTION in (change.address for change in plan.changes):
            return relaunch.after_writing(self.session, self.target, before, knowledge)
        after = gather(self.session, self.target, self.playbook.probes, knowledge, for_writing=True)
        return relaunch.if_failed(self.session, self.target, after), None

    def _rolled_back(self, plan: TargetPlan, before: Gathered, transaction: Transaction, reason: str) -> Outcome:
        back = transaction.put_back()
        relaunch.after_writing(self.session, self.target, before, self.knowledge)
        why = "" if back.stuck else transaction.commit(keep_backups=False)
        after = self._gather()
        status, code, words = Status.ROLLED_BACK, "rolled_back", f"written and put back: {reason}"
        if why:
            status, (words, code) = Status.FAILED, said.not_over(transaction, why, words)
        if back.changed:
            status, code = Status.FAILED, "not_put_back"
            words = f"{words}; {', '.join(back.changed)} was changed by somebody meanwhile and left alone"
        if back.stuck:
            status, code = Status.FAILED, "not_put_back"
            words = f"written, and to be put back: {reason}; but {back.stuck}; {said.NEXT}"
        self.asked.clear()
        return self._without_writing(plan, after, said.of_all(plan, status, words, code))
