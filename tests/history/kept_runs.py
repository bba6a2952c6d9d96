"""Runs, rows and targets that the history tests keep."""

from __future__ import annotations

import datetime as dt

from iea_fleet.model.matrix import Cell, Difference, Row, Status
from iea_fleet.model.run import Memory, Run
from iea_fleet.model.target import GuidedConnection, Target

NOW = dt.datetime(2026, 11, 21, 10, 15, 2, 123456, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def run(run_id: str = "20261121-101502-a3f9", inventory: str = "Réseau Grand Est", selected: int = 1) -> Run:
    return Run(
        id=run_id,
        command="apply",
        inventory=inventory,
        playbook="everything declared",
        started_at=NOW,
        user="claire",
        host="pc-claire",
        selected=selected,
        files={"inventory.yml": "sha256:00"},
    )


def cell(status: Status, at: dt.datetime | None = NOW, address: str = "server_connection") -> Cell:
    differences = (
        (
            Difference("secure", False, True, "« Sécurisé » is not ticked", True, NOW - DAY),
            Difference("port", 80, 443.5, "", None, None),
        )
        if status in (Status.DRIFTED, Status.PENDING, Status.CHANGED)
        else ()
    )
    return Cell(address, status, f"it is {status}", f"code_{status}", at, differences, 0.25)


def row(name: str, *cells: Cell, office: str = "nancy") -> Row:
    return Row(name, office, cells)


def target(name: str, *resources: str, office: str = "nancy") -> Target:
    return Target(name, office, "network", None, GuidedConnection(), None, resources=resources)


def memory(at: dt.datetime = NOW, **values: str | bool | int | float | None) -> Memory:
    return Memory(values, at)
