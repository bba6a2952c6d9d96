"""``iea-fleet status``: the matrix of settings, servers, tray state and version."""

from __future__ import annotations

from typing import Annotated

import typer

from iea_fleet.cli.options import (
    ConcurrencyOption,
    DebugOption,
    Format,
    FormatOption,
    InventoryArgument,
    LimitOption,
    PlaybookArgument,
    StateOption,
    VerboseOption,
    options,
)
from iea_fleet.engine.options import CONCURRENCY

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def status(
    inventory: InventoryArgument,
    playbook: PlaybookArgument = None,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
    verbose: VerboseOption = False,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
    last: Annotated[
        bool, typer.Option("--last", help="From the history, with the age of each cell; asks nobody.")
    ] = False,
) -> None:
    """Compare every workstation with the files, and ask the probes. Nothing is touched."""
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation, print_result

    with (
        operation(options(inventory, playbook, limit, state_dir, concurrency, debug), "status") as opened,
        progress() as listener,
    ):
        result = opened.last() if last else opened.look(listener, opened.loaded.playbook.probes)
    print_result(result, form, verbose=verbose, aged=last)
    raise typer.Exit(result.run.exit_code or 0)
