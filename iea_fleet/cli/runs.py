"""``iea-fleet runs``: what was run, when and by whom."""

from __future__ import annotations

from typing import Annotated

import typer

from iea_fleet.cli.options import Format, FormatOption, StateOption, state_dir

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def runs(
    inventory: Annotated[
        str | None, typer.Option("--inventory", metavar="NAME", help="Only runs of this name.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=10_000, help="How many, the latest first.")] = 20,
    form: FormatOption = Format.TABLE,
    state: StateOption = None,
) -> None:
    """List what was run, when and by whom, the latest first."""
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.history import History
    from iea_fleet.reports.as_json import runs_document
    from iea_fleet.reports.run_as_text import runs_text

    with History.open(state_dir(state)) as history:
        records = history.runs(most, inventory)
    if form is Format.JSON:
        print_json(runs_document(records))
    else:
        console().print(runs_text(records))
