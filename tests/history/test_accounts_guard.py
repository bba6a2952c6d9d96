"""What the history holds against an account and its passwords, attempt by attempt; and that nobody can take it back."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from kept_runs import DAY, NOW, run
from pydantic import SecretStr

from iea_fleet.errors import UsageError
from iea_fleet.history import History
from iea_fleet.history.accounts import Attempt, Question, last_verdict
from iea_fleet.model.account import Account, AccountVerdict, Answered
from iea_fleet.model.journal import Owner

ACCOUNT = Account("78334512700014", "Lefèvre", "Hélène", "97", "test")
CLAIRE = Owner("machine", "claire", "pc-claire", 4711, "boot/1")
HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)
NOTHING = ", NULL" * 5


class Guarded:
    """One account of one history, asked with passwords by short names, each time by a new run."""

    def __init__(self, history: History, account: Account = ACCOUNT) -> None:
        self.attempts = history.attempts
        self.mark = self.attempts.account_mark(account)
        self.now = NOW
        self.alive = False
        self._runs = 0

    def question(self, password: str, run_id: str = "") -> Question:
        self._runs += 1
        secret = self.attempts.secret_mark(SecretStr(password))
        return Question(self.mark, secret, run_id or f"run-{self._runs}", CLAIRE, DAY)

    def begin(self, password: str, run_id: str = "") -> int | AccountVerdict | Attempt:
        return self.attempts.begin(self.question(password, run_id), self.now, lambda _: self.alive)

    def told(self, password: str, answered: Answered, run_id: str = "") -> int:
        """A test that was sent and answered."""
        number = self.begin(password, run_id)
        assert isinstance(number, int), number
        self.attempts.end(number, AccountVerdict(answered, f"it is {answered}", self.now, fresh=True))
        return number

    def held(self, password: str) -> Answered | None:
        """What is held against a password now; None when it would be sent. Nothing stays of the question."""
        found = self.begin(password)
        if isinstance(found, AccountVerdict):
            assert not found.fresh
            return found.answered
        assert isinstance(found, int)
        self.attempts.end(found, AccountVerdict(Answered.UNAVAILABLE, "only asked", self.now - DAY))
        return None


@pytest.fixture
def guarded(tmp_path: Path):
    with History.open(tmp_path) as history:
        yield Guarded(history)


def test_a_new_history_remembers_nothing(tmp_path: Path):
    with History.open(tmp_path) as history:
        assert history.attempts.none_yet()
        guarded = Guarded(history)
        assert history.attempts.of(guarded.mark) == ()
        guarded.told("A", Answered.ACCEPTED)
        assert not history.attempts.none_yet()


@pytest.mark.parametrize("answered", [Answered.REFUSED, Answered.EXPIRED, Answered.UNDECIDED])
def test_what_was_refused_is_never_sent_again_whatever_came_between(guarded: Guarded, answered: Answered):
    guarded.told("A", answered)
    guarded.now += 400 * DAY
    assert guarded.held("A") is answered
    guarded.told("B", Answered.ACCEPTED)
    guarded.now += 2 * DAY
    assert guarded.held("A") is answered


def test_a_locked_account_stops_every_password_until_a_person_clears_it(guarded: Guarded):
    guarded.told("A", Answered.ACCEPTED)
    guarded.told("B", Answered.LOCKED)
    guarded.now += 400 * DAY
    for password in "ABC":
        assert guarded.held(password) is Answered.LOCKED
    assert guarded.attempts.clear(guarded.mark, "claire@pc-claire", guarded.now, lambda _: False) == 2
    for password in "ABC":
        assert guarded.held(password) is None
    assert guarded.attempts.of(guarded.mark)[-1].verdict.answered is Answered.UNAVAILABLE


def test_an_accepted_password_is_not_sent_again_for_a_day(guarded: Guarded):
    guarded.told("A", Answered.ACCEPTED)
    guarded.now += DAY - SECOND
    assert guarded.held("A") is Answered.ACCEPTED
    guarded.now += SECOND
    assert guarded.held("A") is None


def test_an_accepted_password_that_another_one_replaced_is_asked_about(guarded: Guarded):
    guarded.told("A", Answered.ACCEPTED)
    guarded.told("B", Answered.ACCEPTED)
    assert guarded.held("B") is Answered.ACCEPTED
    assert guarded.held("A") is None


def test_a_clock_that_was_wrong_does_not_keep_an_acceptance_alive(guarded: Guarded):
    guarded.told("A", Answered.ACCEPTED)
    # Another process kept its verdict after we looked at the clock.
    guarded.now -= SECOND
    assert guarded.held("A") is Answered.ACCEPTED
    guarded.now -= 30 * DAY
    assert guarded.held("A") is None


def test_a_registration_counts_from_the_next_day(guarded: Guarded):
    guarded.told("A", Answered.NOT_REGISTERED)
    guarded.now += 23 * HOUR
    assert guarded.held("A") is Answered.NOT_REGISTERED
    assert guarded.held("B") is None
    guarded.now += HOUR
    assert guarded.held("A") is None


@pytest.mark.parametrize("answered", [Answered.UNAVAILABLE, Answered.FORM, Answered.BLOCKED])
def test_what_was_not_judged_waits_longer_each_time_up_to_an_hour(guarded: Guarded, answered: Answered):
    for pause in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        guarded.told("A", answered)
        guarded.now += (pause - 1) * SECOND
        found = guarded.begin("A")
        assert isinstance(found, AccountVerdict)
        assert (found.answered, found.reason) == (answered, f"it is {answered}; tested again in 2 s at the earliest")
        assert guarded.held("B") is None
        guarded.now += SECOND
    guarded.told("A", Answered.ACCEPTED)
    guarded.now += DAY
    guarded.told("A", answered)
    guarded.now += 30 * SECOND
    assert guarded.held("A") is None


def test_a_run_tests_an_account_once(guarded: Guarded):
    guarded.told("A", Answered.UNAVAILABLE, "run")
    guarded.now += HOUR
    again = guarded.begin("A", "run")
    assert isinstance(again, AccountVerdict)
    assert again.answered is Answered.UNAVAILABLE
    other = guarded.begin("B", "run")
    assert isinstance(other, AccountVerdict)
    assert (other.answered, "another password" in other.reason) == (Answered.UNAVAILABLE, True)


def test_an_attempt_that_died_is_undecided_and_one_that_lives_is_waited_for(guarded: Guarded):
    number = guarded.begin("A")
    guarded.alive = True
    for password in "AB":
        waiting = guarded.begin(password)
        assert isinstance(waiting, Attempt)
        assert (waiting.number, waiting.owner) == (number, CLAIRE)
    with pytest.raises(UsageError, match="is testing this account right now"):
        guarded.attempts.clear(guarded.mark, "claire", guarded.now, lambda _: guarded.alive)
    guarded.alive = False
    died = guarded.begin("A")
    assert isinstance(died, AccountVerdict)
    assert (died.answered, died.at) == (Answered.UNDECIDED, NOW)
    assert "died before its answer was kept" in died.reason
    assert guarded.held("B") is None


def test_an_answer_that_comes_after_a_person_cleared_the_attempt_counts(guarded: Guarded):
    number = guarded.begin("A")
    assert isinstance(number, int)
    assert guarded.attempts.clear(guarded.mark, "claire", guarded.now, lambda _: False) == 1
    guarded.attempts.end(number, AccountVerdict(Answered.REFUSED, "refused", guarded.now))
    assert guarded.held("A") is Answered.REFUSED


def test_the_account_is_the_portals_not_the_inventorys(tmp_path: Path):
    with History.open(tmp_path) as history:
        mark = history.attempts.account_mark
        one = mark(ACCOUNT)
        assert mark(replace(ACCOUNT, service="94")) == one
        assert mark(replace(ACCOUNT, nom="LEFÈVRE", prenom="hélène")) == one
        assert mark(replace(ACCOUNT, nom="Lefe\u0300vre")) == one
        others = [
            replace(ACCOUNT, siret="78334512700022"),
            replace(ACCOUNT, nom="LEFEVRE"),
            replace(ACCOUNT, nom="Lefèvre Hélène", prenom=""),
            replace(ACCOUNT, environment="production", service="25"),
        ]
        assert len({one, *map(mark, others)}) == 5


def test_neither_account_nor_password_is_in_the_database(tmp_path: Path):
    with History.open(tmp_path) as history:
        Guarded(history).told("p4ssw0rd-CANARY", Answered.REFUSED)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for text in ("CANARY", "78334512700014", "Lefèvre", "Hélène", "LEFÈVRE", "lefèvre"):
        assert text.encode() not in kept


def test_the_last_verdict_is_that_of_the_password(guarded: Guarded):
    a, b = (guarded.attempts.secret_mark(SecretStr(password)) for password in "AB")
    assert last_verdict((), a) is None
    guarded.told("A", Answered.REFUSED)
    guarded.told("B", Answered.ACCEPTED)
    known = guarded.attempts.of(guarded.mark)
    for secret, answered in ((a, Answered.REFUSED), (b, Answered.ACCEPTED)):
        found = last_verdict(known, secret)
        assert found is not None
        assert found.answered is answered
    assert last_verdict(known, "another") is None


def test_of_two_histories_at_once_one_gets_the_attempt(tmp_path: Path):
    came: list[object] = []
    barrier = threading.Barrier(8)

    def ask(number: int) -> None:
        with History.open(tmp_path) as history:
            guarded = Guarded(history)
            guarded.alive = True
            question = guarded.question("A", f"run-{number}")
            barrier.wait(30)
            came.append(guarded.attempts.begin(question, NOW, lambda _: True))

    History.open(tmp_path).close()
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in came) == ["Attempt"] * 7 + ["int"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE attempts SET answered = 'accepted' WHERE number = 1", "record 3 (test 1 of an account) was changed"),
        ("UPDATE attempts SET cleared_at = asked_at WHERE number = 2", "(test 2 of an account) was changed"),
        ("DELETE FROM attempts WHERE number = 1", "(test 1 of an account) was removed"),
        (
            f"INSERT INTO attempts SELECT 9, account, secret, run_id, owner, asked_at{NOTHING} FROM attempts LIMIT 1",
            "test 9 of an account has no record",
        ),
    ],
)
def test_the_audit_finds_whoever_forgets_a_refusal_by_hand(tmp_path: Path, statement: str, said: str):
    with History.open(tmp_path) as history:
        history.begin(run())
        guarded = Guarded(history)
        guarded.told("A", Answered.REFUSED)
        guarded.begin("B")
        assert history.verify().broken == ""
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as database, database:
        assert database.execute(statement).rowcount == 1
    with History.open(tmp_path) as history:
        assert said in history.verify().broken


def test_pruning_runs_keeps_the_guard_and_a_chain_that_holds(tmp_path: Path):
    with History.open(tmp_path) as history:
        guarded = Guarded(history)
        history.begin(run("20260101-080000-0001"))
        guarded.told("A", Answered.REFUSED, "20260101-080000-0001")
        history.finish("20260101-080000-0001", NOW, 0)
        guarded.told("B", Answered.REFUSED, "a test of its own")
        assert history.prune(NOW + DAY, "claire").runs == 1
        assert history.verify().broken == ""
        assert history.prune(NOW + DAY, "claire").runs == 0
        history.begin(replace(run("20261122-080000-0002"), started_at=NOW))
        history.finish("20261122-080000-0002", NOW, 0)
        assert history.prune(NOW + DAY, "claire").runs == 1
        assert history.verify().broken == ""
        assert (guarded.held("A"), guarded.held("B")) == (Answered.REFUSED, Answered.REFUSED)
        guarded.attempts.clear(guarded.mark, "claire", NOW, lambda _: False)
        assert history.verify().broken == ""
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as database, database:
        assert database.execute("UPDATE attempts SET cleared_by = 'nobody' WHERE number = 1").rowcount == 1
    with History.open(tmp_path) as history:
        assert "test 1 of an account" in history.verify().broken
