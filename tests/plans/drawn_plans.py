"""Saved plans that tests write, read and damage: no lab, the real writer and the real key."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iea_fleet.model.matrix import Cell, Difference, Status
from iea_fleet.model.plan import Change, Edit, Plan, TargetPlan
from iea_fleet.model.saved_plan import SavedPlan

NOW = dt.datetime(2026, 11, 21, 10, 15, 2, 123456, tzinfo=dt.UTC)
FILE = "/srv/iea/connexion.properties"
READ = "sha256:" + "1" * 64
TICK = Difference("secure", False, True, "« Sécurisé » is not ticked", True, NOW - dt.timedelta(days=3))
ADDRESS = Difference("update_url", "http://a.example", "https://a.example/updates")

Steps = tuple[str | int, ...]


def changing(name: str, *differences: Difference, office: str = "nancy", read: str = READ) -> TargetPlan:
    """The plan of a workstation with these differences; without any it is in sync."""
    if not differences:
        return TargetPlan(name, office, (Cell("server_connection", Status.IN_SYNC, observed_at=NOW),), (), {FILE: read})
    cell = Cell("server_connection", Status.PENDING, "differs", "pending", NOW, differences)
    values = {f"iea.{one.setting}": one.after for one in differences}
    edit = Edit(FILE, "properties", "latin-1", values, read)
    return TargetPlan(name, office, (cell,), (Change(cell.address, differences, (edit,)),), {FILE: read})


def unreached(name: str, office: str = "nancy") -> TargetPlan:
    """The plan of a workstation that is switched off: none."""
    return TargetPlan(name, office, (Cell("server_connection", Status.OFFLINE, "no answer", "no_answer"),))


def saved(*targets: TargetPlan, history: str = "") -> SavedPlan:
    """A plan of these workstations, those that were read planned."""
    return SavedPlan(
        plan=Plan("Réseau Grand Est", NOW, targets),
        planned=frozenset(target.workstation for target in targets if target.read),
        history=history,
        run="20261121-101502-77b0",
        user="anne",
        host="siege",
        playbook="everything declared",
        playbook_file="../playbooks/x.yml",
        limit=("nancy-*", "!nancy-09"),
        files={"inventory.yml": "sha256:" + "a" * 64, "../playbooks/x.yml": "sha256:" + "b" * 64},
        offices={"nancy": "Maison des associations, Nancy"},
        commit="c" * 40,
    )


def document(path: Path) -> dict[str, Any]:
    """A plan file as JSON."""
    read = json.loads(path.read_bytes())
    assert isinstance(read, dict)
    return read


def paths(node: object, steps: Steps = ()) -> Iterator[Steps]:
    """The way to every value of a document, containers included, the document itself left out."""
    if steps:
        yield steps
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from paths(value, (*steps, key))


def holder(document: Any, steps: Steps) -> Any:
    """The container of what stands at ``steps``."""
    for step in steps[:-1]:
        document = document[step]
    return document
