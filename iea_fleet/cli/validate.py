"""``iea-fleet validate``: every mistake of every file at once."""

from __future__ import annotations

import typer

from iea_fleet.cli.options import InventoryArgument, PlaybookArgument
from iea_fleet.engine.load import load

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def validate(inventory: InventoryArgument, playbook: PlaybookArgument = None) -> None:
    """Check the files: every mistake, with its file, line and column. No secret is read, no workstation is asked."""
    loaded = load(inventory, playbook)
    for warning in loaded.warnings:
        typer.echo(str(warning), err=True)
    offices = len({target.office for target in loaded.targets})
    typer.echo(
        f"{inventory}: no mistake; {_counted(len(loaded.targets), 'workstation')} in {_counted(offices, 'office')}"
        f", {_counted(len(loaded.files), 'file')} read"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
