"""``iea-fleet apply``: push what differs, read it back, ask the probes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from iea_fleet.engine.operation import Operation

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def apply(
    inventory: InventoryArgument,
    playbook: PlaybookArgument = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")] = False,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
    verbose: VerboseOption = False,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Push what differs, read it back, ask the probes, and show the matrix. Asks first on a terminal."""
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation, print_plan, print_result
    from iea_fleet.errors import UsageError

    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("apply asks before it writes, and there is no terminal to ask on", "add --yes")
    with operation(options(inventory, playbook, limit, state_dir, concurrency, debug), "apply") as opened:
        reviewed = None
        if not yes:
            with progress() as listener:
                reviewed = opened.look(listener, recorded=False)
            print_plan(reviewed, opened.targets, stderr=True)
            changing = sum(1 for target in reviewed.plan.targets if target.changes)
            code = _unconfirmed(opened, changing)
            if code:
                typer.echo("nothing was written", err=True)
                raise typer.Exit(code)
        with progress() as listener:
            result = opened.apply(listener, reviewed)
    print_result(result, form, verbose=verbose)
    raise typer.Exit(result.run.exit_code or 0)


def _unconfirmed(opened: Operation, changing: int) -> int:
    """0 when the operator types the whole word, or nothing is to change; else the exit code of a no, or of Ctrl-C."""
    from iea_fleet.cli.visit import question

    plural = "s" if changing != 1 else ""
    try:
        with question():
            if opened.stopped or not changing:
                return 130 if opened.stopped else 0
            typer.echo(f"Write to {changing} workstation{plural}? Only yes is taken as yes: ", nl=False, err=True)
            return 0 if sys.stdin.readline().strip() == "yes" else 1
    except KeyboardInterrupt:
        typer.echo(err=True)
        return 130
