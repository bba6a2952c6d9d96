"""Lengths of time on the command line."""

from __future__ import annotations

import re

import typer

_FORM = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def duration(text: str) -> float:
    """Seconds.

    >>> duration("90"), duration("5m"), duration("1.5h")
    (90.0, 300.0, 5400.0)
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no length of time; write seconds, or 5m, or 2h")
    return float(found[1]) * _SECONDS[found[2]]
