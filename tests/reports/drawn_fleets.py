"""Fleets that the report tests draw, and the comparison with golden files.

After a wanted change of a report: IEA_FLEET_WRITE_GOLDEN=1 pytest tests/reports, then read the difference.
"""

from __future__ import annotations

import datetime as dt
import os
from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType

from iea_fleet.model.matrix import Cell, Difference, Matrix, Row, Seen, Status

NOW = dt.datetime(2026, 11, 21, 10, 15, tzinfo=dt.UTC)
ADDRESSES = ("server_connection", "servers.authentication_url", "servers.update_url", "state", "version")
OFFICES = {"nancy": "Maison des associations, Nancy", "toul": "Antenne de Toul", "metz": "metz"}


def row(name: str, office: str = "nancy", at: dt.datetime = NOW, **cells: Cell) -> Row:
    """A workstation that is well but for ``cells`` (address with ``_`` for ``.``)."""
    well = {
        address: Cell(
            address, Status.IN_SYNC, observed_at=at, seconds=0.1234 if address.startswith("servers.") else None
        )
        for address in ADDRESSES
    }
    for cell in cells.values():
        well[cell.address] = cell
    return Row(name, office, tuple(well.values()))


def offline(name: str, office: str = "nancy", *, seen: Seen | None = None) -> Row:
    reason = "no answer from 10.54.0.7 on port 22; switch the workstation on or look at the cable"
    return Row(
        name,
        office,
        tuple(
            Cell(address, Status.OFFLINE, reason, "no_answer", NOW - dt.timedelta(minutes=2), last_seen=seen)
            for address in ADDRESSES
        ),
    )


DRIFTED = Cell(
    "server_connection",
    Status.DRIFTED,
    "differs: secure, authentication_url (a leftover of the fiche of February 2019: :80)",
    "drifted",
    NOW,
    (
        Difference("secure", False, True, "", True, NOW - dt.timedelta(days=3)),
        Difference(
            "authentication_url",
            "https://impact-emploi.urssaf.fr:80",
            "https://impact-emploi.urssaf.fr",
            "a leftover of the fiche of February 2019: :80",
            "https://ancien.urssaf.fr",
            NOW - dt.timedelta(days=3),
        ),
    ),
)
PENDING = Cell(
    "server_connection",
    Status.PENDING,
    "differs: update_url",
    "pending",
    NOW,
    (Difference("update_url", "http://impact-emploi.urssaf.fr ", "https://impact-emploi.urssaf.fr/updates", ""),),
)
CHANGED = Cell(
    "server_connection", Status.CHANGED, "written and read back", "changed", NOW, (Difference("secure", False, True),)
)
BAD = Cell(
    "servers.update_url",
    Status.BAD,
    "the update server did not answer within 15 s; look at the firewall of the office",
    "timeout",
    NOW,
    seconds=15.0,
)
ASSISTANCE = Cell("state", Status.WARN, "the scarabée rouge shows: assistance mode is on", "assistance", NOW)
FAILED = Cell("server_connection", Status.FAILED, "the disk of the workstation is full; make room", "disk_full", NOW)


def small() -> Matrix:
    """Six workstations, one of each trouble."""
    return Matrix(
        (
            row("nancy-01"),
            row("nancy-02", a=DRIFTED),
            row("nancy-03", a=PENDING, b=BAD),
            offline("nancy-accueil"),
            row("toul-01", "toul", a=CHANGED, b=ASSISTANCE),
            row("metz-01", "metz", a=FAILED),
        ),
        dict(OFFICES),
    )


def large() -> Matrix:
    """300 workstations in three offices, nearly all of them well."""
    troubles = {
        7: row("nancy-007", a=DRIFTED),
        9: offline("nancy-009"),
        40: row("nancy-040", b=BAD),
        41: row("nancy-041", a=CHANGED),
        42: row("nancy-042", a=CHANGED),
    }
    rows = [troubles.get(number) or row(f"nancy-{number:03}") for number in range(1, 201)]
    rows += [row(f"toul-{number:02}", "toul") for number in range(1, 61)]
    rows += [row(f"metz-{number}", "metz") for number in range(1, 40)]
    return Matrix((*rows, row("metz-99", "metz", a=FAILED)), dict(OFFICES))


def drawn(report: RenderableType, width: int = 80) -> str:
    """The report as a redirected output of this width gets it."""
    file = StringIO()
    Console(file=file, width=width, color_system=None).print(report)
    return file.getvalue()


def same_as_golden(name: str, text: str) -> None:
    """Compare whole text with ``golden/NAME``."""
    path = Path(__file__).parent / "golden" / name
    if os.environ.get("IEA_FLEET_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
