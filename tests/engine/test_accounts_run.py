"""The guard in runs: against a portal over real TLS, from many threads, and with other processes beside and before."""

from __future__ import annotations

import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from guarded_accounts import accounts_of, identity
from portals import ACCEPTED, REFUSED, Portal, fields_of, http, saying
from sshd import Sshd

from iea_fleet.engine.accounts import FIRST_TIME, through
from iea_fleet.errors import OfflineError, SecretError, UsageError
from iea_fleet.history import History
from iea_fleet.model.account import AccountVerdict, Answered

ONE = {"one": identity("ONE")}
PROCESS = Path(__file__).with_name("one_test_of_an_account.py")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History.open(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    with Portal(tmp_path, saying(ACCEPTED)) as opened:
        yield opened


def started(portal: Portal, history: History, password: str) -> subprocess.Popen[str]:
    """Another process that tests the account."""
    command = [sys.executable, str(PROCESS), str(history.path.parent), portal.proxy, portal.ca_file, password]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(verdict: AccountVerdict | None) -> tuple[Answered, bool]:
    assert verdict is not None
    return verdict.answered, verdict.fresh


def test_32_workers_and_two_names_are_one_request(history: History, portal: Portal):
    portal.converse = lambda _request, stream: (threading.Event().wait(0.3), stream.sendall(ACCEPTED))[1]
    names = {"one": identity("ONE"), "same": identity("ONE", nom="lefèvre"), "too": identity("TOO", service="94")}
    accounts = accounts_of(history, portal, {"ONE": "right", "TOO": "right"}, names)
    with ThreadPoolExecutor(32) as workers:
        verdicts = list(workers.map(accounts.verdict, list(names) * 11))
    assert {said(verdict) for verdict in verdicts} == {(Answered.ACCEPTED, True)}
    assert len(portal.requests) == 1


def test_different_accounts_are_tested_side_by_side(history: History, portal: Portal):
    both = threading.Barrier(2, timeout=20)
    portal.converse = lambda _request, stream: (both.wait(), stream.sendall(ACCEPTED))[1]
    names = {"one": identity("ONE"), "two": identity("ONE", siret="78339088300016")}
    accounts = accounts_of(history, portal, {"ONE": "right"}, names)
    with ThreadPoolExecutor(2) as workers:
        assert {said(one) for one in workers.map(accounts.verdict, names)} == {(Answered.ACCEPTED, True)}


def test_an_account_with_two_passwords_is_tested_once_a_run(history: History, portal: Portal):
    names = {"one": identity("ONE"), "two": identity("TWO")}
    accounts = accounts_of(history, portal, {"ONE": "right", "TWO": "wrong"}, names)
    assert accounts.verdict("one").answered is Answered.ACCEPTED
    other = accounts.verdict("two")
    assert (other.answered, "another password" in other.reason) == (Answered.UNAVAILABLE, True)
    assert len(portal.requests) == 1


def test_later_runs_remember(history: History, portal: Portal):
    portal.converse = saying(REFUSED)
    assert said(accounts_of(history, portal, {"ONE": "wrong"}, ONE).verdict("one")) == (Answered.REFUSED, True)
    portal.converse = saying(ACCEPTED)
    later = accounts_of(history, portal, {"ONE": "wrong"}, {"renamed": identity("ONE")})
    assert said(later.verdict("renamed")) == (Answered.REFUSED, False)
    assert later.refusal("renamed") == later.last("renamed") == later.verdict("renamed")
    right = accounts_of(history, portal, {"ONE": "right"}, ONE)
    assert right.last("one") is None
    assert right.refusal("one") is None
    assert said(right.last("one")) == (Answered.ACCEPTED, False)
    assert said(accounts_of(history, portal, {"ONE": "wrong"}, ONE).verdict("one")) == (Answered.REFUSED, False)
    assert said(accounts_of(history, portal, {"ONE": "right"}, ONE).verdict("one")) == (Answered.ACCEPTED, False)
    always = {"recheck_accepted_after": "0s"}
    assert said(accounts_of(history, portal, {"ONE": "right"}, ONE, service=always).verdict("one"))[1]
    assert [fields_of(request)["motdepasse"] for request in portal.requests] == ["wrong", "right", "right"]


def test_the_first_test_of_all_is_announced_once(history: History, portal: Portal):
    told: list[str] = []
    names = {"one": identity("ONE"), "two": identity("ONE", siret="78339088300016")}
    first = accounts_of(history, portal, {"ONE": "right"}, names, tell=told.append)
    first.verdict("one")
    first.verdict("two")
    accounts_of(history, portal, {"ONE": "new"}, names, tell=told.append).verdict("one")
    assert told == [FIRST_TIME]


def test_without_testing_nothing_is_sent_and_what_is_known_bad_is_still_not_pushed(history: History, portal: Portal):
    untested = accounts_of(history, portal, {"ONE": "secret"}, ONE, testing=False)
    assert untested.refusal("one") is None
    assert untested.verdict("one").answered is Answered.UNAVAILABLE
    assert "--no-test" in untested.verdict("one").reason
    assert portal.ways == []
    for answer, bad in ((http(503), False), (REFUSED, True), (http(403), True)):
        portal.converse = saying(answer)
        password = {"ONE": f"secret {answer[9:12].decode()}"}
        accounts_of(history, portal, password, ONE).verdict("one")
        refusal = accounts_of(history, portal, password, ONE, testing=False).refusal("one")
        assert (refusal is not None) is bad
    assert accounts_of(history, portal, {"ONE": "fresh"}, ONE, testing=False).refusal("one") is not None


def test_what_keeps_a_test_from_being_made_is_told_and_nothing_is_remembered(history: History, portal: Portal):
    with pytest.raises(SecretError, match="has a line end at place 7"):
        accounts_of(history, portal, {"ONE": "secret\n"}, ONE).verdict("one")
    with pytest.raises(SecretError, match="31 characters"):
        accounts_of(history, portal, {"ONE": "x" * 31}, ONE).verdict("one")
    with pytest.raises(SecretError, match="not listed"):
        accounts_of(history, portal, {"TWO": "x"}, ONE).verdict("one")
    with pytest.raises(UsageError, match="`25`"):
        accounts_of(history, portal, {"ONE": "x"}, {"one": identity("ONE", service="25")}).verdict("one")
    with pytest.raises(UsageError, match="holds no certificates"):
        accounts_of(history, portal, {"ONE": "x"}, ONE, service={"ca_file": "/nowhere/ca.pem"}).verdict("one")
    assert portal.ways == []
    assert history.attempts.none_yet()


def test_a_run_that_was_killed_leaves_its_password_undecided(history: History, portal: Portal):
    def killing(_request: bytes, stream: ssl.SSLSocket) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()
        stream.sendall(ACCEPTED)

    portal.converse = killing
    with started(portal, history, "secret") as process:
        process.wait(60)
    assert process.returncode == -signal.SIGKILL
    portal.converse = saying(ACCEPTED)
    dead = accounts_of(history, portal, {"ONE": "secret"}, ONE)
    assert said(dead.verdict("one")) == (Answered.UNDECIDED, False)
    assert "died before its answer was kept" in dead.verdict("one").reason
    assert len(portal.requests) == 1
    assert accounts_of(history, portal, {"ONE": "changed"}, ONE).refusal("one") is None
    assert dead.clear("one", "claire") == 2
    assert accounts_of(history, portal, {"ONE": "secret"}, ONE).refusal("one") is None


def test_of_two_processes_one_tests_and_the_other_waits_for_its_verdict(history: History, portal: Portal):
    begun, go_on = threading.Event(), threading.Event()

    def slow(_request: bytes, stream: ssl.SSLSocket) -> None:
        begun.set()
        go_on.wait(30)
        stream.sendall(ACCEPTED)

    portal.converse = slow
    with started(portal, history, "secret") as process, ThreadPoolExecutor(2) as workers:
        assert begun.wait(60)
        hasty = accounts_of(history, portal, {"ONE": "secret"}, ONE, patience=0.5)
        assert "does not end" in hasty.verdict("one").reason
        with pytest.raises(UsageError, match="is testing this account right now"):
            hasty.clear("one", "claire")
        waiting = workers.submit(accounts_of(history, portal, {"ONE": "secret"}, ONE).verdict, "one")
        assert not waiting.done()
        go_on.set()
        assert said(waiting.result(30)) == (Answered.ACCEPTED, False)
        assert process.stdout is not None
        assert process.stdout.read() == "accepted True\n"
    assert len(portal.requests) == 1


def test_a_surprise_in_a_test_counts_as_sent(history: History, portal: Portal):
    def broken() -> None:
        raise KeyboardInterrupt

    accounts = accounts_of(history, portal, {"ONE": "secret"}, ONE, way=broken)
    with pytest.raises(KeyboardInterrupt):
        accounts.verdict("one")
    assert said(accounts.last("one")) == (Answered.UNDECIDED, False)


def test_from_a_workstation_and_when_it_is_away(tmp_path: Path, history: History, portal: Portal):
    away = through(OfflineError("nancy-01 does not answer", "switch it on"))
    accounts = accounts_of(history, portal, {"ONE": "secret"}, ONE, way=away)
    verdict = accounts.verdict("one")
    assert (verdict.answered, "nancy-01 does not answer" in verdict.reason) == (Answered.UNAVAILABLE, True)
    assert portal.ways == []
    with Sshd(tmp_path / "sshd", PermitOpen=portal.proxy.removeprefix("http://")) as server:
        names = {f"n{number}": identity("ONE", siret=f"7833451270000{number}") for number in range(3)}
        accounts = accounts_of(history, portal, {"ONE": "secret"}, names, way=through(server.reach("nancy-01")))
        with ThreadPoolExecutor(3) as workers:
            assert {said(one) for one in workers.map(accounts.verdict, names)} == {(Answered.ACCEPTED, True)}
    assert portal.at_once == 1
