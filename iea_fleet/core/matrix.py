"""Rows of the matrix: an outcome of a whole workstation stands in each of its resource cells. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from iea_fleet.model.inventory import Hold
from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.model.target import Target
from iea_fleet.resources import Unobserved

WHOLE = "workstation"
"""The address of a workstation for which the inventory declares no resource."""

_OURS_TO_WRITE = (Status.DRIFTED, Status.PENDING)


def whole(target: Target, status: Status, reason: str, reason_code: str, at: dt.datetime | None = None) -> Row:
    """The row of a workstation that as a whole came to this."""
    addresses = target.resources or (WHOLE,)
    return Row(
        target.name,
        target.office,
        tuple(Cell(address, status, reason, reason_code, at) for address in addresses),
    )


def held(cells: Iterable[Cell], hold: Hold) -> tuple[Cell, ...]:
    """The cells of a workstation that the inventory holds: what would be written is held, the rest stays."""
    return tuple(
        replace(cell, status=Status.HELD, reason=hold_reason(hold, cell.reason), reason_code="held_by_inventory")
        if cell.status in _OURS_TO_WRITE
        else cell
        for cell in cells
    )


def instead(cells: Iterable[Cell], trouble: Unobserved) -> tuple[Cell, ...]:
    """The cells of a workstation that cannot be worked on as a whole; what nobody would do anyhow stays."""
    return tuple(
        cell
        if cell.status is Status.SKIPPED
        else replace(cell, status=trouble.status, reason=trouble.reason, reason_code=trouble.reason_code)
        for cell in cells
    )


def hold_reason(hold: Hold, also: str = "") -> str:
    """A hold in one sentence.

    >>> hold_reason(Hold(reason="en réparation", by="l'atelier"))
    "held by l'atelier: en réparation"
    """
    by = f" by {hold.by}" if hold.by else ""
    until = f" until {hold.until.isoformat()}" if hold.until else ""
    return f"held{by}{until}: {hold.reason}" + (f" ({also})" if also else "")
