"""Runs of the history in words: the list, and one of them with its matrix."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from iea_fleet.model.matrix import Matrix
from iea_fleet.model.run import Run, RunRecord
from iea_fleet.reports.as_table import table
from iea_fleet.reports.facts import facts_text
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import counted, duration, moment, workstations


def runs_text(records: Sequence[RunRecord], *, zone: dt.tzinfo | None = None) -> RenderableType:
    """The runs in the order given, two lines each. ``zone`` is that of the times; None is this machine's."""
    if not records:
        return Text("No run yet.")
    return Group(*(line for record in records for line in _listed(record, zone)))


def run_text(
    record: RunRecord, matrix: Matrix, *, verbose: bool = False, zone: dt.tzinfo | None = None
) -> RenderableType:
    """Who ran what, when, how long, from which files; then the matrix as it was then."""
    run = record.run
    facts = {
        "run": run.id,
        "command": run.command,
        "continues": run.continues or "",
        "inventory": run.inventory,
        "playbook": run.playbook,
        "commit": run.git_commit or "",
        "started": f"{moment(run.started_at, zone)} by {run.user} on {run.host}",
        "took": _took(run),
        "exit code": "" if run.exit_code is None else str(run.exit_code),
        "for": workstations(run.selected) + _untold(record),
    }
    return Group(*facts_text(facts, run.files), Text(""), table(matrix, verbose=verbose, zone=zone))


def _listed(record: RunRecord, zone: dt.tzinfo | None) -> Iterator[RenderableType]:
    run = record.run
    ended = "" if run.exit_code is None else f"  exit {run.exit_code}"
    carried_on = f"  continues {run.continues}" if run.continues else ""
    said = f"  {run.command:6}  {moment(run.started_at, zone)}  {_took(run)}{ended}{carried_on}"
    yield Indented(Text.assemble((run.id, "bold"), said))
    parts = (printable(run.inventory), printable(f"{run.user}@{run.host}"), counted(record.summary) + _untold(record))
    yield Indented(Text(" · ".join(part for part in parts if part), style="dim"), 2)


def _took(run: Run) -> str:
    if run.ended_at is None:
        return "not ended (going on, or killed)"
    return duration(run.ended_at - run.started_at)


def _untold(record: RunRecord) -> str:
    """The workstations of which the run has told nothing."""
    missing = record.run.selected - sum(record.summary.values())
    return f", {missing} without an outcome" if missing > 0 else ""
