"""The one question that a command asks before it does something: only the whole word is taken as yes."""

from __future__ import annotations

import os
import select
import signal
import sys

import typer


def says_yes(question: str) -> bool:
    """Whether the operator types yes. The question goes to stderr."""
    typer.echo(f"{question} Only yes is taken as yes: ", nl=False, err=True)
    return _typed().strip() == "yes"


def _typed() -> str:
    """A line that the operator types. A signal ends the wait for it, also one that came just before it began."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    before = signal.set_wakeup_fd(theirs)
    try:
        select.select([sys.stdin, ours], [], [])
        return sys.stdin.readline()
    finally:
        signal.set_wakeup_fd(before)
        os.close(ours)
        os.close(theirs)
