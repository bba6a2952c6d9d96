"""``iea-fleet runs``: what was run, when and by whom."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)
