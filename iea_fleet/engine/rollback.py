"""Rollback: putting back what a run replaced, where a workstation still has exactly what that run wrote.

It is a push like any other, with another plan: the old contents, from the backups in the private folder. Credentials
are never put back: Net-Entreprises would lock the account over an old password.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from iea_fleet.core import matrix
from iea_fleet.core.exit_code import CREDENTIALS
from iea_fleet.engine.apply import Push
from iea_fleet.engine.events import Listener, Silence
from iea_fleet.engine.gather import Gathered
from iea_fleet.engine.operation import Operation
from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.render import Rendered
from iea_fleet.engine.result import Result
from iea_fleet.engine.reviewed import Reviewed
from iea_fleet.engine.rollout import Work
from iea_fleet.engine.transaction import Write
from iea_fleet.errors import UsageError
from iea_fleet.model.journal import JournalFile
from iea_fleet.model.matrix import Cell, Difference, Row, Status
from iea_fleet.model.plan import Change, TargetPlan
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Answer,
    Failed,
    FileContent,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Request,
    as_shown,
)
from iea_fleet.model.run import Memory, Run
from iea_fleet.model.target import Target
from iea_fleet.resources import Kind, Observed, Read, Unobserved, kind_named, kind_of
from iea_fleet.transports.base import Session

Files = tuple[JournalFile, ...]
_LEFT = (Status.STALE, Status.FAILED, Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Rollback:
    """What one run replaced, on the selected workstations that are still in the inventory."""

    operation: Operation
    of: str
    files: Mapping[str, Files]

    @classmethod
    def of_run(cls, operation: Operation, run: Run) -> Rollback:
        """Narrow the operation to the workstations on which this run replaced something.

        UsageError when it is a run of another inventory, or replaced nothing on the selected workstations.
        """
        if operation.loaded.name != run.inventory:
            raise UsageError(
                f"run {run.id} was made with the inventory {run.inventory!r}, and this is {operation.loaded.name!r}",
                "give the inventory of that run with --inventory",
                code="other_inventory",
            )
        files = operation.history.replaced(run.id)
        operation.targets = [target for target in operation.targets if target.name in files]
        if not operation.targets:
            where = " on these workstations" if files else ""
            raise UsageError(
                f"run {run.id} replaced nothing{where}",
                f"iea-fleet show {run.id} tells what it did",
                code="nothing_replaced",
            )
        named = {"name": f"rollback of {run.id}", "required": ()}
        playbook = operation.loaded.playbook.model_copy(update=named)
        operation.loaded = replace(operation.loaded, playbook=playbook)
        return cls(operation, run.id, files)

    @property
    def gone(self) -> list[str]:
        """The workstations of that run that the inventory no longer has."""
        return sorted(set(self.files) - {target.name for target in self.operation.loaded.targets})

    def review(self, listener: Listener) -> Reviewed:
        """What would be put back where; nothing is written."""

        def work(session: Session, target: Target) -> Outcome:
            return self._push(session, target, "").look()

        return self.operation.visit(lambda _: work, listener, read_only=True, recorded=False).reviewed

    def carry_out(self, listener: Listener, reviewed: Reviewed | None) -> Result:
        """Put it back, as a run of its own; after ``reviewed`` exactly what was shown."""
        plans = reviewed.plans if reviewed else {}

        def work_of(run: str) -> Work:
            def work(session: Session, target: Target) -> Outcome:
                return self._push(session, target, run, plans.get(target.name)).carry_out()

            return work

        known = {name: Outcome(row) for name, row in reviewed.known.items()} if reviewed else {}
        return self.operation.visit(work_of, listener, known, read_only=False, recorded=True)

    def _push(self, session: Session, target: Target, run: str, reviewed: TargetPlan | None = None) -> PutBack:
        operation = self.operation
        return PutBack(
            session=session,
            target=target,
            playbook=operation.loaded.playbook,
            knowledge=operation.knowledge(target),
            leases=operation.leases,
            run=run,
            credentials=operation.credentials(operation.accounts(run, Silence(), testing=False)),
            record=operation.history.record_replaced,
            reviewed=reviewed,
            of=self.of,
            files=self.files[target.name],
        )


@dataclass
class PutBack(Push):
    """One workstation's rollback. ``files`` are those that the run ``of`` replaced there."""

    of: str = ""
    files: Files = field(default=())

    def look(self) -> Outcome:
        """The plan alone; a run at work there, or an interrupted one, stands in its place."""
        gathered = self._gather()
        plan = self._plan(gathered)
        lease = self.leases.standing(self.target, gathered.answers[self.leases.read(self.target)])
        if trouble := lease.in_a_cell():
            plan = replace(plan, cells=matrix.instead(plan.cells, trouble), changes=())
        return Outcome(Row(self.target.name, self.target.office, plan.cells), {}, plan)

    def _also(self) -> Iterable[Request]:
        return (ReadFile(path) for file in self.files for path in (file.path, file.backup) if path)

    def _plan(self, gathered: Gathered) -> TargetPlan:
        by_path = {file.path: file for file in self.files}
        cells: list[Cell] = []
        changes: list[Change] = []
        for address in self.target.resources:
            kind = kind_named(kind_of(address))
            paths = [read.path for read in kind.reads(self.target, address, gathered.answers)] if kind else []
            file = next((by_path.pop(path) for path in paths if path in by_path), None)
            cell = self._cell(address, kind, file, gathered)
            cells.append(replace(cell, observed_at=gathered.at))
            if cell.status is Status.PENDING:
                changes.append(Change(address, cell.differences, ()))
        if by_path:
            reason = f"{next(iter(by_path))} is no longer a file that the inventory declares here; nothing is put back"
            row = matrix.whole(self.target, Status.STALE, reason, "no_longer_declared", gathered.at)
            return TargetPlan(self.target.name, self.target.office, row.cells)
        if left := next((cell for cell in cells if cell.status in _LEFT), None):
            # What one run wrote together is put back together, or not at all.
            cells = [_left_with(cell, left) if cell.status is Status.PENDING else cell for cell in cells]
            changes = []
        read = {file.path: found for file in self.files if (found := _found(gathered, file.path)) is not None}
        return TargetPlan(self.target.name, self.target.office, tuple(cells), tuple(changes), read)

    def _cell(self, address: str, kind: Kind | None, file: JournalFile | None, gathered: Gathered) -> Cell:
        """What a rollback does to one resource, and why."""
        if kind_of(address) == "net_entreprises" or (file and _may_hold_secrets(self.target, file)):
            reason = "credentials are not put back: an old password would lock the account"
            return Cell(address, Status.SKIPPED, reason, CREDENTIALS)
        if kind is None or file is None:
            return Cell(address, Status.SKIPPED, f"run {self.of} replaced nothing here", "not_selected")
        if trouble := _in_the_way(file, gathered, self.of):
            return Cell(address, trouble.status, trouble.reason, trouble.reason_code)
        if _found(gathered, file.path) == file.before:
            return Cell(address, Status.IN_SYNC, f"already as it was before run {self.of}", "")
        return self._pending(address, kind, file, gathered)

    def _pending(self, address: str, kind: Kind, file: JournalFile, gathered: Gathered) -> Cell:
        """The cell of a file that can be put back, with the settings as they are and as they were."""
        old = _old(gathered, file)

        def answers(read: Read) -> Answer:
            return old if read == ReadFile(file.path) and old is not None else gathered.answers[read]

        then = kind.observe(self.target, address, answers, self.knowledge)
        now = gathered.reading.values(address)
        was = then.values if isinstance(then, Observed) else {}
        differences = tuple(
            Difference(setting, now.get(setting), was.get(setting))
            for setting in dict.fromkeys((*now, *was))
            if repr(now.get(setting)) != repr(was.get(setting))
        )
        settings = ", ".join(difference.setting for difference in differences)
        settings = settings or f"other lines of {as_shown(file.path)}"
        return Cell(address, Status.PENDING, f"to be put back: {settings}", "to_put_back", None, differences)

    def _render(self, plan: TargetPlan, gathered: Gathered) -> Rendered:
        changed = {self.target.files[change.address] for change in plan.changes}
        writes: list[Write] = []
        for file in self.files:
            match _old(gathered, file) if file.path in changed else None:
                case FileContent(content):
                    writes.append(ReplaceFile(file.path, content, file.after))
                case Absent():
                    writes.append(RemoveFile(file.path, file.after))
        return Rendered(tuple(writes))

    def _written(self, plan: TargetPlan, before: Gathered, rendered: Rendered) -> Outcome:
        outcome = super()._written(plan, before, rendered)
        if not outcome.replaced:
            return outcome
        put_back = {change.address: change for change in plan.changes}
        cells = tuple(
            _put_back(cell, put_back[cell.address], self.of)
            if cell.address in put_back and cell.status in (Status.CHANGED, Status.IN_SYNC)
            else cell
            for cell in outcome.row.cells
        )
        return replace(outcome, row=replace(outcome.row, cells=cells))

    def _unreached(self, plan: TargetPlan) -> tuple[Cell, ...]:  # noqa: ARG002 - Push's
        """Nothing: the servers of before may be down, and were asked for all the same."""
        return ()

    def _remembered(self, cells: tuple[Cell, ...], gathered: Gathered) -> dict[str, Memory]:
        """What was put back is what we last wrote: a file that asks for something else is then pending, not drifted."""
        return {
            cell.address: Memory(dict(gathered.reading.values(cell.address)), gathered.at)
            for cell in cells
            if cell.status is Status.IN_SYNC and cell.address in self.target.resources
        }

    def _left(self, gathered: Gathered) -> Gathered:
        """Nothing is relaunched where nothing is put back."""
        return gathered


def _found(gathered: Gathered, path: str) -> str | None:
    """The digest of what is there, ABSENT when nothing is, None when that cannot be told."""
    match gathered.answer(ReadFile(path)):
        case FileContent(_, found):
            return found
        case Absent():
            return ABSENT
        case _:
            return None


def _in_the_way(file: JournalFile, gathered: Gathered, of: str) -> Unobserved | None:
    """Why a file is not put back; None when it can be, or is as it was before already."""
    found = _found(gathered, file.path)
    if found is None:
        answer = gathered.answer(ReadFile(file.path))
        reason = answer.reason if isinstance(answer, Failed) else f"{as_shown(file.path)} cannot be read"
        return Unobserved(Status.UNKNOWN, reason, "unreadable")
    if found not in (file.before, file.after):
        reason = f"somebody changed {as_shown(file.path)} since run {of} wrote it; it is left alone"
        return Unobserved(Status.STALE, reason, "moved_since_run")
    if found == file.after and _old(gathered, file) is None:
        reason = (
            f"the old content of {as_shown(file.path)} is kept nowhere: its backup was removed or is damaged (only "
            "the newest are kept); nothing is put back: write what you want into the inventory, and apply"
        )
        return Unobserved(Status.FAILED, reason, "backup_missing")
    return None


def _old(gathered: Gathered, file: JournalFile) -> FileContent | Absent | None:
    """What a file was before it was replaced; None when its backup is missing or damaged."""
    if file.was_absent:
        return Absent()
    answer = gathered.answer(ReadFile(file.backup)) if file.backup else None
    return answer if isinstance(answer, FileContent) and answer.digest == file.before else None


def _may_hold_secrets(target: Target, file: JournalFile) -> bool:
    """Whether accounts are kept in a file; such a one has no backup either."""
    return file.path in {path for name, path in target.files.items() if kind_of(name) == "net_entreprises"}


def _left_with(cell: Cell, left: Cell) -> Cell:
    reason = f"left alone with the rest of what was written together ({left.reason})"
    return replace(cell, status=left.status, reason=reason, reason_code=left.reason_code)


def _put_back(cell: Cell, change: Change, of: str) -> Cell:
    settings = ", ".join(difference.setting for difference in change.differences) or "the file"
    reason = f"{settings} put back to before run {of}"
    return replace(cell, status=Status.CHANGED, reason=reason, reason_code="put_back", differences=change.differences)
