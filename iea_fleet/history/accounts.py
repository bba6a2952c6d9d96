"""The memory of the lock-out guard: every test of a Net-Entreprises account, on disk before it is sent.

Net-Entreprises locks an account after a few wrong passwords, so what was refused, or may have been, is not tried again.
Accounts and passwords are kept as marks by the history's key: the database names neither.
"""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.engine import RowMapping

from iea_fleet.errors import UsageError
from iea_fleet.history import chain, schema
from iea_fleet.history.codec import storable
from iea_fleet.history.key import HistoryKey
from iea_fleet.history.writer import Writer
from iea_fleet.model.account import Account, AccountVerdict, Answered
from iea_fleet.model.journal import Owner

NEVER_AGAIN: Final = frozenset({Answered.REFUSED, Answered.EXPIRED, Answered.UNDECIDED})
"""What a password was told once: it is not tried again for that account until it changes or a person clears it."""

_REGISTERED_AFTER: Final = dt.timedelta(hours=24)
"""A registration for the DSN counts from the next day (guide of the DSN API)."""

_NOT_JUDGED: Final = frozenset({Answered.UNAVAILABLE, Answered.FORM, Answered.BLOCKED})
_FIRST_PAUSE: Final = dt.timedelta(seconds=30)
_LONGEST_PAUSE: Final = dt.timedelta(hours=1)
_CLOCKS_DIFFER: Final = dt.timedelta(minutes=5)
"""A verdict may be this much younger than now: another process kept it while we waited for our turn to write."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One test of an account with the password of the mark ``secret``; without a verdict it goes on, or died."""

    number: int
    secret: str
    run_id: str
    owner: Owner
    asked_at: dt.datetime
    verdict: AccountVerdict | None = None

    @property
    def outcome(self) -> AccountVerdict:
        """The verdict; of a test that died nobody knows what was sent."""
        if self.verdict is not None:
            return self.verdict
        reason = (
            f"a test in run {self.run_id} by {self.owner} died before its answer was kept; this password is not tried "
            "again: log in once at net-entreprises.fr, then change the secret or clear the account"
        )
        return AccountVerdict(Answered.UNDECIDED, reason, self.asked_at)


IsAlive = Callable[[Attempt], bool]
"""Whether the process that began an attempt without a verdict still is at work on it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One password of one account, by their marks, and the run of this process that wants to know."""

    account: str
    secret: str
    run_id: str
    owner: Owner
    recheck_accepted_after: dt.timedelta


def last_verdict(known: Sequence[Attempt], secret: str) -> AccountVerdict | None:
    """What is known of a password of an account, from the attempts that are over. None when it was never tested."""
    here = [attempt for attempt in known if attempt.secret == secret]
    return _stopped(known, secret) or (here[-1].outcome if here else None)


def standing(
    known: Sequence[Attempt], question: Question, now: dt.datetime, is_alive: IsAlive
) -> AccountVerdict | Attempt | None:
    """What holds before a test: the verdict to go by, the attempt to wait for, or None: the password may be tested."""
    alive = [attempt for attempt in known if attempt.verdict is None and is_alive(attempt)]
    over = [attempt for attempt in known if attempt not in alive]
    if stopped := _stopped(over, question.secret):
        return stopped
    if alive:
        return alive[-1]
    of_this_run = [attempt for attempt in over if attempt.run_id == question.run_id]
    if of_this_run:
        latest = of_this_run[-1]
        return latest.outcome if latest.secret == question.secret else _with_another_password(now)
    return _still_good(over, question, now)


def _stopped(over: Iterable[Attempt], secret: str) -> AccountVerdict | None:
    """The verdict for which this password must not be sent, whatever else is known."""
    outcomes = [(attempt.secret, attempt.outcome) for attempt in over]
    locked = [outcome for _, outcome in outcomes if outcome.answered is Answered.LOCKED]
    told = [outcome for of, outcome in outcomes if of == secret and outcome.answered in NEVER_AGAIN]
    stopping = locked or told
    return stopping[-1] if stopping else None


def _still_good(over: Sequence[Attempt], question: Question, now: dt.datetime) -> AccountVerdict | None:
    """The last verdict on this password, while it is too early to ask again."""
    here = [attempt for attempt in over if attempt.secret == question.secret]
    if not here:
        return None
    last = here[-1].outcome
    if last.answered is Answered.ACCEPTED:
        since = over[over.index(here[-1]) + 1 :]
        replaced = any(attempt.outcome.answered is Answered.ACCEPTED for attempt in since)
        wait = dt.timedelta(0) if replaced else question.recheck_accepted_after
    elif last.answered is Answered.NOT_REGISTERED:
        wait = _REGISTERED_AFTER
    else:
        in_a_row = sum(1 for _ in takewhile(lambda one: one.outcome.answered in _NOT_JUDGED, reversed(here)))
        wait = min(_FIRST_PAUSE * 2 ** min(in_a_row - 1, 10), _LONGEST_PAUSE)
    age = now - last.at
    # A verdict from further in the future was kept before the clock was put right.
    if not -_CLOCKS_DIFFER <= age < wait:
        return None
    if last.answered is Answered.ACCEPTED:
        return last
    return replace(last, reason=f"{last.reason}; tested again in {_rounded(wait - age)} at the earliest")


def _with_another_password(now: dt.datetime) -> AccountVerdict:
    reason = (
        "this account was tested in this run with another password, and is tested once a run; "
        "give all identities of one account the same password"
    )
    return AccountVerdict(Answered.UNAVAILABLE, reason, now)


def _rounded(left: dt.timedelta) -> str:
    seconds = int(left.total_seconds()) + 1
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


class Attempts:
    """The attempts of one history, in their order. Its methods may be called from any thread.

    HistoryError when the database cannot be read or written.
    """

    def __init__(
        self,
        key: HistoryKey,
        reading: Callable[[], AbstractContextManager[Connection]],
        writer: Writer,
        links: chain.Chain,
    ) -> None:
        self._key = key
        self._reading = reading
        self._writer = writer
        self._links = links

    def account_mark(self, account: Account) -> str:
        """An account as the portal tells it from others; neither its name in an inventory nor the service counts."""
        names = [unicodedata.normalize("NFC", name).casefold() for name in (account.nom, account.prenom)]
        said = json.dumps([account.siret, *names, account.environment])
        return "hmac-sha256:" + self._key.sign(b"iea-fleet account\0" + said.encode())

    def secret_mark(self, password: SecretStr) -> str:
        """A password, to tell it from another one."""
        return self._key.mark(password)

    def none_yet(self) -> bool:
        """Whether nothing is remembered at all, as on a new history."""
        with self._reading() as connection:
            return connection.scalar(select(func.max(schema.attempts.c.number))) is None

    def of(self, account: str) -> tuple[Attempt, ...]:
        """The attempts for the account of this mark, the oldest first, without those that a person cleared."""
        with self._reading() as connection:
            return _of(connection, account)

    def begin(self, question: Question, now: dt.datetime, is_alive: IsAlive) -> int | AccountVerdict | Attempt:
        """The number of a new attempt, which is on disk and may be sent; or what holds instead (see ``standing``).

        Both are decided in one transaction: of two processes one gets a number.
        """
        came: list[int | AccountVerdict | Attempt] = []

        def work(connection: Connection) -> None:
            held = standing(_of(connection, question.account), question, now, is_alive)
            if held is not None:
                came.append(held)
                return
            number = (connection.scalar(select(func.max(schema.attempts.c.number))) or 0) + 1
            row = _begun(number, question, now)
            connection.execute(insert(schema.attempts), row)
            self._links.add(connection, [chain.attempt(row)])
            came.append(number)

        self._writer.write(work)
        return came[-1]

    def end(self, number: int, verdict: AccountVerdict) -> None:
        """Keep what came of an attempt. Had a person cleared it meanwhile as dead, the answer is newer, and counts."""
        said = {"answered": verdict.answered.value, "reason": storable(verdict.reason), "ended_at": verdict.at}
        self._change([number], {**said, "cleared_at": None, "cleared_by": None})

    def clear(self, account: str, by: str, now: dt.datetime, is_alive: IsAlive) -> int:
        """Forget what is held against an account, for a person who has looked; the records stay. How many there were.

        UsageError while another process tests it.
        """
        known = self.of(account)
        for attempt in known:
            if attempt.verdict is None and is_alive(attempt):
                raise UsageError(
                    f"run {attempt.run_id} of {attempt.owner} is testing this account right now",
                    "wait for its verdict, then look again",
                    code="account_being_tested",
                )
        self._change([attempt.number for attempt in known], {"cleared_at": now, "cleared_by": storable(by)})
        return len(known)

    def _change(self, numbers: Sequence[int], values: dict[str, Any]) -> None:
        table = schema.attempts
        wanted = table.c.number.in_(numbers)

        def work(connection: Connection) -> None:
            connection.execute(update(table).where(wanted).values(values))
            changed = connection.execute(select(table).where(wanted).order_by(table.c.number)).mappings()
            self._links.add(connection, [chain.attempt(dict(row)) for row in changed])

        self._writer.write(work)


def _of(connection: Connection, account: str) -> tuple[Attempt, ...]:
    table = schema.attempts
    wanted = select(table).where(table.c.account == account, table.c.cleared_at.is_(None)).order_by(table.c.number)
    return tuple(map(_as_attempt, connection.execute(wanted).mappings()))


def _begun(number: int, question: Question, now: dt.datetime) -> dict[str, Any]:
    return {
        "number": number,
        "account": question.account,
        "secret": question.secret,
        "run_id": question.run_id,
        "owner": asdict(question.owner),
        "asked_at": now,
    }


def _as_attempt(found: RowMapping) -> Attempt:
    verdict = None
    if found["answered"] is not None:
        verdict = AccountVerdict(Answered(found["answered"]), found["reason"], found["ended_at"])
    return Attempt(
        found["number"], found["secret"], found["run_id"], Owner(**found["owner"]), found["asked_at"], verdict
    )
