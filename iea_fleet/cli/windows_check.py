"""``iea-fleet windows-check``: whether a real Windows workstation does what it has to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iea_fleet.cli.options import DebugOption, LimitOption, StateOption, options

if TYPE_CHECKING:
    from iea_fleet.engine.options import Options
    from iea_fleet.model.windows_check import WindowsCheck


class CheckFormat(StrEnum):
    """How a check is printed."""

    TEXT = "text"
    JSON = "json"


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(name="windows-check")
def windows_check(
    inventory: Annotated[
        Path | None, typer.Argument(metavar="INVENTORY", help="The inventory file; none with --replay.")
    ] = None,
    limit: LimitOption = None,
    form: Annotated[CheckFormat, typer.Option("--format", help="text for people, json for programs.")] = (
        CheckFormat.TEXT
    ),
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="Also write what was said, redacted; for one workstation."),
    ] = None,
    keep_names: Annotated[
        bool, typer.Option("--keep-names", help="Leave names of workstation, account and servers in that file.")
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="Show a recorded check again, without any connection."),
    ] = None,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Try on a real Windows workstation all that apply does there, with scratch files alone, and say what it proves.

    IEA's own files are read and never written. The private folder is made where it is not there, and stays.
    Exit code: 0 all as expected, 1 something was not, 4 out of reach, or held by another run.
    """
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.engine.windows_check.record import read, replayed
    from iea_fleet.errors import UsageError
    from iea_fleet.reports.windows_check_as_json import checks_document
    from iea_fleet.reports.windows_check_as_text import check_text

    if replay is not None and (record is not None or limit):
        raise UsageError("a recorded check is shown by itself", "leave --limit and --record out")
    if replay is not None:
        checks, interrupted = [replayed(read(replay))], False
    elif inventory is None:
        raise UsageError("no inventory is given", "name it, or a recorded check with --replay FILE")
    else:
        checks, interrupted = _tried(
            options(inventory, None, limit, state_dir, 1, debug), record, keep_names=keep_names
        )
    if form is CheckFormat.JSON:
        print_json(checks_document(checks))
    else:
        for check in checks:
            console().print(check_text(check))
    codes = {check.exit_code for check in checks}
    raise typer.Exit(130 if interrupted else next((code for code in (1, 4) if code in codes), 0))


def _tried(given: Options, record: Path | None, *, keep_names: bool) -> tuple[list[WindowsCheck], bool]:
    """The check of each selected workstation, one after the other, and whether the operator stopped it."""
    from iea_fleet.cli.output import complain
    from iea_fleet.cli.visit import operation
    from iea_fleet.engine.windows_check import check, on_windows
    from iea_fleet.engine.windows_check.record import refuse_unwritable, write
    from iea_fleet.errors import UsageError

    checks: list[WindowsCheck] = []
    # As a command that records nothing in the history.
    with operation(given, "status") as opened:
        targets, others = on_windows(opened.targets)
        if others:
            complain(f"passed over, because it is no Windows workstation that is connected to: {', '.join(others)}")
        if record is not None:
            if len(targets) != 1:
                raise UsageError("one workstation is recorded at a time", "name it with --limit")
            refuse_unwritable(record)
        reaches = opened.reaches(targets)
        for target in targets:
            if opened.stopped:
                break
            complain(f"{target.name}: checking, which may take a minute")
            taken = check(target, reaches[target.name], opened.leases, lambda: opened.stopped)
            checks.append(taken.check)
            if record is not None:
                write(record, taken, target, keep_names=keep_names)
                complain(f"recorded in {record}; read it before you pass it on")
        return checks, opened.stopped
