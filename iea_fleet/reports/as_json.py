"""A run and its matrix as one JSON document, the same shape for plan, apply, drift and status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, PlainSerializer, TypeAdapter

from iea_fleet.model.account import AccountVerdict, Answered
from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Cell, Difference, Matrix, Row, Seen, Status
from iea_fleet.model.run import Command, Run
from iea_fleet.reports.follow_up import log_in_again, old_credentials
from iea_fleet.reports.safe import whole

SCHEMA: Final = "iea-fleet/run/1"


def _in_utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


Moment = Annotated[
    dt.datetime,
    PlainSerializer(_in_utc, return_type=str),
    Field(json_schema_extra={"type": "string", "format": "date-time", "pattern": "Z$"}),
]
"""ISO 8601 in UTC, ending in Z."""

_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class RunPart:
    """One execution of a command."""

    __pydantic_config__ = _CLOSED

    id: str
    """Sorts by time; what `iea-fleet show` takes."""
    command: Command
    inventory: str
    """The name of the inventory."""
    playbook: str
    started_at: Moment
    ended_at: Moment | None
    """Null while the run goes on, and for ever when it was killed."""
    user: str
    host: str
    exit_code: int | None
    selected: int
    """How many workstations the run was for."""
    files: dict[str, str]
    """Each file that was read, and its digest."""
    git_commit: str | None
    """The commit of the repository in which the inventory stands; null when it stands in none."""
    continues: str | None
    """The run that this one carried on."""


@dataclass(frozen=True, slots=True)
class DifferencePart:
    """One setting that is not as the files ask, or was not before it was changed."""

    __pydantic_config__ = _CLOSED

    setting: str
    before: Scalar
    """What is there; null when it is absent."""
    after: Scalar
    """What the files ask."""
    note: str
    """A known leftover in words."""
    last_right: Scalar
    """What iea-fleet last wrote or saw right."""
    last_right_at: Moment | None
    secret: bool = False
    """Whether the values are marks of secrets: equal marks are equal secrets, and nothing else can be told."""


@dataclass(frozen=True, slots=True)
class SeenPart:
    """What an address was when it could last be looked at."""

    __pydantic_config__ = _CLOSED

    status: Status
    at: Moment


@dataclass(frozen=True, slots=True)
class CellPart:
    """What is known of one address of one workstation."""

    __pydantic_config__ = _CLOSED

    address: str
    """A resource (`server_connection`) or a part of a probe (`servers.update_url`)."""
    status: Status
    reason: str
    """A sentence for people."""
    reason_code: str
    """Stays the same between releases."""
    observed_at: Moment | None
    """When this status was found."""
    differences: tuple[DifferencePart, ...]
    seconds: float | None
    """How long a server took to answer."""
    last_seen: SeenPart | None
    """From the history, where the status says nothing about what is there."""


@dataclass(frozen=True, slots=True)
class WorkstationPart:
    """One workstation, with the status and the reason of its worst cell."""

    __pydantic_config__ = _CLOSED

    name: str
    office: str
    status: Status
    reason: str
    reason_code: str
    wave: int | None
    """The number of the wave it was pushed in, in `show`; null where there are no waves."""
    cells: tuple[CellPart, ...]


@dataclass(frozen=True, slots=True)
class UserPart:
    """One IEA user of one workstation, and the status of its Net-Entreprises account."""

    __pydantic_config__ = _CLOSED

    workstation: str
    user: str
    status: Status


@dataclass(frozen=True, slots=True)
class FollowUpPart:
    """What people still have to do about Net-Entreprises accounts."""

    __pydantic_config__ = _CLOSED

    log_in_again: tuple[UserPart, ...]
    """Whose credentials were written in this run; they take effect when the user logs in to IEA again."""
    old_credentials: tuple[UserPart, ...]
    """Whose credentials are not, or not known to be, as the files ask."""


@dataclass(frozen=True, slots=True)
class AccountPart:
    """What Net-Entreprises last said of one identity, with the password it has now."""

    __pydantic_config__ = _CLOSED

    identity: str
    answered: Answered | None
    """Null when it was never tested on this history."""
    reason: str
    at: Moment | None
    fresh: bool
    """Whether it was asked in this run."""


@dataclass(frozen=True, slots=True)
class RunDocument:
    """What happened in one run of iea-fleet, or what it found."""

    __pydantic_config__ = _CLOSED

    schema: Literal["iea-fleet/run/1"]
    run: RunPart
    summary: dict[Status, int]
    """How many workstations have each status; statuses of nobody are left out."""
    workstations: tuple[WorkstationPart, ...]
    follow_up: FollowUpPart
    accounts: tuple[AccountPart, ...]
    """What Net-Entreprises last said of the identities that these workstations are to have; nothing in `show`."""


def document(
    run: Run,
    matrix: Matrix,
    waves: Mapping[str, int] | None = None,
    accounts: Mapping[str, AccountVerdict | None] | None = None,
) -> dict[str, Any]:
    """The document of a run, ready for ``json.dumps``. Workstations stand in the order of the matrix.

    ``waves`` is the number of the wave of each workstation, ``accounts`` the last verdict on each identity.
    """
    filled = RunDocument(
        schema=SCHEMA,
        run=run_part(run),
        summary=matrix.summary(),
        workstations=tuple(_workstation(row, (waves or {}).get(row.workstation)) for row in matrix.rows),
        follow_up=FollowUpPart(
            tuple(UserPart(*there) for there in log_in_again(matrix)),
            tuple(UserPart(*there) for there in old_credentials(matrix)),
        ),
        accounts=tuple(_account(name, verdict) for name, verdict in (accounts or {}).items()),
    )
    written: dict[str, Any] = _adapter().dump_python(filled, mode="json")
    return written


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``document``."""
    return titled(_adapter().json_schema(mode="serialization"), "run")


def titled(generated: dict[str, Any], name: str) -> dict[str, Any]:
    """A generated schema with what tells it from others."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:iea-fleet:schema:{name}:1",
        **generated,
        "title": f"iea-fleet: {name}",
    }


@cache
def _adapter() -> TypeAdapter[RunDocument]:
    return TypeAdapter(RunDocument)


def run_part(run: Run) -> RunPart:
    """A run as it stands in documents."""
    return RunPart(
        id=run.id,
        command=run.command,
        inventory=run.inventory,
        playbook=run.playbook,
        started_at=run.started_at,
        ended_at=run.ended_at,
        user=str(whole(run.user)),
        host=str(whole(run.host)),
        exit_code=run.exit_code,
        selected=run.selected,
        files={str(whole(path)): digest for path, digest in run.files.items()},
        git_commit=run.git_commit,
        continues=run.continues,
    )


def _workstation(row: Row, wave: int | None) -> WorkstationPart:
    worst = row.worst_cell
    return WorkstationPart(
        name=row.workstation,
        office=row.office,
        status=row.status,
        reason=str(whole(worst.reason)) if worst else "",
        reason_code=worst.reason_code if worst else "",
        wave=wave,
        cells=tuple(cell_part(cell) for cell in row.cells),
    )


def cell_part(cell: Cell) -> CellPart:
    """A cell as it stands in documents."""
    return CellPart(
        address=cell.address,
        status=cell.status,
        reason=str(whole(cell.reason)),
        reason_code=cell.reason_code,
        observed_at=cell.observed_at,
        differences=tuple(difference_part(difference) for difference in cell.differences),
        seconds=cell.seconds,
        last_seen=_seen(cell.last_seen) if cell.last_seen else None,
    )


def difference_part(difference: Difference) -> DifferencePart:
    """A difference as it stands in documents."""
    return DifferencePart(
        setting=difference.setting,
        before=whole(difference.before),
        after=whole(difference.after),
        note=difference.note,
        last_right=whole(difference.last_right),
        last_right_at=difference.last_right_at,
        secret=difference.secret,
    )


def _account(identity: str, verdict: AccountVerdict | None) -> AccountPart:
    if verdict is None:
        return AccountPart(identity, None, "", None, fresh=False)
    return AccountPart(identity, verdict.answered, verdict.reason, verdict.at, verdict.fresh)


def _seen(seen: Seen) -> SeenPart:
    return SeenPart(status=seen.status, at=seen.at)
