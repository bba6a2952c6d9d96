"""``iea-fleet plan``: what would change, per workstation, nothing touched."""

from __future__ import annotations

from pathlib import Path
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
    options,
)
from iea_fleet.engine.options import CONCURRENCY

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def plan(
    inventory: InventoryArgument,
    playbook: PlaybookArgument = None,
    limit: LimitOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Keep the plan in a file too, for apply --plan FILE."),
    ] = None,
    form: FormatOption = Format.TABLE,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Show what would change on each workstation. Nothing is touched; exit 3 when something would change."""
    from iea_fleet.cli.output import complain
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation, print_accounts, print_plan, print_result
    from iea_fleet.engine import saved_plan

    said = ""
    if output is not None:
        saved_plan.check_place(output)
        said = f"the plan is in {output}; read it with iea-fleet show, push it with iea-fleet apply --plan"
    with operation(options(inventory, playbook, limit, state_dir, concurrency, debug), "plan") as opened:
        with progress() as listener:
            result = opened.look(listener)
        if output is not None and opened.stopped:
            said = f"interrupted, so the plan is not whole; {output} was not written"
        elif output is not None:
            saved_plan.write(output, opened.saved(result), opened.history.key)
    if form is Format.JSON:
        print_result(result, form)
    else:
        print_plan(result.plan, opened)
        print_accounts(result)
    if said:
        complain(said)
    raise typer.Exit(result.run.exit_code or 0)
