"""What is last known of a workstation.

Every outcome is the latest word on its cells. But some statuses say nothing about what is there (an offline
workstation keeps the settings that it had), so the latest cell that did look is kept beside it, with its time:
``status --last`` shows *offline* and *last seen in_sync three days ago*.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from sqlalchemy.engine import RowMapping

from iea_fleet.history.codec import cell_as_json, cell_from_json, storable
from iea_fleet.model.matrix import Cell, Row, Seen, Status
from iea_fleet.model.playbook import ResourceKind
from iea_fleet.model.target import Target

TELLING: Final = frozenset(
    {
        Status.ROLLED_BACK,
        Status.BAD,
        Status.DRIFTED,
        Status.PENDING,
        Status.WARN,
        Status.CHANGED,
        Status.IN_SYNC,
    }
)
"""The statuses that say what is there. ``failed`` and ``stale`` do not: the push ended before it could look again."""


def outcome_values(run_id: str, row: Row, ended_at: dt.datetime) -> dict[str, Any]:
    """The row of ``outcomes`` for what happened on one workstation."""
    worst = row.worst_cell
    return {
        "run_id": run_id,
        "workstation": row.workstation,
        "office": row.office,
        "status": row.status.value,
        "reason": storable(worst.reason) if worst else "",
        "reason_code": worst.reason_code if worst else "",
        "ended_at": ended_at,
        "cells": [cell_as_json(cell) for cell in row.cells],
    }


def state_values(inventory: str, run_id: str, row: Row, ended_at: dt.datetime) -> list[dict[str, Any]]:
    """The rows of ``cells`` for one workstation: what was seen is NULL where the status says nothing about it."""
    values = []
    for cell in row.cells:
        found_at = cell.observed_at or ended_at
        document = cell_as_json(cell)
        telling = cell.status in TELLING
        values.append(
            {
                "inventory": inventory,
                "workstation": row.workstation,
                "address": cell.address,
                "run_id": run_id,
                "found_at": found_at,
                "found": document,
                "seen_run_id": run_id if telling else None,
                "seen_at": found_at if telling else None,
                "seen": document if telling else None,
            }
        )
    return values


def last_known(target: Target, known: Sequence[RowMapping]) -> Row:
    """The row of one workstation from its rows of ``cells``.

    Resources that the inventory no longer declares are left out; declared ones that were never looked at are
    ``unknown``, reason code ``never_seen``. ``observed_at`` is when the status was found; ``last_seen`` stands where
    the status says nothing about what is there.
    """
    by_address = {found["address"]: found for found in known}
    resources = [
        _cell(by_address[address]) if address in by_address else _never_seen(address) for address in target.resources
    ]
    probes = [_cell(found) for address, found in by_address.items() if _kind(address) not in get_args(ResourceKind)]
    return Row(target.name, target.office, (*resources, *probes))


def _cell(found: RowMapping) -> Cell:
    cell = replace(cell_from_json(found["found"]), observed_at=found["found_at"])
    if cell.status in TELLING or found["seen_at"] is None:
        return cell
    status = Status(found["seen"]["status"])
    # What was changed was read back and right: seen later, it is simply in sync.
    status = Status.IN_SYNC if status is Status.CHANGED else status
    return replace(cell, last_seen=Seen(status, found["seen_at"]))


def _kind(address: str) -> str:
    return address.partition(".")[0]


def _never_seen(address: str) -> Cell:
    return Cell(address, Status.UNKNOWN, "never looked at so far; run iea-fleet drift or status", "never_seen")
