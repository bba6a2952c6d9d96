"""What the commands that visit workstations share: the operation, Ctrl-C, and the printed result."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from iea_fleet.cli.asking import says_yes
from iea_fleet.cli.options import Format
from iea_fleet.cli.output import complain_from_signal, console, print_json
from iea_fleet.engine.operation import Operation
from iea_fleet.engine.options import Options
from iea_fleet.engine.redaction import cleaned_plan
from iea_fleet.engine.result import Result
from iea_fleet.model.plan import Plan
from iea_fleet.model.run import Command
from iea_fleet.reports.as_json import document
from iea_fleet.reports.as_table import table
from iea_fleet.reports.follow_up import accounts_said
from iea_fleet.reports.plan_as_text import plan_text


@contextmanager
def operation(options: Options, command: Command) -> Iterator[Operation]:
    """An operation that Ctrl-C stops: first what is in hand is finished, the second time nothing is."""
    with Operation.open(options, command) as opened:
        pressed = 0

        def interrupt(number: int, _frame: FrameType | None) -> None:
            nonlocal pressed
            pressed += 1
            if pressed > 1:
                complain_from_signal(opened.left_behind)
                os._exit(128 + number)
            opened.stop()

        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield opened
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def question() -> Iterator[None]:
    """While the operator is asked nothing is in hand: Ctrl-C is KeyboardInterrupt, and ends the wait for the answer."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        if sys.stdin.isatty():
            # What was typed before the question stood there is no answer to it.
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def print_result(result: Result, form: Format, *, verbose: bool = False, aged: bool = False) -> None:
    """The result alone, on stdout. ``aged``: each cell with its age."""
    if form is Format.JSON:
        print_json(document(result.run, result.matrix, accounts=result.accounts))
    else:
        console().print(table(result.matrix, verbose=verbose, now=result.run.ended_at if aged else None))
        print_accounts(result)


def print_accounts(result: Result) -> None:
    """What is known of the accounts, under a table or a plan."""
    for line in accounts_said(result.accounts, result.run.ended_at or result.run.started_at):
        console().print(line)


def print_plan(plan: Plan, opened: Operation, *, stderr: bool = False) -> None:
    """The plan as the person wants it who is to say yes."""
    guided = [target for target in opened.targets if target.guided]
    console(stderr=stderr).print(plan_text(cleaned_plan(plan), opened.loaded.offices, guided))


def unconfirmed(opened: Operation, changing: int) -> int:
    """0 when the operator types the whole word, or nothing is to change; else the exit code of a no, or of Ctrl-C."""
    plural = "s" if changing != 1 else ""
    try:
        with question():
            if opened.stopped or not changing:
                return 130 if opened.stopped else 0
            return 0 if says_yes(f"Write to {changing} workstation{plural}?") else 1
    except KeyboardInterrupt:
        typer.echo(err=True)
        return 130
