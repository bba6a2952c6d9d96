"""Edits become requests: the one place where new content of a workstation's files is made."""

from __future__ import annotations

from collections.abc import Iterable

from iea_fleet.engine.gather import Gathered
from iea_fleet.formats import format_named
from iea_fleet.model.plan import Change, Edit
from iea_fleet.model.request import ReplaceFile


def render(changes: Iterable[Change], gathered: Gathered) -> tuple[ReplaceFile, ...]:
    """One request for each file that changes, edits of one file joined in order.

    SettingsFormatError when a file cannot hold a value; then nothing may be written.
    """
    edits: dict[str, list[Edit]] = {}
    for change in changes:
        for edit in change.edits:
            edits.setdefault(edit.path, []).append(edit)
    return tuple(_replacement(path, of_file, gathered.content(path)) for path, of_file in edits.items())


def _replacement(path: str, edits: list[Edit], content: bytes | None) -> ReplaceFile:
    first = edits[0]
    if content is None:
        content = (first.new or "").encode(first.encoding or "utf-8")
    for edit in edits:
        content = format_named(edit.format).patch(content, edit.values, edit.encoding)
    return ReplaceFile(path, content, first.expected, private=any(edit.private for edit in edits))
