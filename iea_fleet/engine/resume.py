"""Carrying on a run that was stopped, interrupted or killed: what it left, and whether the files are still the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from iea_fleet.core.exit_code import HELD_BY_RUN, NOT_ASKED_FOR
from iea_fleet.engine import owner
from iea_fleet.engine.course import Pace
from iea_fleet.engine.load import Loaded
from iea_fleet.engine.options import Options
from iea_fleet.engine.saved_plan import from_folder
from iea_fleet.errors import UsageError
from iea_fleet.history import History
from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.model.run import Asked, Run
from iea_fleet.model.target import Target

_UNDONE: Final = frozenset(
    {Status.FAILED, Status.STALE, Status.DRIFTED, Status.PENDING, Status.WAITING, Status.UNKNOWN, Status.OFFLINE}
)
_BY_HAND: Final = "guided"


@dataclass(frozen=True, slots=True)
class Continuation:
    """A run, how it was asked for, and the workstations that it left undone: none when it ended well."""

    run: Run
    asked: Asked
    left: tuple[str, ...]


def continuation(history: History, name: str) -> Continuation:
    """What the run of this id, or of the only id that starts so, has left. UsageError when it cannot be carried on."""
    run = history.run(name).run
    if run.command != "apply":
        raise UsageError(
            f"run {run.id} was a {run.command}, and only an apply is carried on",
            f"run iea-fleet {run.command} again",
            code="not_an_apply",
        )
    if run.asked is None or run.inventory_file is None:
        raise UsageError(
            f"run {run.id} was made by an older iea-fleet, which did not keep how it was asked for",
            "run iea-fleet apply again: what is right already is left alone",
            code="run_too_old",
        )
    if run.ended_at is None and _goes_on(history, run.asked):
        raise UsageError(
            f"run {run.id} is still going on, as process {run.asked.owner.pid} of {run.asked.owner}",
            "wait for it, or stop it there with Ctrl-C first",
            code="run_alive",
        )
    if later := history.continued_by(run.id):
        raise UsageError(
            f"run {run.id} was carried on already, by run {later}",
            f"iea-fleet resume {later} goes on from there",
            code="run_continued",
        )
    rows = {row.workstation: row for row in history.rows(run.id)}
    left = tuple(one for one in run.asked.workstations if one not in rows or _is_undone(rows[one]))
    return Continuation(run, run.asked, left)


def asked_for(
    options: Options, loaded: Loaded, targets: Sequence[Target], plan_file: Path | None, pace: Pace, fingerprint: str
) -> Asked:
    """How this process was asked for an apply. ``fingerprint`` is that of the history's key."""
    return Asked(
        owner=owner.ourselves(fingerprint),
        workstations=tuple(target.name for target in targets),
        files=from_folder(loaded.files, loaded.folder),
        playbook_file=_absolute(options.playbook),
        plan_file=_absolute(plan_file),
        limit=options.limit,
        wave_pause=pace.wave_pause,
        wait_offline=pace.wait_offline,
        confirm_waves=pace.confirm is not None,
        test_accounts=pace.test_accounts,
    )


def changed_files(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The files that are not as they were, in words."""
    return [
        *(f"{path} was changed" for path in then if path in now and now[path] != then[path]),
        *(f"{path} is not read any more" for path in then if path not in now),
        *(f"{path} was not read then" for path in now if path not in then),
    ]


def refuse_changes(run: Run, changed: list[str]) -> None:
    """UsageError when a file was changed since the run."""
    if changed:
        raise UsageError(
            f"the files are not those of run {run.id}: {', '.join(changed)}",
            "look at what changed there; --with-changes carries on with the files as they are now",
            code="files_changed",
        )


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _goes_on(history: History, asked: Asked) -> bool:
    return owner.is_this_controller(asked.owner, history.key.fingerprint) and owner.runs(asked.owner)


def _is_undone(row: Row) -> bool:
    """Whether something of a workstation is left to do. What was put back or is bad is known, and stays so."""
    return any(_is_left(cell) for cell in row.cells)


def _is_left(cell: Cell) -> bool:
    match cell.status:
        case Status.SKIPPED:
            return cell.reason_code not in NOT_ASKED_FOR
        case Status.HELD:
            return cell.reason_code == HELD_BY_RUN
        case Status.WAITING:
            return cell.reason_code != _BY_HAND
        case status:
            return status in _UNDONE
