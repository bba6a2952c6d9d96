"""``iea-fleet drift``: who changed what by hand since."""

from __future__ import annotations

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
def drift(
    inventory: InventoryArgument,
    playbook: PlaybookArgument = None,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
    verbose: VerboseOption = False,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Compare every workstation with the files. Nothing is touched; exit 3 when something differs."""
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation, print_result

    with (
        operation(options(inventory, playbook, limit, state_dir, concurrency, debug), "drift") as opened,
        progress() as listener,
    ):
        result = opened.look(listener)
    print_result(result, form, verbose=verbose)
    raise typer.Exit(result.run.exit_code or 0)
