"""What the commands that visit workstations share: the operation, Ctrl-C, and the printed result."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from iea_fleet.cli.options import Format
from iea_fleet.cli.output import console, print_json
from iea_fleet.engine.operation import Operation, Result
from iea_fleet.engine.options import Options
from iea_fleet.model.run import Command
from iea_fleet.reports.as_json import document
from iea_fleet.reports.as_table import matrix_table


@contextmanager
def operation(options: Options, command: Command) -> Iterator[Operation]:
    """An operation that Ctrl-C stops: first what is in hand is finished, the second time nothing is."""
    with Operation.open(options, command) as opened:
        pressed = 0

        def interrupt(number: int, _frame: FrameType | None) -> None:
            nonlocal pressed
            pressed += 1
            if pressed > 1:
                os._exit(128 + number)
            opened.stop()

        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield opened
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def print_result(result: Result, form: Format) -> None:
    """The result alone, on stdout."""
    if form is Format.JSON:
        print_json(document(result.run, result.matrix))
    else:
        console().print(matrix_table(result.matrix))
