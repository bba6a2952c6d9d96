"""``iea-fleet apply``: push what differs, read it back, ask the probes."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
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
from iea_fleet.cli.options import state_dir as state_folder
from iea_fleet.cli.waves import ConfirmWavesOption, WaitOfflineOption, WavePauseOption
from iea_fleet.engine.options import CONCURRENCY

if TYPE_CHECKING:
    from iea_fleet.engine.operation import Operation
    from iea_fleet.engine.saved_plan import Found
    from iea_fleet.model.matrix import Matrix


class Only(StrEnum):
    """The words of --only."""

    PENDING = "pending"
    DRIFTED = "drifted"
    FAILED = "failed"
    OFFLINE = "offline"


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def apply(
    inventory: InventoryArgument,
    playbook: PlaybookArgument = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")] = False,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Do what this plan of plan -o says, where nothing moved since."),
    ] = None,
    limit: LimitOption = None,
    only: Annotated[
        list[Only] | None, typer.Option("--only", help="Only those last known to be so; may be repeated.")
    ] = None,
    wave_pause: WavePauseOption = None,
    confirm_waves: ConfirmWavesOption = False,
    wait_offline: WaitOfflineOption = None,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Push accounts without asking Net-Entreprises about them first.")
    ] = False,
    form: FormatOption = Format.TABLE,
    verbose: VerboseOption = False,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Push what differs, in waves, read it back, ask the probes, and show the matrix. Asks first on a terminal."""
    from iea_fleet.cli import waves
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation, print_plan, print_result, unconfirmed
    from iea_fleet.engine.saved_plan import playbook_of
    from iea_fleet.errors import UsageError

    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("apply asks before it writes, and there is no terminal to ask on", "add --yes")
    waves.check(yes=yes, confirm_waves=confirm_waves, wait_offline=wait_offline or 0.0)
    saved = _saved(plan, state_dir) if plan is not None else None
    if saved is not None:
        playbook = playbook or playbook_of(saved.saved, inventory)
    with operation(options(inventory, playbook, limit, state_dir, concurrency, debug), "apply") as opened:
        if only and not _any_left(opened, only):
            print_result(opened.last(), form)
            raise typer.Exit
        reviewed = opened.review(saved, narrowed=bool(limit)) if saved is not None else None
        if not yes:
            if reviewed is None:
                with progress() as listener:
                    reviewed = opened.look(listener, recorded=False).reviewed
            print_plan(reviewed.plan, opened, stderr=True)
            code = unconfirmed(opened, reviewed.changing)
            if code:
                typer.echo("nothing was written", err=True)
                raise typer.Exit(code)
        with progress() as listener:
            pace = waves.pace(
                opened,
                listener,
                wave_pause or 0.0,
                wait_offline or 0.0,
                confirm_waves=confirm_waves,
                test_accounts=not no_test,
            )
            result = opened.apply(listener, reviewed, pace)
    print_result(result, form, verbose=verbose)
    if saved is not None:
        _say_what_was_done_before(result.matrix)
    raise typer.Exit(result.run.exit_code or 0)


def _any_left(opened: Operation, only: list[Only]) -> bool:
    """Narrow the operation to these; False, in words, when there is none."""
    from iea_fleet.cli.output import complain

    opened.only(only)
    if not opened.targets:
        words = " or ".join(only)
        complain(f"nothing is {words}, as far as the history knows; iea-fleet drift looks again")
    return bool(opened.targets)


def _saved(file: Path, state: Path | None) -> Found:
    """The plan in a file, believed because the key of our history signed it."""
    from iea_fleet.engine import saved_plan
    from iea_fleet.history import History

    with History.open(state_folder(state)) as history:
        return saved_plan.read(file, history.key)


def _say_what_was_done_before(matrix: Matrix) -> None:
    """A plan that is applied again has nothing to do, which must not look like success of this time."""
    from iea_fleet.cli.output import complain
    from iea_fleet.engine.staleness import ALREADY_DONE
    from iea_fleet.reports.wording import workstations

    done = sum(1 for row in matrix.rows if any(cell.reason_code == ALREADY_DONE for cell in row.cells))
    if done:
        complain(
            f"{workstations(done)} already had what the plan asks, and nothing was written there; "
            "was this plan applied before?"
        )
