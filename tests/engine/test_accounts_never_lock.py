"""Over any sequence of runs, crashes, restarts, names, new secrets and lost answers: no password is refused twice.

The portal is real TLS; what it saw is what counts. A crash is an attempt that is begun, perhaps sent, and never ended.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sqlite3
import ssl
import tempfile
import threading
import unicodedata
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from guarded_accounts import accounts_of, identity
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from portals import ACCEPTED, REFUSED, Portal, fields_of, http
from pydantic import SecretStr

from iea_fleet.engine import clock, owner
from iea_fleet.engine.accounts import Accounts
from iea_fleet.history import History
from iea_fleet.history.accounts import Question
from iea_fleet.model.account import AccountVerdict
from iea_fleet.model.inventory import Identity
from iea_fleet.services.net_entreprises import NetEntreprises

SIRETS = ("78334512700014", "78339088300016")
PASSWORDS = ("alpha-1", "bravo-2", "charlie-3")
NAMES = ("LEFÈVRE", "Lefèvre", unicodedata.normalize("NFD", "lefèvre"))
LOCKED_AFTER = 3
Passwords = tuple[str, ...]
"""The secret of each account, in their order."""

BOTH = st.tuples(*[st.sampled_from(PASSWORDS)] * len(SIRETS))
MOODS = st.sampled_from(["well", "well", "lost", "outage"])
SOME = st.sampled_from([(), (), SIRETS[:1], SIRETS[1:], SIRETS])
WHEN = st.sampled_from(["at once", "days later"])


class TruePortal:
    """Judges like the real one, keeps what a careful person would ask it for, and may answer late, badly or never."""

    def __init__(self) -> None:
        self.passwords = dict.fromkeys(SIRETS, PASSWORDS[0])
        self.locked: set[str] = set()
        self.refusals: dict[str, int] = defaultdict(int)
        self.refused: set[tuple[str, str]] = set()
        self.told_locked: set[str] = set()
        self.busy: set[str] = set()
        self.faults: list[str] = []
        self.mood = "well"
        self._lock = threading.Lock()

    def converse(self, request: bytes, stream: ssl.SSLSocket) -> None:
        form = fields_of(request)
        siret, password = form["siret"], form["motdepasse"]
        with self._lock:
            if siret in self.busy:
                self.faults.append(f"{siret} is asked about twice at a time")
            if (siret, password) in self.refused:
                self.faults.append(f"{siret} is asked again with {password}, which it refused")
            if siret in self.told_locked:
                self.faults.append(f"{siret} is asked about after it was said to be locked")
            self.busy.add(siret)
            mood = self.mood
            answer = http(503) if mood == "outage" else self._judged(siret, password)
            if answer.startswith(b"HTTP/1.1 403") and mood != "lost":
                self.told_locked.add(siret)
        threading.Event().wait(0.03)
        with self._lock:
            self.busy.discard(siret)
        if mood != "lost":
            stream.sendall(answer)

    def _judged(self, siret: str, password: str) -> bytes:
        if siret in self.locked:
            return http(403)
        if password == self.passwords[siret]:
            self.refusals[siret] = 0
            return ACCEPTED
        self.refused.add((siret, password))
        self.refusals[siret] += 1
        if self.refusals[siret] >= LOCKED_AFTER:
            self.locked.add(siret)
        return REFUSED

    def cleared(self, siret: str) -> None:
        """A person looked at the account, and takes what comes now on himself."""
        self.told_locked.discard(siret)
        self.refused = {one for one in self.refused if one[0] != siret}


class AnySequence(RuleBasedStateMachine):
    """One history, two accounts, and everything that may happen to them."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.true = TruePortal()
        self.portal = Portal(Path(self.folder.name), self.true.converse).__enter__()
        self.history = History.open(Path(self.folder.name) / "state")
        self.numbers = itertools.count()

    def teardown(self) -> None:
        if hasattr(self, "history"):
            self.history.close()
            self.portal.__exit__()
            self.folder.cleanup()

    def run_of(self, history: History, secrets: Passwords, names: list[str], recheck: str = "24h") -> Accounts:
        """A new run whose inventory calls each account by these names."""
        identities: dict[str, Identity] = {}
        variables = [f"PASSWORD_{next(self.numbers)}" for _ in SIRETS]
        for number, siret in enumerate(SIRETS):
            for nom in names:
                identities[f"{nom}-{number}"] = identity(variables[number], siret=siret, nom=nom)
        passwords = dict(zip(variables, secrets, strict=True))
        service = {"recheck_accepted_after": recheck}
        return accounts_of(history, self.portal, passwords, identities, service=service)

    def before_a_run(self, mood: str, locks: tuple[str, ...], when: str) -> None:
        """What people and the portal do between two runs."""
        self.true.mood = mood
        self.true.locked.update(locks)
        if when == "days later":
            # All that is remembered becomes two days older.
            older = [f"{name} = strftime('%Y-%m-%d %H:%M:%f', {name}, '-2 days')" for name in ("asked_at", "ended_at")]
            with closing(sqlite3.connect(self.history.path)) as database, database:
                database.execute(f"UPDATE attempts SET {', '.join(older)}")

    @rule(
        secrets=BOTH,
        mood=MOODS,
        locks=SOME,
        when=WHEN,
        names=st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
        recheck=st.sampled_from(["24h", "0s"]),
    )
    def a_run(
        self, secrets: Passwords, mood: str, locks: tuple[str, ...], when: str, names: list[str], recheck: str
    ) -> None:
        self.before_a_run(mood, locks, when)
        accounts = self.run_of(self.history, secrets, names, recheck)
        with ThreadPoolExecutor(4) as workers:
            verdicts = dict(zip(accounts.identities, workers.map(accounts.verdict, accounts.identities), strict=True))
        for number in range(len(SIRETS)):
            of_one = {verdict.answered for name, verdict in verdicts.items() if name.endswith(f"-{number}")}
            assert len(of_one) == 1

    @rule(secrets=BOTH, changed=BOTH, mood=MOODS, locks=SOME, when=WHEN, nom=st.sampled_from(NAMES))
    def two_runs_at_once(
        self, secrets: Passwords, changed: Passwords, mood: str, locks: tuple[str, ...], when: str, nom: str
    ) -> None:
        """The secrets may have been set anew between the two."""
        self.before_a_run(mood, locks, when)
        with History.open(self.history.path.parent) as other, ThreadPoolExecutor(4) as workers:
            runs = [self.run_of(self.history, secrets, [nom]), self.run_of(other, changed, [nom])]
            asked = [workers.submit(run.verdict, name) for run in runs for name in run.identities]
            assert all(isinstance(one.result(60), AccountVerdict) for one in asked)

    @rule(secrets=BOTH, number=st.sampled_from(range(len(SIRETS))), nom=st.sampled_from(NAMES), sent=st.booleans())
    def a_run_that_dies(self, secrets: Passwords, number: int, nom: str, sent: bool) -> None:
        accounts = self.run_of(self.history, secrets, [nom])
        account, password = accounts.account(f"{nom}-{number}"), SecretStr(secrets[number])
        attempts = self.history.attempts
        dead = replace(owner.ourselves(self.history.key.fingerprint), pid=1, process_start="long ago")
        marks = attempts.account_mark(account), attempts.secret_mark(password)
        question = Question(*marks, accounts.run_id, dead, dt.timedelta(days=1))
        if isinstance(attempts.begin(question, clock.now(), accounts._is_alive), int) and sent:
            told = set(self.true.told_locked)
            NetEntreprises(self.portal.ca_file, self.portal.proxy).authenticate(account, password)
            self.true.told_locked = told  # nobody was there any more to hear it

    @rule()
    def a_restart(self) -> None:
        path = self.history.path.parent
        self.history.close()
        self.history = History.open(path)

    @rule(siret=st.sampled_from(SIRETS), password=st.sampled_from(PASSWORDS))
    def somebody_changes_the_password_at_the_portal(self, siret: str, password: str) -> None:
        self.true.passwords[siret] = password

    @rule(number=st.sampled_from(range(len(SIRETS))), unlocks=st.booleans())
    def a_person_clears_the_account(self, number: int, unlocks: bool) -> None:
        siret = SIRETS[number]
        if unlocks:
            self.true.locked.discard(siret)
            self.true.refusals[siret] = 0
        self.run_of(self.history, PASSWORDS[:2], [NAMES[0]]).clear(f"{NAMES[0]}-{number}", "claire")
        self.true.cleared(siret)

    @invariant()
    def the_portal_saw_nothing_that_locks(self) -> None:
        if hasattr(self, "true"):
            assert self.true.faults == []


AnySequence.TestCase.settings = settings(max_examples=25, stateful_step_count=10, deadline=None)
test_any_sequence = AnySequence.TestCase
