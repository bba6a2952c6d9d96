"""A saved plan as one JSON document, there and back. It holds no secret: a secret is only named in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from iea_fleet.model.layout import FormatName, Scalar
from iea_fleet.model.matrix import Cell, Difference, Seen
from iea_fleet.model.plan import Change, Edit, Hidden, Plan, TargetPlan
from iea_fleet.model.saved_plan import SavedPlan
from iea_fleet.reports.as_json import CellPart, DifferencePart, Moment, cell_part, difference_part, titled
from iea_fleet.reports.safe import whole

SCHEMA: Final = "iea-fleet/plan/1"

_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class HiddenPart:
    """A secret that the plan only names: the password of an identity, for one IEA user."""

    __pydantic_config__ = _CLOSED

    identity: str
    user: str
    seal: str | None
    """The action of the layout that it goes through."""


@dataclass(frozen=True, slots=True)
class EditPart:
    """What one change does to one file."""

    __pydantic_config__ = _CLOSED

    path: str
    format: FormatName
    encoding: str | None
    values: dict[str, Scalar | HiddenPart]
    """What is written, by the keys of the layout, null for what goes; everything else in the file stays."""
    expected: str
    """The digest of the file that was read, or `absent`; empty where a secret could be guessed from it."""
    new: str | None
    """What a file that is not there starts from."""
    private: bool
    secret: bool = False
    """Whether the file holds a secret, before or after."""


@dataclass(frozen=True, slots=True)
class ChangePart:
    """One resource that is not as the files ask, and what gets it there."""

    __pydantic_config__ = _CLOSED

    address: str
    differences: tuple[DifferencePart, ...]
    edits: tuple[EditPart, ...]


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """One workstation: what was found there, and what is to be done."""

    __pydantic_config__ = _CLOSED

    name: str
    office: str
    planned: bool
    """Whether it was read; a workstation that was not is not written to by this plan."""
    cells: tuple[CellPart, ...]
    read: dict[str, str]
    """Each settings file that was read, and its digest (or `absent`); of one with a secret an HMAC of the digest."""
    changes: tuple[ChangePart, ...]


@dataclass(frozen=True, slots=True)
class PlaybookPart:
    """What the plan was made by."""

    __pydantic_config__ = _CLOSED

    name: str
    file: str | None
    """As it is named from the inventory's folder; null when none was given."""


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """What iea-fleet would change, and all that says whether it still may: digests, history, signature."""

    __pydantic_config__ = _CLOSED

    schema: Literal["iea-fleet/plan/1"]
    inventory: str
    """The name of the inventory."""
    history: str
    """The fingerprint of the key of the history that it can be applied on."""
    run: str
    """The run that made it; what `iea-fleet show` takes."""
    created_at: Moment
    user: str
    host: str
    commit: str | None
    """The git commit of the inventory's repository; null when it is in none."""
    playbook: PlaybookPart
    limit: tuple[str, ...]
    """The selectors it was narrowed by."""
    files: dict[str, str]
    """Each file that was read, as it is named from the inventory's folder, and its digest."""
    offices: dict[str, str]
    """The title of each office."""
    workstations: tuple[PlannedPart, ...]
    signature: str
    """HMAC-SHA-256 by the history's key, over all the rest."""


def document(saved: SavedPlan) -> dict[str, Any]:
    """The document of a saved plan, ready for ``json.dumps``, not signed yet."""
    filled = PlanDocument(
        schema=SCHEMA,
        inventory=saved.plan.inventory,
        history=saved.history,
        run=saved.run,
        created_at=saved.plan.created_at,
        user=_text(saved.user),
        host=_text(saved.host),
        commit=saved.commit,
        playbook=PlaybookPart(saved.playbook, saved.playbook_file and _text(saved.playbook_file)),
        limit=saved.limit,
        files={_text(path): digest for path, digest in saved.files.items()},
        offices=dict(saved.offices),
        workstations=tuple(_planned(target, target.workstation in saved.planned) for target in saved.plan.targets),
        signature="",
    )
    written: dict[str, Any] = _adapter().dump_python(filled, mode="json")
    return written


def saved_plan(written: Mapping[str, Any]) -> SavedPlan:
    """The plan that ``document`` was given. pydantic's ValidationError when it is no such document."""
    filled = _adapter().validate_python(written)
    return SavedPlan(
        plan=Plan(filled.inventory, filled.created_at, tuple(_target(one) for one in filled.workstations)),
        planned=frozenset(one.name for one in filled.workstations if one.planned),
        history=filled.history,
        run=filled.run,
        user=filled.user,
        host=filled.host,
        playbook=filled.playbook.name,
        playbook_file=filled.playbook.file,
        limit=filled.limit,
        files=filled.files,
        offices=filled.offices,
        commit=filled.commit,
    )


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a saved plan."""
    return titled(_adapter().json_schema(mode="serialization"), "plan")


@cache
def _adapter() -> TypeAdapter[PlanDocument]:
    return TypeAdapter(PlanDocument)


def _text(text: str) -> str:
    return str(whole(text))


def _planned(target: TargetPlan, planned: bool) -> PlannedPart:
    return PlannedPart(
        name=target.workstation,
        office=target.office,
        planned=planned,
        cells=tuple(cell_part(cell) for cell in target.cells),
        read=dict(target.read),
        changes=tuple(
            ChangePart(
                address=change.address,
                differences=tuple(difference_part(difference) for difference in change.differences),
                edits=tuple(_edit(edit) for edit in change.edits),
            )
            for change in target.changes
        ),
    )


def _edit(edit: Edit) -> EditPart:
    return EditPart(
        path=edit.path,
        format=edit.format,
        encoding=edit.encoding,
        values={
            key: HiddenPart(value.identity, value.user, value.seal) if isinstance(value, Hidden) else whole(value)
            for key, value in edit.values.items()
        },
        expected="" if edit.secret else edit.expected,
        new=edit.new,
        private=edit.private,
        secret=edit.secret,
    )


def _values(part: EditPart) -> dict[str, Scalar | Hidden]:
    return {
        key: Hidden(value.identity, value.user, value.seal) if isinstance(value, HiddenPart) else value
        for key, value in part.values.items()
    }


def _target(part: PlannedPart) -> TargetPlan:
    changes = (
        Change(
            change.address,
            _differences(change.differences),
            tuple(
                Edit(one.path, one.format, one.encoding, _values(one), one.expected, one.new, one.private, one.secret)
                for one in change.edits
            ),
        )
        for change in part.changes
    )
    return TargetPlan(part.name, part.office, tuple(_cell(cell) for cell in part.cells), tuple(changes), part.read)


def _cell(part: CellPart) -> Cell:
    return Cell(
        address=part.address,
        status=part.status,
        reason=part.reason,
        reason_code=part.reason_code,
        observed_at=part.observed_at,
        differences=_differences(part.differences),
        seconds=part.seconds,
        last_seen=Seen(part.last_seen.status, part.last_seen.at) if part.last_seen else None,
    )


def _differences(parts: tuple[DifferencePart, ...]) -> tuple[Difference, ...]:
    return tuple(
        Difference(one.setting, one.before, one.after, one.note, one.last_right, one.last_right_at, one.secret)
        for one in parts
    )
