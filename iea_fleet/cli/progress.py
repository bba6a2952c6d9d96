"""Progress on stderr: live bars on a terminal, one plain line a workstation elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from iea_fleet.cli.cleaned import clean
from iea_fleet.cli.output import complain, complain_from_signal, console
from iea_fleet.engine.outcome import Outcome
from iea_fleet.model.matrix import Status
from iea_fleet.reports.safe import printable

if TYPE_CHECKING:
    from rich.progress import Progress

_STOPPING = "interrupted: finishing the workstations in hand, starting no other; once more stops at once"
_SHOWN = 3
"""Names of workstations in hand that fit beside the bar."""


def _stopping(way_on: str) -> str:
    return _STOPPING + (f"; then go on with: {way_on}" if way_on else "")


class PlainLines:
    """A line for each workstation that is done with; ``troubles``: for each that is not well alone."""

    def __init__(self, *, troubles: bool = False) -> None:
        self._troubles = troubles
        self._done = set[str]()
        self._total = 0

    def begun(self, total: int) -> None:
        """Remember how many there are."""
        self._total, self._done = total, set()

    def entered(self, workstation: str) -> None:
        """Nothing: a log has no use for it."""

    def finished(self, outcome: Outcome) -> None:
        """Its status, and why."""
        row = outcome.row
        self._done.add(row.workstation)
        if self._troubles and row.status is Status.IN_SYNC:
            return
        reason = row.worst_cell.reason if row.worst_cell else ""
        place = f"[{len(self._done)}/{self._total}]"
        complain(f"{place} {row.workstation}: {row.status}" + (f": {reason}" if reason else ""))

    def stopping(self, way_on: str) -> None:
        """What Ctrl-C does."""
        complain_from_signal(_stopping(way_on))

    def told(self, sentence: str) -> None:
        """The sentence."""
        complain(sentence)

    def aside(self) -> AbstractContextManager[object]:
        """Room for a question."""
        return nullcontext()


class LiveBar:
    """A bar, and the workstations in hand."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)
        self._in_hand: dict[str, None] = {}
        self._done = set[str]()
        self._lock = threading.Lock()

    def begun(self, total: int) -> None:
        """Set the bar's length."""
        self._progress.reset(self._task, total=total)

    def entered(self, workstation: str) -> None:
        """Name it beside the bar."""
        with self._lock:
            self._in_hand[workstation] = None
            self._show()

    def finished(self, outcome: Outcome) -> None:
        """One step further."""
        with self._lock:
            self._in_hand.pop(outcome.row.workstation, None)
            self._done.add(outcome.row.workstation)
            self._show()

    def stopping(self, way_on: str) -> None:
        """What Ctrl-C does."""
        complain_from_signal(_stopping(way_on))

    def told(self, sentence: str) -> None:
        """The sentence, above the bar."""
        self._progress.console.print(printable(clean(sentence)))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Room for a question: the bar is taken away meanwhile."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def _show(self) -> None:
        names = list(self._in_hand)
        text = ", ".join(names[:_SHOWN]) + (f" +{len(names) - _SHOWN}" if len(names) > _SHOWN else "")
        self._progress.update(self._task, description=printable(text), completed=len(self._done))


@contextmanager
def progress(*, troubles: bool = False) -> Iterator[PlainLines | LiveBar]:
    """A listener for this terminal, or for the log that stands in its place; ``troubles`` as for ``PlainLines``."""
    if not sys.stderr.isatty():
        yield PlainLines(troubles=troubles)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        yield LiveBar(bar)
