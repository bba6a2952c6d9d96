"""``iea-fleet version``."""

from __future__ import annotations

import typer

from iea_fleet import __version__

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def version() -> None:
    """Print the version of iea-fleet."""
    typer.echo(f"iea-fleet {__version__}")
