"""Runs, files and memories as rows of the tables, and back."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import SecretStr
from sqlalchemy.engine import RowMapping

from iea_fleet.errors import UsageError
from iea_fleet.history import asked
from iea_fleet.history.codec import storable
from iea_fleet.model.journal import JournalFile
from iea_fleet.model.matrix import Status
from iea_fleet.model.run import Memory, Run, RunRecord

_NEAREST = 3


def of_run(run: Run, offices: Mapping[str, str]) -> dict[str, Any]:
    """The row of ``runs`` for a run that begins. ``offices`` maps each office to its title."""
    return {
        "id": run.id,
        "command": run.command,
        "inventory": run.inventory,
        "playbook": run.playbook,
        "started_at": run.started_at,
        "user_name": storable(run.user),
        "host_name": storable(run.host),
        "selected": run.selected,
        "files": dict(run.files),
        "offices": dict(offices),
        "git_commit": run.git_commit,
        "inventory_file": run.inventory_file and storable(run.inventory_file),
        "continues": run.continues,
        "asked": asked.as_json(run.asked),
    }


def of_memories(inventory: str, run_id: str, workstation: str, memories: Mapping[str, Memory]) -> list[dict[str, Any]]:
    """The rows of ``memories`` for what was written or seen right on one workstation."""
    return [
        {
            "inventory": inventory,
            "workstation": workstation,
            "address": address,
            "run_id": run_id,
            "right_at": memory.right_at,
            "settings": dict(memory.values),
        }
        for address, memory in memories.items()
    ]


def of_files(
    run_id: str, workstation: str, replaced: Iterable[JournalFile], mark: Callable[[SecretStr], str]
) -> list[dict[str, Any]]:
    """The rows of ``replacements`` for the files that a transaction wrote.

    Of a secret file no backup is kept, and of its digests marks: a short password could be guessed from them.
    """

    def kept(file: JournalFile, digest: str) -> str:
        return mark(SecretStr(digest)) if file.secret else digest

    return [
        {
            "run_id": run_id,
            "workstation": workstation,
            "path": file.path,
            "before": kept(file, file.before),
            "after": kept(file, file.after),
            "backup": None if file.secret else file.backup,
        }
        for file in replaced
    ]


def as_record(found: RowMapping, counts: Mapping[Status, int]) -> RunRecord:
    """A run from its row, with how many workstations have each status."""
    run = Run(
        id=found["id"],
        command=found["command"],
        inventory=found["inventory"],
        playbook=found["playbook"],
        started_at=found["started_at"],
        user=found["user_name"],
        host=found["host_name"],
        selected=found["selected"],
        files=found["files"],
        ended_at=found["ended_at"],
        exit_code=found["exit_code"],
        git_commit=found["git_commit"],
        inventory_file=found["inventory_file"],
        continues=found["continues"],
        asked=asked.from_json(found["asked"]),
    )
    return RunRecord(run, {status: counts[status] for status in Status if status in counts}, found["offices"])


def no_such_run(name: str, ids: list[str]) -> UsageError:
    """The error that names the nearest runs. ``ids``: the latest runs, newest first."""
    if not ids:
        return UsageError("the history knows no run yet", "plan, apply, drift and status make one", code="no_such_run")
    near = difflib.get_close_matches(name, ids, n=_NEAREST, cutoff=0.5) or ids[:_NEAREST]
    return UsageError(
        f"the history knows no run {name!r}",
        f"nearest: {', '.join(near)}; see iea-fleet runs",
        code="no_such_run",
    )
