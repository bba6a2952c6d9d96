"""One execution of a command over the selected workstations: files, history, trust and secrets brought together."""

from __future__ import annotations

import contextlib
import getpass
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from iea_fleet.core import only, planner
from iea_fleet.core.budget import Budget
from iea_fleet.core.exit_code import exit_code
from iea_fleet.core.selectors import select
from iea_fleet.engine import clock, reach, resume, saved_plan
from iea_fleet.engine.accounts import Accounts, way_of
from iea_fleet.engine.apply import Push
from iea_fleet.engine.course import STEADY, Course, Pace
from iea_fleet.engine.credentials import Credentials, used_by
from iea_fleet.engine.events import Listener, Silence
from iea_fleet.engine.git_commit import commit_of
from iea_fleet.engine.lease import Leases
from iea_fleet.engine.load import Loaded, load
from iea_fleet.engine.look import look
from iea_fleet.engine.marks import SecretMarks
from iea_fleet.engine.neighbours import Neighbours
from iea_fleet.engine.options import Options
from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.result import Result, Verdicts
from iea_fleet.engine.reviewed import Reviewed, held_against
from iea_fleet.engine.rollout import Rollout, Work
from iea_fleet.engine.saved_plan import Found, from_folder
from iea_fleet.engine.trust import TrustStore
from iea_fleet.engine.waves import Waves
from iea_fleet.errors import IeaFleetError, SecretError, UsageError
from iea_fleet.history import History, new_run_id
from iea_fleet.model.account import AccountVerdict
from iea_fleet.model.matrix import Matrix, Row
from iea_fleet.model.plan import Plan
from iea_fleet.model.playbook import ProbeName
from iea_fleet.model.request import Answer
from iea_fleet.model.run import Command, Memory, Run
from iea_fleet.model.saved_plan import SavedPlan
from iea_fleet.model.target import Target
from iea_fleet.resources import Knowledge, Read
from iea_fleet.secrets import Secrets
from iea_fleet.transports.base import Reach, Session


@dataclass
class Operation:
    """The files of one command, read and checked, with the history open. A context manager."""

    options: Options
    command: Command
    loaded: Loaded
    targets: list[Target]
    history: History
    secrets: Secrets
    memories: Mapping[str, Mapping[str, Memory]]
    _rollout: Rollout | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)
    _continues: str | None = field(default=None, init=False)
    _plan_file: Path | None = field(default=None, init=False)
    _run_id: str = field(default="", init=False)

    @classmethod
    def open(cls, options: Options, command: Command) -> Self:
        """Read the files and open the history. InvalidFilesError, UsageError or HistoryError."""
        loaded = load(options.inventory, options.playbook)
        targets = select(loaded.selected, options.limit) if options.limit else list(loaded.selected)
        secrets = Secrets(loaded.secrets, loaded.folder)
        secrets.unlock(loaded.references)
        history = History.open(options.state_dir)
        return cls(options, command, loaded, targets, history, secrets, history.memories(loaded.name))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.history.close()

    def stop(self) -> None:
        """Finish the workstations in hand and start no other. Safe in a signal handler."""
        self._stopped = True
        if self._rollout is not None:
            self._rollout.stop()

    @property
    def left_behind(self) -> str:
        """What to tell an operator who stops at once."""
        settles = "what was in hand is settled by the next iea-fleet apply"
        return f"stopped at once; {settles}" + (f", or: {self._way_on}" if self._way_on else "")

    @property
    def _way_on(self) -> str:
        """What goes on with an apply that was stopped."""
        return f"iea-fleet resume {self._run_id}" if self._run_id else ""

    @property
    def leases(self) -> Leases:
        """Reads and signs ``run.json`` for this inventory."""
        return Leases(self.loaded.name, self.history.key)

    def knowledge(self, target: Target) -> Knowledge:
        """What is known of a workstation before it is asked."""
        return Knowledge(self.memories.get(target.name, {}), self._marks)

    @cached_property
    def _marks(self) -> SecretMarks:
        return SecretMarks(self.history.key, self.secrets, self.loaded.identities)

    def accounts(self, run_id: str, listener: Listener, *, testing: bool) -> Accounts:
        """What Net-Entreprises says of the inventory's identities, in this run."""
        way = way_of(self.loaded, self.secrets, self.options.state_dir) if testing else None
        return Accounts(
            self.history,
            self.secrets,
            self.loaded.identities,
            self.loaded.net_entreprises_service,
            run_id,
            way,
            testing,
            listener.told,
        )

    def credentials(self, accounts: Accounts) -> Credentials:
        """What a push needs to write accounts."""
        neighbours = Neighbours(self.loaded.targets, self.reaches)
        return Credentials(self.secrets, accounts.refusal, neighbours.open_elsewhere, accounts.testing)

    @property
    def stopped(self) -> bool:
        """Whether the operator asked to stop."""
        return self._stopped

    def last(self) -> Result:
        """The last known state of every selected workstation, from the history; nobody is asked."""
        rows = self.history.last_rows(self.loaded.name, self.targets)
        run = self._run()
        code = exit_code(Matrix(tuple(rows)), self.command, interrupted=False)
        run = replace(run, ended_at=clock.now(), exit_code=code)
        matrix = Matrix(tuple(rows), self.loaded.offices)
        return Result(run, matrix, Plan(self.loaded.name, run.started_at, ()), accounts=self._verdicts(run))

    def look(self, listener: Listener, probes: Sequence[ProbeName] = (), *, recorded: bool = True) -> Result:
        """Read every selected workstation, and compare; nothing is written there. ``recorded``: as a run."""

        def work(session: Session, target: Target) -> Outcome:
            return look(session, target, probes, self.knowledge(target), self.leases)

        idle = [] if probes else [one for one in self.targets if not one.guided and not planner.reads(one, {})]
        known = {target.name: self._idle(target) for target in idle}
        return self._carry_out(self._run(), work, known, listener, read_only=True, recorded=recorded)

    def saved(self, result: Result) -> SavedPlan:
        """The plan that this result came to, as it is kept in a file."""
        history = self.history.key.fingerprint
        return saved_plan.made(result.run, result.plan, result.planned, self.loaded, self.options, history)

    def review(self, found: Found, *, narrowed: bool) -> Reviewed:
        """Hold a saved plan against the files, and narrow this operation to its workstations. UsageError.

        ``narrowed``: the workstations were chosen, so that those without a plan are told. From then on the plan's own
        file is one of those that the run was made from.
        """
        self.targets, held = held_against(found.saved, self.loaded, self.targets, narrowed=narrowed)
        self.loaded = replace(self.loaded, files={**self.loaded.files, found.shown: found.digest})
        self._plan_file = Path(found.shown)
        return held

    def only(self, words: Collection[str]) -> None:
        """Narrow this operation to the workstations whose last known state one of the words means; to none, perhaps."""
        names = only.picked(self.history.last_rows(self.loaded.name, self.targets), words)
        self.targets = [target for target in self.targets if target.name in names]

    def carry_on(self, from_: resume.Continuation, *, with_changes: bool) -> list[str]:
        """Narrow this operation to what a run left; what has changed since then, in words. UsageError."""
        changed = resume.changed_files(from_.asked.files, from_folder(self.loaded.files, self.loaded.folder))
        if not with_changes:
            resume.refuse_changes(from_.run, changed)
        self.targets = [target for target in self.targets if target.name in from_.left]
        gone = set(from_.left) - {target.name for target in self.targets}
        if not self.targets:
            raise UsageError(f"nothing that run {from_.run.id} left is in the files any more", "run iea-fleet plan")
        self._continues = from_.run.id
        return changed + [f"{name} is not in the files any more" for name in sorted(gone)]

    def apply(self, listener: Listener, reviewed: Reviewed | None = None, pace: Pace = STEADY) -> Result:
        """Push to every selected workstation in waves; after ``reviewed`` exactly what its plan says, nowhere else."""
        fingerprint = self.history.key.fingerprint
        asked = resume.asked_for(self.options, self.loaded, self.targets, self._plan_file, pace, fingerprint)
        run = replace(self._run(), asked=asked, continues=self._continues)
        self._run_id = run.id
        plans, testing = reviewed.plans if reviewed else {}, pace.test_accounts and self.loaded.playbook.test_first
        credentials = self.credentials(self.accounts(run.id, listener, testing=testing))
        if not testing and used_by(self.targets):
            listener.told("Net-Entreprises is not asked about accounts before they are pushed")

        def work(session: Session, target: Target) -> Outcome:
            return Push(
                session,
                target,
                self.loaded.playbook,
                self.knowledge(target),
                self.leases,
                run.id,
                credentials,
                self.history.record_replaced,
                plans.get(target.name),
            ).carry_out()

        known = {name: Outcome(row) for name, row in reviewed.known.items()} if reviewed else {}
        rollout = self.loaded.playbook.rollout
        course = Course(rollout.waves, Budget(rollout, len(self.targets)), pace)
        return self._carry_out(run, work, known, listener, course, read_only=False, recorded=True)

    def visit(
        self,
        work_of: Callable[[str], Work],
        listener: Listener,
        known: Mapping[str, Outcome] | None = None,
        *,
        read_only: bool,
        recorded: bool,
    ) -> Result:
        """One pass over the selected workstations with work of another kind, made from the run's id."""
        run = self._run()
        return self._carry_out(run, work_of(run.id), known or {}, listener, read_only=read_only, recorded=recorded)

    def _carry_out(
        self,
        run: Run,
        work: Work,
        known: Mapping[str, Outcome],
        listener: Listener,
        course: Course | None = None,
        *,
        read_only: bool,
        recorded: bool,
    ) -> Result:
        """One pass over the selected workstations, in waves if there is a course; ``known`` ones are not visited."""
        if recorded:
            self.history.begin(run, self.loaded.offices)

        def record(outcome: Outcome) -> None:
            if recorded:
                self.history.record(run.id, outcome.row, outcome.memories, outcome.replaced, outcome.wave)

        options, budget = self.options, course.budget if course else None
        self._rollout = rollout = Rollout(work, record, listener, read_only, options.concurrency, options.debug, budget)
        rollout.way_on = self._way_on
        if self._stopped:
            rollout.stop()
        visited = []
        listener.begun(len(self.targets))
        for target in self.targets:
            if row := reach.without_connection(target):
                rollout.finish(Outcome(row))
            elif target.name in known:
                rollout.finish(known[target.name])
            else:
                visited.append(target)
        reaches = self.reaches(visited)
        if course is not None:
            Waves(rollout, course, reaches).visit(visited)
        else:
            rollout.visit(visited, reaches)
        rollout.end(visited)
        return self._result(run, rollout.outcomes, recorded=recorded)

    def _idle(self, target: Target) -> Outcome:
        """The outcome of a workstation of which nothing has to be read."""
        nothing: dict[Read, Answer] = {}
        reading = planner.observe(target, nothing.__getitem__, self.knowledge(target), clock.now())
        return Outcome(Row(target.name, target.office, planner.plan(target, reading).cells))

    def reaches(self, targets: Sequence[Target]) -> dict[str, Reach | IeaFleetError]:
        """The way in to each of these workstations, secrets resolved and trust decided; or why there is none."""
        if not targets:
            return {}
        store = TrustStore.of(self.options.state_dir, self.loaded.name)
        pinned = {target.name: target.host_keys for target in self.loaded.targets if target.host_keys}
        return reach.reaches(targets, self.secrets, pinned, store.keys())

    def _run(self) -> Run:
        started_at = clock.now()
        return Run(
            id=new_run_id(started_at),
            command=self.command,
            inventory=self.loaded.name,
            playbook=self.loaded.playbook.name,
            started_at=started_at,
            user=getpass.getuser(),
            host=platform.node(),
            selected=len(self.targets),
            files=self.loaded.files,
            git_commit=commit_of(self.loaded.folder),
            inventory_file=str(self.options.inventory.absolute()),
        )

    def _result(self, run: Run, outcomes: Mapping[str, Outcome], *, recorded: bool) -> Result:
        in_order = [outcomes[target.name] for target in self.targets]
        matrix = Matrix(tuple(outcome.row for outcome in in_order))
        code, ended_at = exit_code(matrix, self.command, interrupted=self._stopped), clock.now()
        run = replace(run, ended_at=ended_at, exit_code=code)
        if recorded:
            self.history.finish(run.id, ended_at, code)
        return Result.of(run, in_order, self.loaded.offices, self._verdicts(run))

    def _verdicts(self, run: Run) -> Verdicts:
        """The last verdict on each identity that the selected workstations are to have; nobody is asked."""
        remembered = self.accounts(run.id, Silence(), testing=False)
        verdicts: dict[str, AccountVerdict | None] = {}
        for name in used_by(self.targets):
            # A password that cannot be had here is told in the cells of its users.
            with contextlib.suppress(SecretError):
                verdicts[name] = remembered.last(name)
        return verdicts
