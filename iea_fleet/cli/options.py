"""Arguments and options that several commands share. Importing this imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from iea_fleet.engine.options import CONCURRENCY, Options
from iea_fleet.history import default_state_dir

MOST_WORKERS = 64


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


InventoryArgument = Annotated[Path, typer.Argument(metavar="INVENTORY", help="The inventory file.")]
PlaybookArgument = Annotated[Path | None, typer.Argument(metavar="PLAYBOOK", help="A playbook; all declared without.")]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="SELECTOR", help="Only these: nancy-*, office:toul, tag:x, !nancy-03; may be repeated."
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="table for people, json for programs.")]
ConcurrencyOption = Annotated[
    int, typer.Option("--concurrency", min=1, max=MOST_WORKERS, help="How many workstations at a time.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show where an unexpected error comes from.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="A line for each workstation, however many there are.")]
StateOption = Annotated[
    Path | None,
    typer.Option("--state-dir", envvar="IEA_FLEET_STATE_DIR", help="Where the history and the host keys are kept."),
]


def state_dir(given: Path | None) -> Path:
    """The folder of the history: the one given, or the operator's own."""
    return given if given is not None else default_state_dir()


def options(
    inventory: Path,
    playbook: Path | None,
    limit: list[str] | None,
    state: Path | None,
    concurrency: int = CONCURRENCY,
    debug: bool = False,
) -> Options:
    """The options of a command that visits workstations."""
    selectors = tuple(part.strip() for text in limit or () for part in text.split(",") if part.strip())
    return Options(inventory, playbook, selectors, state_dir(state), concurrency, debug)
