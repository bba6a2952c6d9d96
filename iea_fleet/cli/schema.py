"""``iea-fleet schema``: the JSON Schema of a kind of file."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def schema(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="inventory, playbook, layout; run and runs are what --format json prints."),
    ],
) -> None:
    """Print the JSON Schema of a kind of file, for an editor: # yaml-language-server: $schema=FILE."""
    from iea_fleet.engine.schemas import documents
    from iea_fleet.errors import UsageError

    found = documents()
    if f"{kind}.json" not in found:
        known = ", ".join(name.removesuffix(".json") for name in found)
        raise UsageError(f"there is no schema of {kind!r}", f"known: {known}")
    typer.echo(found[f"{kind}.json"], nl=False)
