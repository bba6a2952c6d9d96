"""Where words go: the result alone to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from iea_fleet.cli.cleaned import clean
from iea_fleet.reports.safe import printable

if TYPE_CHECKING:
    from rich.console import Console


def complain(text: str) -> None:
    """One line on stderr, with nothing in it that a terminal would obey."""
    print(printable(clean(text)), file=sys.stderr)  # noqa: T201 - the command line speaks here


def complain_from_signal(text: str) -> None:
    """One line on stderr from a signal handler: the stream itself refuses while it is being written to."""
    erase = "\r\x1b[2K" if sys.stderr.isatty() else ""
    os.write(sys.stderr.fileno(), f"{erase}{printable(clean(text))}\n".encode())


def print_json(document: Mapping[str, object]) -> None:
    """A document as the whole of stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def console(*, stderr: bool = False) -> Console:
    """A terminal to print tables on; plain text where it is none."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)
