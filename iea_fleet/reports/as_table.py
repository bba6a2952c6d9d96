"""The matrix on a terminal: offices grouped, worst first, a symbol and a word in each cell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from iea_fleet.model.matrix import Cell, Matrix, Row, Status, worst
from iea_fleet.reports.details import Details
from iea_fleet.reports.folding import counting_order, folded
from iea_fleet.reports.follow_up import follow_up
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import (
    LOOKS,
    MEANINGS,
    age,
    counted,
    family,
    heading,
    is_probe,
    marked,
    short_seconds,
    word,
    workstations,
)

MANY: Final = 30
"""From more workstations than this on, those of an office that need the same words share one line."""

_INDENT = 2
_DETAIL = 6
_GAP = 2
_LONGEST_NAME = 24
_SHORT = 12
"""What a good test has found (« boule bleue », 3.02.004) stands in its cell when it is no longer than this."""


def table(
    matrix: Matrix,
    *,
    verbose: bool = False,
    now: dt.datetime | None = None,
    zone: dt.tzinfo | None = None,
) -> RenderableType:
    """The matrix, its legend and its totals, for any width.

    ``verbose``: a line for each workstation however many there are, and the reasons of good cells too. ``now`` (for
    the last known state): each cell shows its age. ``zone`` is that of the times; None is this machine's.
    """
    return _Table(matrix, Details(verbose, now, zone))


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its heading and the addresses it stands for."""

    heading: str
    addresses: tuple[str, ...]

    def cells(self, row: Row) -> list[Cell]:
        return [cell for cell in row.cells if cell.address in self.addresses]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Columns that fit, and how their cells are worded."""

    columns: tuple[_Column, ...]
    widths: tuple[int, ...]
    name_width: int
    wording: Callable[[Sequence[Cell]], str]

    @property
    def width(self) -> int:
        return _INDENT + self.name_width + sum(_GAP + width for width in self.widths)

    def header(self) -> Text:
        line = Text(" " * (_INDENT + self.name_width), style="dim", no_wrap=True)
        for column, width in zip(self.columns, self.widths, strict=True):
            line.append(" " * _GAP + _padded(column.heading, width))
        line.rstrip()
        return line

    def line(self, row: Row) -> Iterator[Text]:
        """The cells of a workstation; a name that is longer than its column stands on a line of its own."""
        name = " " * _INDENT + printable(row.workstation)
        line = Text(no_wrap=True)
        if cell_len(name) > _INDENT + self.name_width:
            yield Text(name, style="bold")
            name = ""
        line.append(_padded(name, _INDENT + self.name_width), style="bold")
        for column, width in zip(self.columns, self.widths, strict=True):
            cells = column.cells(row)
            line.append(" " * _GAP)
            line.append(_padded(self.wording(cells), width), style=_style(cells))
        line.rstrip()
        yield line


@dataclass(frozen=True, slots=True)
class _Table:
    """What rich asks to draw the matrix for the width at hand."""

    matrix: Matrix
    details: Details

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if not self.matrix.rows:
            yield Text("No workstation.")
            return
        grid = self._grid(options.max_width)
        offices: dict[str, list[Row]] = {}
        for row in self.matrix.rows:
            offices.setdefault(row.office, []).append(row)
        for office, rows in sorted(offices.items(), key=lambda item: (min(map(_badness, item[1])), item[0])):
            yield from self._office(office, sorted(rows, key=_worst_first), grid)
            yield Text("")
        yield from self._legend()
        yield Text("")
        yield from follow_up(self.matrix)
        total = f"{workstations(len(self.matrix.rows))}: {counted(self.matrix.summary())}"
        yield Indented(Text(total, style="bold"))

    def _office(self, office: str, rows: list[Row], grid: _Grid | None) -> Iterator[RenderableType]:
        title = self.matrix.offices.get(office) or office
        named = printable(title if title == office else f"{title} ({office})")
        yield Indented(Text.assemble((named, "bold"), f": {counted(Matrix(tuple(rows)).summary())}"))
        headed = False
        said: dict[tuple[str, ...], list[str]] = {}
        for entry in self._entries(rows):
            if len(entry) > 1 or self._shared(entry[0]):
                yield self._shared_line(entry)
            elif grid is None:
                yield self._without_columns(entry[0])
            else:
                if not headed:
                    yield grid.header()
                    headed = True
                yield from grid.line(entry[0])
            if lines := self.details.lines(entry[0]):
                said.setdefault(lines, []).extend(row.workstation for row in entry)
        for lines, names in said.items():
            yield Indented(Text(f"{folded(names)}:", style="dim"), _DETAIL - _INDENT)
            for line in lines:
                yield Indented(Text(line, style="dim"), _DETAIL)

    def _entries(self, rows: list[Row]) -> list[list[Row]]:
        """The rows, worst first; those that need the same words together when there are many."""
        if self.details.verbose or len(self.matrix.rows) <= MANY:
            return [[row] for row in rows]
        entries: dict[object, list[Row]] = {}
        for row in rows:
            statuses = tuple((cell.address, cell.status) for cell in row.cells)
            entries.setdefault((statuses, self.details.lines(row)), []).append(row)
        return list(entries.values())

    def _shared(self, row: Row) -> bool:
        """Whether a single workstation too goes without columns, because it has nothing to say among many."""
        many = len(self.matrix.rows) > MANY and not self.details.verbose
        return many and row.status is Status.IN_SYNC

    def _shared_line(self, rows: list[Row]) -> RenderableType:
        status = rows[0].status
        line = Text.assemble(
            (f"{LOOKS[status].symbol} {len(rows)} {word(status)}", LOOKS[status].style),
            f": {folded(row.workstation for row in rows)}",
        )
        times = [cell.observed_at for row in rows for cell in row.cells if cell.observed_at]
        if self.details.now is not None and times:
            line.append(f" ({_ages(min(times), max(times), self.details.now)})")
        return Indented(line, _INDENT)

    def _without_columns(self, row: Row) -> RenderableType:
        line = Text.assemble((printable(row.workstation), "bold"))
        for column in self._columns(family):
            if cells := column.cells(row):
                line.append(f"  {column.heading} ")
                line.append(self._wording(cells, with_seconds=False), style=_style(cells))
        return Indented(line, _INDENT)

    def _grid(self, width: int) -> _Grid | None:
        """The widest columns that fit: with seconds, without, then addresses of one family together; or none."""

        def brief(cells: Sequence[Cell]) -> str:
            return self._wording(cells, with_seconds=False)

        def full(cells: Sequence[Cell]) -> str:
            return self._wording(cells, with_seconds=True)

        for columns, wording in (
            (self._columns(heading), full),
            (self._columns(heading), brief),
            (self._columns(family), brief),
        ):
            grid = self._measured(columns, wording)
            if grid.width <= width:
                return grid
        return None

    def _columns(self, title: Callable[[str], str]) -> tuple[_Column, ...]:
        """The addresses in the order in which they come, those of one title together."""
        addresses = dict.fromkeys(cell.address for row in self.matrix.rows for cell in row.cells)
        titled: dict[str, list[str]] = {}
        for address in addresses:
            titled.setdefault(title(address), []).append(address)
        return tuple(_Column(head, tuple(members)) for head, members in titled.items())

    def _measured(self, columns: tuple[_Column, ...], wording: Callable[[Sequence[Cell]], str]) -> _Grid:
        widths = tuple(
            max(cell_len(column.heading), *(cell_len(wording(column.cells(row))) for row in self.matrix.rows))
            for column in columns
        )
        names = max(cell_len(printable(row.workstation)) for row in self.matrix.rows)
        return _Grid(columns, widths, min(names, _LONGEST_NAME), wording)

    def _wording(self, cells: Sequence[Cell], *, with_seconds: bool) -> str:
        """The worst of these cells in words; how many of them, how long it took, how old it is."""
        if not cells:
            return ""
        status = worst(cell.status for cell in cells)
        like_it = [cell for cell in cells if cell.status is status]
        said = marked(status, cells[0].address)
        if len(cells) == 1 and _good_test(cells[0]) and 0 < len(cells[0].reason) <= _SHORT:
            said = f"{LOOKS[status].symbol} {printable(cells[0].reason)}"
        if len(like_it) < len(cells):
            said += f" {len(like_it)}/{len(cells)}"
        times = [cell.observed_at for cell in like_it if cell.observed_at]
        if self.details.now is not None and times:
            return f"{said} {age(min(times), self.details.now)}"
        if with_seconds and len(cells) == 1 and cells[0].seconds is not None:
            said += f" {short_seconds(cells[0].seconds)}"
        return said

    def _legend(self) -> Iterator[RenderableType]:
        cells = [cell for row in self.matrix.rows for cell in row.cells]
        good_tests = [cell for cell in cells if _good_test(cell)]
        for status in Status:
            if any(cell.status is status and not _good_test(cell) for cell in cells):
                text = Text.assemble((marked(status), LOOKS[status].style), f": {MEANINGS[status]}")
                yield Indented(text, _INDENT)
        if good_tests:
            symbol, style = LOOKS[Status.IN_SYNC]
            said = " of a test: it says yes"
            if any(cell.address.startswith("servers.") for cell in good_tests):
                said += "; of a server: the « coche verte » of « Tester l'accès aux serveurs »"
            yield Indented(Text.assemble((symbol, style), said), _INDENT)


def _good_test(cell: Cell) -> bool:
    return cell.status is Status.IN_SYNC and is_probe(cell.address)


def _badness(row: Row) -> int:
    return row.status.badness


def _worst_first(row: Row) -> tuple[int, tuple[tuple[int, int, str], ...]]:
    return row.status.badness, counting_order(row.workstation)


def _style(cells: Sequence[Cell]) -> str:
    return LOOKS[worst(cell.status for cell in cells)].style


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _ages(oldest: dt.datetime, newest: dt.datetime, now: dt.datetime) -> str:
    first, last = age(newest, now), age(oldest, now)
    return first if first == last else f"{first} to {last}"
