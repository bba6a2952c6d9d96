"""``iea-fleet leases INVENTORY list|break``: which runs hold workstations, and breaking one that is dead."""

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
    StateOption,
    options,
)
from iea_fleet.engine.options import CONCURRENCY

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    subcommand_metavar="list|break [ARGS]...",
    help="See which runs hold workstations, and break the lease of one that is dead.",
)


@app.callback()
def _leases(context: typer.Context, inventory: InventoryArgument) -> None:
    context.obj = inventory


@app.command("list")
def list_(
    context: typer.Context,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Connect to the workstations and show who holds them: run, owner, age by the workstation's clock, alive or dead.

    Where a run.json is found, one empty file is made beside it and removed again, to see what time it is there.
    """
    from iea_fleet.cli.output import complain, console, print_json
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation
    from iea_fleet.engine import leases
    from iea_fleet.model.matrix import Status
    from iea_fleet.reports.leases_as_json import leases_document
    from iea_fleet.reports.leases_as_text import leases_text

    given = options(context.obj, None, limit, state_dir, concurrency, debug)
    with operation(given, "leases") as opened, progress(troubles=True) as listener:
        looked = leases.holdings(opened, listener)
    rows = looked.result.matrix.rows
    if form is Format.JSON:
        print_json(leases_document(opened.loaded.name, looked.holdings))
    else:
        console().print(leases_text(looked.holdings, sum(1 for row in rows if row.status is Status.IN_SYNC)))
    unseen = [row.workstation for row in rows if row.status is not Status.IN_SYNC]
    if unseen:
        complain(f"not looked at: {', '.join(unseen)}")
    raise typer.Exit(looked.result.run.exit_code or 0)


@app.command("break")
def break_(
    context: typer.Context,
    workstation: Annotated[str, typer.Argument(metavar="WORKSTATION", help="The workstation's name.")],
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The run's id as `list` shows it; `unreadable` where it shows that.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Also a run of ours that is alive; it then stops.")] = False,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Remove the run.json of a run that is dead; nothing else on the workstation is touched. Recorded as a run."""
    from iea_fleet.cli.visit import operation
    from iea_fleet.core.exit_code import LEASE_BROKEN
    from iea_fleet.engine import leases
    from iea_fleet.engine.events import Silence
    from iea_fleet.errors import UsageError

    with operation(options(context.obj, None, [workstation], state_dir, 1, debug), "leases") as opened:
        if [target.name for target in opened.targets if not target.guided] != [workstation]:
            raise UsageError(
                "one workstation at a time, by its whole name, and no guided one",
                "iea-fleet leases INVENTORY list",
            )
        looked = leases.holdings(opened, Silence())
        (row,) = looked.result.matrix.rows
        if looked.holdings:
            leases.refuse_to_break(looked.holdings[0], run, force=force)
            (row,) = leases.break_lease(opened, looked.holdings[0], Silence()).matrix.rows
    cell = row.worst_cell
    if cell is None or not cell.reason:
        raise UsageError(f"{workstation} is held by nobody", "nothing was done", code="no_lease")
    typer.echo(f"{workstation}: {cell.reason}", err=cell.reason_code != LEASE_BROKEN)
    raise typer.Exit(0 if cell.reason_code == LEASE_BROKEN else 1)
