"""``iea-fleet show RUN``: one run again, or a saved plan."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from iea_fleet.cli.options import Format, StateOption, VerboseOption, state_dir


class ShowFormat(StrEnum):
    """How one run is shown."""

    TABLE = "table"
    JSON = "json"
    MD = "md"


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="The run's id, or its beginning; `last` is the latest. Or the file of a saved plan."
        ),
    ],
    form: Annotated[
        ShowFormat, typer.Option("--format", help="table for people, json for programs, md for a report to keep.")
    ] = ShowFormat.TABLE,
    verbose: VerboseOption = False,
    state: StateOption = None,
) -> None:
    """Show one run again: who, when, from which files, its matrix and its differences. Or show a saved plan."""
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.errors import UsageError
    from iea_fleet.history import History
    from iea_fleet.model.matrix import Matrix
    from iea_fleet.reports.as_json import document
    from iea_fleet.reports.run_as_markdown import run_markdown
    from iea_fleet.reports.run_as_text import run_text

    if _is_plan(run):
        if form is ShowFormat.MD:
            raise UsageError("a plan is shown as a table or as json, not as md", "leave --format out")
        _show_plan(Path(run), Format(form.value), state)
        return
    with History.open(state_dir(state)) as history:
        latest = history.runs(1) if run == "last" else ()
        if run == "last" and not latest:
            raise UsageError("the history knows no run yet", "plan, apply, drift and status make one")
        record = latest[0] if latest else history.run(run)
        matrix = Matrix(history.rows(record.run.id), dict(record.offices))
        waves = history.waves(record.run.id)
    if form is ShowFormat.JSON:
        print_json(document(record.run, matrix, waves))
    elif form is ShowFormat.MD:
        typer.echo(run_markdown(record, matrix, waves), nl=False)
    else:
        console().print(run_text(record, matrix, verbose=verbose))


def _is_plan(named: str) -> bool:
    """Whether a file is meant and no run: the id of a run has neither a folder nor an ending."""
    return named.endswith(".json") or os.sep in named or (named != "last" and Path(named).is_file())


def _show_plan(path: Path, form: Format, state: Path | None) -> None:
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.engine import saved_plan
    from iea_fleet.history import History
    from iea_fleet.reports.saved_plan_as_text import saved_plan_text

    with History.open(state_dir(state)) as history:
        found = saved_plan.look_at(path, history.key)
    if form is Format.JSON:
        print_json(found.document)
    else:
        console().print(saved_plan_text(found.saved, signed=found.signed))
