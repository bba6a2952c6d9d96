"""``iea-fleet plan``: what would change, per workstation, nothing touched."""

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
    options,
)
from iea_fleet.engine.options import CONCURRENCY

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def plan(
    inventory: InventoryArgument,
    playbook: PlaybookArgument = None,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Show what would change on each workstation. Nothing is touched; exit 3 when something would change."""
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation, print_plan, print_result

    with (
        operation(options(inventory, playbook, limit, state_dir, concurrency, debug), "plan") as opened,
        progress() as listener,
    ):
        result = opened.look(listener)
    if form is Format.JSON:
        print_result(result, form)
    else:
        print_plan(result, opened.targets)
    raise typer.Exit(result.run.exit_code or 0)
