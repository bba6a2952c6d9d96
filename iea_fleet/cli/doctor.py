"""``iea-fleet doctor``: why a workstation does not answer, step by step, with the remedy of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from iea_fleet.cli.options import (
    ConcurrencyOption,
    DebugOption,
    InventoryArgument,
    LimitOption,
    StateOption,
    options,
)
from iea_fleet.engine.options import CONCURRENCY

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_FEW = 4
"""Up to so many workstations all steps are shown."""


class Form(StrEnum):
    """How the findings are printed."""

    TEXT = "text"
    JSON = "json"


@app.command()
def doctor(
    inventory: InventoryArgument,
    limit: LimitOption = None,
    form: Annotated[Form, typer.Option("--format", help="text for people, json for programs.")] = Form.TEXT,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Make no file there: whether we may write is not told, nor the clock.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="All steps, however many workstations there are.")] = False,
    concurrency: ConcurrencyOption = CONCURRENCY,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Find out why workstations do not answer: name, port, host key or certificate, login, rights, room, clock.

    Each step comes with its time and its remedy. It logs in once at most, never at Net-Entreprises. Beside the settings
    it makes one small file and removes it at once, but not where a run is at work or the inventory holds a workstation.
    Exit code: 1 something is bad, 4 offline, 0 else, warnings included.
    """
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.cli.visit import operation
    from iea_fleet.engine.doctor import examinations
    from iea_fleet.reports.doctor_as_json import doctor_document
    from iea_fleet.reports.doctor_as_text import examination_text, totals_text

    found = []
    # As a command that records nothing.
    with operation(options(inventory, None, limit, state_dir, concurrency, debug), "status") as opened:
        whole = verbose or len(opened.targets) <= _FEW
        for one in examinations(opened, write=not read_only):
            found.append(one)
            if form is Form.TEXT:
                console().print(examination_text(one, whole=whole))
        interrupted = opened.stopped
    if form is Form.JSON:
        print_json(doctor_document(opened.loaded.name, found))
    else:
        console().print(totals_text(found))
    codes = {one.exit_code for one in found}
    raise typer.Exit(130 if interrupted else next((code for code in (1, 4) if code in codes), 0))
