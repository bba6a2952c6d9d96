"""``iea-fleet resume RUN``: carry on what an apply left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iea_fleet.cli.options import (
    ConcurrencyOption,
    DebugOption,
    Format,
    FormatOption,
    StateOption,
    VerboseOption,
    options,
    state_dir,
)
from iea_fleet.engine.options import CONCURRENCY

if TYPE_CHECKING:
    from iea_fleet.engine.resume import Continuation

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or its beginning.")],
    with_changes: Annotated[
        bool, typer.Option("--with-changes", help="Carry on although the files were changed since.")
    ] = False,
    form: FormatOption = Format.TABLE,
    verbose: VerboseOption = False,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state: StateOption = None,
) -> None:
    """Carry on an apply that was stopped, interrupted or killed, as it was asked for: what it left, as a new run.

    It does not ask again. A workstation is left to do when it was not begun, failed, was offline, waited, or changed
    meanwhile.
    """
    from iea_fleet.cli import waves
    from iea_fleet.cli.output import complain
    from iea_fleet.cli.progress import progress
    from iea_fleet.cli.visit import operation, print_result
    from iea_fleet.engine import resume as engine
    from iea_fleet.engine import saved_plan
    from iea_fleet.history import History

    with History.open(state_dir(state)) as history:
        found = engine.continuation(history, run)
        saved = saved_plan.read(Path(plan), history.key) if (plan := found.asked.plan_file) else None
    if not found.left:
        complain(f"there is nothing to resume: run {found.run.id} left no workstation undone")
        raise typer.Exit
    asked = found.asked
    waves.check(yes=True, confirm_waves=asked.confirm_waves, wait_offline=asked.wait_offline)
    playbook = Path(asked.playbook_file) if asked.playbook_file else None
    with operation(options(_inventory(found), playbook, None, state, concurrency, debug), "apply") as opened:
        reviewed = opened.review(saved, narrowed=True) if saved is not None else None
        for changed in opened.carry_on(found, with_changes=with_changes):
            complain(f"note: {changed}")
        with progress() as listener:
            pace = waves.pace(
                opened,
                listener,
                asked.wave_pause,
                asked.wait_offline,
                confirm_waves=asked.confirm_waves,
                test_accounts=asked.test_accounts,
            )
            result = opened.apply(listener, reviewed, pace)
    print_result(result, form, verbose=verbose)
    raise typer.Exit(result.run.exit_code or 0)


def _inventory(found: Continuation) -> Path:
    assert found.run.inventory_file is not None
    return Path(found.run.inventory_file)
