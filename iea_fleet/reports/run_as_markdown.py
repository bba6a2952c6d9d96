"""One run of the history as a page of Markdown, to keep: who, when, from which files, and what changed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from iea_fleet.model.matrix import Cell, Matrix
from iea_fleet.model.run import RunRecord
from iea_fleet.reports.details import DIFFERING
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import counted, found, heading, wanted, word, workstations

_SIGNS = re.compile(r"([\\`*_\[\]<>|&~#])")


def run_markdown(record: RunRecord, matrix: Matrix, waves: Mapping[str, int]) -> str:
    """The page. Times are UTC; ``waves`` is the number of the wave of each workstation.

    Settings stand with their old and new value. Secrets never come into the history, so none can stand here.
    """
    run = record.run
    facts = {
        "command": run.command,
        "inventory": run.inventory,
        "playbook": run.playbook,
        "commit": run.git_commit or "",
        "started": f"{_utc(run.started_at)} by {run.user} on {run.host}",
        "ended": _utc(run.ended_at) if run.ended_at else "not ended (going on, or killed)",
        "exit code": "" if run.exit_code is None else str(run.exit_code),
        "for": f"{workstations(run.selected)}: {counted(record.summary) or 'nothing told'}",
    }
    lines = [f"# Run {_text(run.id)}", ""]
    lines += _table(("", ""), [(name, said) for name, said in facts.items() if said])
    lines += ["", "## Files", "", *_table(("file", "digest"), sorted(run.files.items()))]
    lines += ["", "## Workstations", "", *_workstations(matrix, waves)]
    if changes := list(_changes(matrix)):
        lines += [
            "",
            "## Settings",
            "",
            *_table(("workstation", "resource", "status", "setting", "was", "to"), changes),
        ]
    return "\n".join(lines) + "\n"


def _workstations(matrix: Matrix, waves: Mapping[str, int]) -> Iterator[str]:
    rows = []
    for row in matrix.rows:
        worst = row.worst_cell
        wave = str(waves.get(row.workstation, ""))
        office = matrix.offices.get(row.office) or row.office
        rows.append((row.workstation, office, wave, word(row.status), worst.reason if worst else ""))
    return _table(("workstation", "office", "wave", "status", "reason"), rows)


def _changes(matrix: Matrix) -> Iterator[tuple[str, ...]]:
    """Each setting that was changed, or differs."""
    for row in matrix.rows:
        for cell in row.cells:
            yield from _differences(row.workstation, cell)


def _differences(workstation: str, cell: Cell) -> Iterator[tuple[str, ...]]:
    if cell.status in DIFFERING:
        for one in cell.differences:
            yield (
                workstation,
                heading(cell.address),
                word(cell.status, cell.address),
                one.setting,
                found(one),
                wanted(one),
            )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_text(cell) for cell in row)} |"


def _text(said: str) -> str:
    r"""Text that Markdown shows as it is: no sign of it means anything.

    >>> print(_text("a|b <i> *c*"))
    a\|b \<i\> \*c\*
    """
    return _SIGNS.sub(r"\\\1", printable(said))


def _utc(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
