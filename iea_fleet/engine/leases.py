"""Who holds which workstation, and breaking a lease: ``run.json`` removed for somebody who has looked.

A broken lease stops the run that held it: each of its phases begins with ``run.json``, which has to be its own still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iea_fleet.core import matrix
from iea_fleet.core.exit_code import LEASE_BROKEN
from iea_fleet.engine.events import Listener
from iea_fleet.engine.lease import Lease, Leases, Standing, age_there, path_of
from iea_fleet.engine.operation import Operation
from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.result import Result
from iea_fleet.errors import UsageError
from iea_fleet.model.journal import Holding
from iea_fleet.model.matrix import Status
from iea_fleet.model.request import ABSENT, Done, FileContent, Moved, RemoveFile
from iea_fleet.model.target import Target
from iea_fleet.transports.base import Session


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found on the selected workstations; ``result`` tells of those that could not be looked at."""

    holdings: Sequence[Holding]
    result: Result


def holdings(operation: Operation, listener: Listener) -> Looked:
    """Look at every selected workstation. Where there is a ``run.json``, its age is told by a fresh file beside it."""
    found: dict[str, Holding] = {}
    operation.targets = [target for target in operation.targets if not target.guided]

    def work(session: Session, target: Target) -> Outcome:
        if (holding := _holding(session, target, operation.leases)) is not None:
            found[target.name] = holding
        return Outcome(matrix.whole(target, Status.IN_SYNC, "", ""))

    result = operation.visit(lambda _: work, listener, read_only=False, recorded=False)
    return Looked([found[target.name] for target in operation.targets if target.name in found], result)


def break_lease(operation: Operation, holding: Holding, listener: Listener) -> Result:
    """Remove that ``run.json``, if it still is the one that was looked at; recorded as a run.

    Backups stay, but for those of files with secrets: nobody else would remove them.
    """

    def work(session: Session, target: Target) -> Outcome:
        _remove_secrets(session, target, operation.leases, holding)
        (answer,) = session.carry_out((RemoveFile(holding.path, holding.digest),))
        match answer:
            case Done():
                reason = f"the lease of run {holding.run} of {holding.owner} was broken; run iea-fleet drift"
                row = matrix.whole(target, Status.UNKNOWN, reason, LEASE_BROKEN)
            case Moved(found):
                gone = "it is gone already" if found == ABSENT else "another one is there now"
                reason = f"nothing was removed: {gone}; look again with iea-fleet leases INVENTORY list"
                row = matrix.whole(target, Status.FAILED, reason, "lease_moved")
            case _:
                reason = f"{holding.path} was not removed: {getattr(answer, 'reason', 'refused')}"
                row = matrix.whole(target, Status.FAILED, reason, "lease_not_removed")
        return Outcome(row)

    return operation.visit(lambda _: work, listener, read_only=False, recorded=True)


def _remove_secrets(session: Session, target: Target, leases: Leases, holding: Holding) -> None:
    """Remove the backups of files with secrets that this lease names, where we can believe it."""
    (answer,) = session.carry_out((leases.read(target),))
    lease = leases.standing(target, answer)
    if lease.digest == holding.digest and lease.ours and lease.journal is not None:
        for file in lease.journal.files:
            if file.secret and file.backup:
                session.carry_out((RemoveFile(file.backup, file.before),))


def refuse_to_break(holding: Holding, run: str, *, force: bool) -> None:
    """UsageError where the lease is not to be broken: another run's than was typed, or a live one of ours."""
    name = holding.workstation
    if not holding.digest:
        raise UsageError(
            f"{holding.path} on {name} cannot be read, so it is not removed from here: {holding.reason}",
            "look at it on the workstation, and remove it there",
            code="lease_unreadable",
        )
    if run != holding.run:
        raise UsageError(
            f"{name} is held by {holding.run}, not by {run}",
            "look whether that one is dead: iea-fleet leases INVENTORY list",
            code="other_run",
        )
    if holding.ours and holding.alive is not False and not force:
        raise UsageError(
            f"run {run} of {holding.owner} is at work on {name}",
            "stop it there with Ctrl-C, or add --force; it then stops before its next step on this workstation",
            code="run_alive",
        )


def _holding(session: Session, target: Target, leases: Leases) -> Holding | None:
    (answer,) = session.carry_out((leases.read(target),))
    lease = leases.standing(target, answer, session)
    if lease.standing is Standing.FREE:
        return None
    readable = isinstance(answer, FileContent)
    return Holding(
        workstation=target.name,
        path=path_of(target),
        run=lease.run,
        owner=str(lease.journal.owner) if lease.journal else "",
        age=age_there(target, session) if readable else None,
        alive=_is_alive(lease),
        ours=lease.ours,
        reason=lease.reason,
        digest=lease.digest if readable else "",
    )


def _is_alive(lease: Lease) -> bool | None:
    """Only of our own runs can it be told."""
    return lease.standing is Standing.HELD if lease.ours else None
