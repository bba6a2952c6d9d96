"""What the cells of a push say: all or nothing of what was to change, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from iea_fleet.engine import relaunch
from iea_fleet.engine.transaction import Transaction, Write
from iea_fleet.model.matrix import Cell, Status
from iea_fleet.model.plan import TargetPlan
from iea_fleet.model.request import Answer, Failed, Moved, as_shown
from iea_fleet.resources import kind_of
from iea_fleet.resources.net_entreprises import KIND as ACCOUNTS
from iea_fleet.resources.net_entreprises import user_of

NEXT: Final = "the next iea-fleet apply settles it"


def of_all(plan: TargetPlan, status: Status, reason: str, reason_code: str) -> tuple[Cell, ...]:
    """The cells of a plan with those that were to change set to this."""
    changed = {change.address for change in plan.changes}
    return tuple(
        replace(cell, status=status, reason=reason, reason_code=reason_code) if cell.address in changed else cell
        for cell in plan.cells
    )


def not_written(plan: TargetPlan, requests: tuple[Write, ...], answers: list[Answer]) -> tuple[Cell, ...]:
    """The cells of a plan whose files could not all be replaced; those that were have been put back."""
    for request, answer in zip(requests, answers, strict=True):
        match answer:
            case Moved():
                reason = f"somebody changed {as_shown(request.path)} between reading and writing; nothing was written"
                return of_all(plan, Status.STALE, reason, "moved_before_write")
            case Failed(reason_code, reason):
                return of_all(plan, Status.FAILED, f"{as_shown(request.path)} was not written: {reason}", reason_code)
    raise AssertionError("a batch was not done and no request says why")


def not_over(transaction: Transaction, why: str, done: str = "written") -> tuple[str, str]:
    """Reason and code of a transaction that was carried out and could not be brought to its end."""
    if transaction.lost:
        return f"{done}, but {why}; run iea-fleet drift", "lease_lost"
    return f"{done}, but {why}; {NEXT}", "not_settled"


def why_not_kept(plan: TargetPlan, again: TargetPlan, before: Mapping[str, Cell], probed: tuple[Cell, ...]) -> str:
    """Why what was written does not stay; empty when it does.

    A required probe counts when the push turned it bad. A refusal of the server is nothing that settings repair.
    """
    changed = {change.address for change in plan.changes}
    for cell in again.cells:
        if cell.address in changed and cell.status is not Status.IN_SYNC:
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


def kept(planned: Cell, now: Cell, fault: relaunch.Fault | None, *, tested: bool) -> Cell:
    """What a resource's cell says of a change that was kept. ``tested``: accounts were, before they were pushed."""
    if planned.status is Status.SKIPPED:
        return planned
    if not planned.differences:
        return now
    settings = ", ".join(difference.setting for difference in planned.differences)
    if fault is not None:
        reason, code, status = f"{settings} written, but {fault.reason}", fault.reason_code, Status.FAILED
    else:
        reason, code, status = f"{settings} written", "changed", Status.CHANGED
        if kind_of(now.address) == ACCOUNTS:
            reason = _of_account(planned, reason, tested=tested)
    return replace(now, status=status, reason=reason, reason_code=code, differences=planned.differences)


def _of_account(planned: Cell, written: str, *, tested: bool) -> str:
    """What is to be done after an account was written, by the fiche."""
    if all(difference.after is None for difference in planned.differences):
        return "the account was removed"
    told = "" if tested else " without a test at Net-Entreprises"
    return f"{written}{told}; « {user_of(planned.address)} » has to log in to IEA again"
