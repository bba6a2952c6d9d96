"""``iea-fleet show RUN``: one run again."""

from __future__ import annotations

from typing import Annotated

import typer

from iea_fleet.cli.options import Format, FormatOption, StateOption, VerboseOption, state_dir

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or its beginning; `last` is the latest.")],
    form: FormatOption = Format.TABLE,
    verbose: VerboseOption = False,
    state: StateOption = None,
) -> None:
    """Show one run again: who, when, from which files, its matrix and its differences."""
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.errors import UsageError
    from iea_fleet.history import History
    from iea_fleet.model.matrix import Matrix
    from iea_fleet.reports.as_json import document
    from iea_fleet.reports.run_as_text import run_text

    with History.open(state_dir(state)) as history:
        latest = history.runs(1) if run == "last" else ()
        if run == "last" and not latest:
            raise UsageError("the history knows no run yet", "plan, apply, drift and status make one")
        record = latest[0] if latest else history.run(run)
        matrix = Matrix(history.rows(record.run.id), dict(record.offices))
    if form is Format.JSON:
        print_json(document(record.run, matrix))
    else:
        console().print(run_text(record, matrix, verbose=verbose))
