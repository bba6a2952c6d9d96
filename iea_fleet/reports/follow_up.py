"""What people still have to do after credentials were pushed: who logs in again, and where the old ones are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from rich.console import RenderableType
from rich.text import Text

from iea_fleet.model.account import AccountVerdict, Answered
from iea_fleet.model.matrix import Cell, Matrix, Status
from iea_fleet.reports.folding import folded
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import ago

_ACCOUNTS: Final = "net_entreprises."
_AS_ASKED: Final = frozenset({Status.CHANGED, Status.IN_SYNC, Status.WARN})


class UserThere(NamedTuple):
    """One IEA user of one workstation, and the status of its account."""

    workstation: str
    user: str
    status: Status


def log_in_again(matrix: Matrix) -> tuple[UserThere, ...]:
    """The users whose account was written in this run: it takes effect when they log in to IEA again (fiche)."""
    return tuple(
        there
        for there, cell in _accounts(matrix)
        if there.status is Status.CHANGED and any(one.after is not None for one in cell.differences)
    )


def old_credentials(matrix: Matrix) -> tuple[UserThere, ...]:
    """The users whose account is not, or not known to be, as the files ask."""
    return tuple(there for there, _ in _accounts(matrix) if there.status not in _AS_ASKED)


def follow_up(matrix: Matrix) -> Iterator[RenderableType]:
    """Both in words; nothing where nothing was written."""
    written = log_in_again(matrix)
    if not written:
        return
    yield from _said("Log in to IEA again for the new credentials to take effect: ", written)
    if left := old_credentials(matrix):
        yield from _said("Still with the old credentials: ", left)


def accounts_said(accounts: Mapping[str, AccountVerdict | None], now: dt.datetime) -> Iterator[RenderableType]:
    """What Net-Entreprises last said of each identity, and when; nobody was asked for this."""
    if accounts:
        yield Text("")
        yield Text("What Net-Entreprises last said of the accounts:", style="bold")
    for identity, verdict in accounts.items():
        if verdict is None:
            yield Indented(Text(f"{printable(identity)}: not tested yet"), 2)
        else:
            words = f"{printable(identity)}: {verdict.answered.replace('_', ' ')}, {ago(verdict.at, now)}"
            told = "" if verdict.answered is Answered.ACCEPTED else f": {printable(verdict.reason)}"
            yield Indented(Text(words + told), 2)


def _said(what: str, there: tuple[UserThere, ...]) -> Iterator[RenderableType]:
    """Users of the same workstations together."""
    of_user: dict[str, list[str]] = {}
    for one in there:
        of_user.setdefault(one.user, []).append(one.workstation)
    alike: dict[tuple[str, ...], list[str]] = {}
    for user, workstations in of_user.items():
        alike.setdefault(tuple(workstations), []).append(user)
    parts = (
        f"{', '.join(printable(user) for user in users)} on {folded(workstations)}"
        for workstations, users in alike.items()
    )
    yield Indented(Text.assemble((what, "bold"), "; ".join(parts)))


def _accounts(matrix: Matrix) -> Iterator[tuple[UserThere, Cell]]:
    for row in matrix.rows:
        for cell in row.cells:
            if cell.address.startswith(_ACCOUNTS):
                yield UserThere(row.workstation, cell.address.removeprefix(_ACCOUNTS), cell.status), cell
