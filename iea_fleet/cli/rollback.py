"""``iea-fleet rollback RUN``: put back what a run replaced."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iea_fleet.cli.options import (
    ConcurrencyOption,
    DebugOption,
    Format,
    FormatOption,
    LimitOption,
    StateOption,
    VerboseOption,
    options,
)
from iea_fleet.cli.options import state_dir as state_folder
from iea_fleet.engine.options import CONCURRENCY

if TYPE_CHECKING:
    from iea_fleet.model.run import Run

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def rollback(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of the run to undo, or its beginning.")],
    inventory: Annotated[
        Path | None,
        typer.Option("--inventory", metavar="INVENTORY", help="The inventory file, where it is no longer the run's."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")] = False,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
    verbose: VerboseOption = False,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Put back what a run replaced, where a workstation still has exactly what it wrote. Asks first on a terminal.

    What somebody changed since is left alone. Net-Entreprises credentials are never put back: an old password would
    lock the account. A rollback is a run, and can be rolled back.
    """
    from iea_fleet.cli.output import complain
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation, print_plan, print_result, unconfirmed
    from iea_fleet.engine.rollback import Rollback
    from iea_fleet.errors import UsageError

    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("rollback asks before it writes, and there is no terminal to ask on", "add --yes")
    found, file = _run_and_inventory(run, inventory, state_dir)
    with operation(options(file, None, limit, state_dir, concurrency, debug), "rollback") as opened:
        undone = Rollback.of_run(opened, found)
        if undone.gone:
            complain(f"no longer in the inventory, and left alone: {', '.join(undone.gone)}")
        reviewed = None
        if not yes:
            with progress() as listener:
                reviewed = undone.review(listener)
            print_plan(reviewed.plan, opened, stderr=True)
            if code := unconfirmed(opened, reviewed.changing):
                typer.echo("nothing was written", err=True)
                raise typer.Exit(code)
        with progress() as listener:
            result = undone.carry_out(listener, reviewed)
    print_result(result, form, verbose=verbose)
    raise typer.Exit(result.run.exit_code or 0)


def _run_and_inventory(name: str, given: Path | None, state: Path | None) -> tuple[Run, Path]:
    """The run of this name, and the inventory file to go on with: the one given, or that of the run."""
    from iea_fleet.errors import UsageError
    from iea_fleet.history import History

    with History.open(state_folder(state)) as history:
        run = history.run(name).run
    file = given or (Path(run.inventory_file) if run.inventory_file else None)
    if file is None or not file.is_file():
        gone = (
            f"the inventory of run {run.id} is no longer at {file}" if file else "where its inventory is, is not known"
        )
        raise UsageError(gone, "name it with --inventory", code="inventory_gone")
    return run, file
