"""The exit code of a run, from the same matrix that is printed."""

from __future__ import annotations

from typing import Final

from iea_fleet.model.matrix import Cell, Matrix, Status
from iea_fleet.model.run import Command

CREDENTIALS: Final = "credentials_left_out"
"""The reason code of an account that a rollback leaves as it is, as it always does."""

NOT_ASKED_FOR: Final = frozenset({"not_built", "not_selected", CREDENTIALS})
"""Reason codes of skipped cells that nobody was waiting for. Any other skipped cell is work that was not done."""

HELD_BY_RUN: Final = "held_by_run"
"""The reason code of a cell held by another run; any other held cell is a hold of the inventory."""

LEASE_BROKEN: Final = "lease_broken"
"""The reason code of a cell that is unknown because the operator has just broken the lease there, as asked."""

_FAILURES = frozenset({Status.FAILED, Status.ROLLED_BACK, Status.BAD, Status.STALE})
_DIFFERENCES = frozenset({Status.PENDING, Status.DRIFTED})
_OUT_OF_REACH = frozenset({Status.OFFLINE, Status.WAITING, Status.UNKNOWN})


def exit_code(matrix: Matrix, command: Command, interrupted: bool = False) -> int:
    """What the process ends with; the first that applies.

    130 interrupted · 1 something failed, or was skipped by refusal or budget, or an ``apply`` left differences ·
    3 there are differences · 4 something was out of reach · 0. Every cell counts, not only the worst of its row.
    """
    if interrupted:
        return 130
    codes = {_code(cell, command) for row in matrix.rows for cell in row.cells}
    return next((code for code in (1, 3, 4) if code in codes), 0)


def _code(cell: Cell, command: Command) -> int:
    if cell.status in _FAILURES:
        return 1
    if cell.status is Status.SKIPPED:
        return 0 if cell.reason_code in NOT_ASKED_FOR else 1
    if cell.status in _DIFFERENCES:
        # An apply is there to end with none: what it leaves is no success.
        return 1 if command in ("apply", "rollback") else 3
    if cell.status in _OUT_OF_REACH:
        return 0 if cell.reason_code == LEASE_BROKEN else 4
    return 4 if cell.status is Status.HELD and cell.reason_code == HELD_BY_RUN else 0
