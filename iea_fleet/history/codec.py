"""Cells and memories as the JSON that the history keeps, and back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from iea_fleet.model.matrix import Cell, Difference, Status


def storable(text: str) -> str:
    """A text that every database takes: no half surrogates (undecodable bytes of a file name), no NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "�")


def cell_as_json(cell: Cell) -> dict[str, Any]:
    """One cell; ``last_seen`` is left out, since it is what the history itself adds."""
    return {
        "address": cell.address,
        "status": cell.status.value,
        "reason": cell.reason,
        "reason_code": cell.reason_code,
        "observed_at": _moment_as_json(cell.observed_at),
        "differences": [_difference_as_json(difference) for difference in cell.differences],
        "seconds": cell.seconds,
    }


def cell_from_json(document: Mapping[str, Any]) -> Cell:
    """The cell that ``cell_as_json`` was given."""
    return Cell(
        address=document["address"],
        status=Status(document["status"]),
        reason=document["reason"],
        reason_code=document["reason_code"],
        observed_at=_moment_from_json(document["observed_at"]),
        differences=tuple(_difference_from_json(difference) for difference in document["differences"]),
        seconds=document["seconds"],
    )


def cells_from_json(documents: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """All cells of an outcome."""
    return tuple(cell_from_json(document) for document in documents)


def _difference_as_json(difference: Difference) -> dict[str, Any]:
    return {
        "setting": difference.setting,
        "before": difference.before,
        "after": difference.after,
        "note": difference.note,
        "last_right": difference.last_right,
        "last_right_at": _moment_as_json(difference.last_right_at),
        **({"secret": True} if difference.secret else {}),
    }


def _difference_from_json(document: Mapping[str, Any]) -> Difference:
    return Difference(
        setting=document["setting"],
        before=document["before"],
        after=document["after"],
        note=document["note"],
        last_right=document["last_right"],
        last_right_at=_moment_from_json(document["last_right_at"]),
        secret=document.get("secret", False),
    )


def _moment_as_json(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat() if moment else None


def _moment_from_json(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
