"""Over any sequence of runs, crashes, restarts, names, new secrets and lost answers: no password is refused twice.

The portal is real TLS; what it saw is what counts. A crash is an attempt that is begun, perhaps sent, and never ended.
"""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
import threading
import unicodedata
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
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
PASSWORDS = ("alpha-1", "bravo-2", "charlie-3", "delta-4")
NAMES = ("LEFÈVRE", "Lefèvre", unicodedata.normalize("NFD", "lefèvre"))
LOCKED_AFTER = 3


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
        threading.Event().wait(0.01)
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
        self.secrets = dict.fromkeys(SIRETS, PASSWORDS[0])

    def teardown(self) -> None:
        if hasattr(self, "history"):
            self.history.close()
            self.portal.__exit__()
            self.folder.cleanup()

    def run_of(self, history: History, names: list[str], recheck: str = "24h") -> Accounts:
        """A new run whose inventory calls each account by these names."""
        identities: dict[str, Identity] = {}
        for number, siret in enumerate(SIRETS):
            for nom in names:
                identities[f"{nom}-{number}"] = identity(f"PASSWORD_{number}", siret=siret, nom=nom)
        passwords = {f"PASSWORD_{number}": self.secrets[siret] for number, siret in enumerate(SIRETS)}
        service = {"recheck_accepted_after": recheck}
        return accounts_of(history, self.portal, passwords, identities, service=service)

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=1, unique=True), recheck=st.sampled_from(["24h", "0s"]))
    def a_run(self, names: list[str], recheck: str) -> None:
        accounts = self.run_of(self.history, names, recheck)
        with ThreadPoolExecutor(4) as workers:
            verdicts = dict(zip(accounts.identities, workers.map(accounts.verdict, accounts.identities), strict=True))
        for number in range(len(SIRETS)):
            of_one = {verdict.answered for name, verdict in verdicts.items() if name.endswith(f"-{number}")}
            assert len(of_one) == 1

    @rule(nom=st.sampled_from(NAMES))
    def two_runs_at_once(self, nom: str) -> None:
        with History.open(self.history.path.parent) as other, ThreadPoolExecutor(4) as workers:
            runs = [self.run_of(history, [nom]) for history in (self.history, other)]
            asked = [workers.submit(run.verdict, name) for run in runs for name in run.identities]
            assert all(isinstance(one.result(60), AccountVerdict) for one in asked)

    @rule(siret=st.sampled_from(SIRETS), nom=st.sampled_from(NAMES), was_sent=st.booleans())
    def a_run_that_dies(self, siret: str, nom: str, was_sent: bool) -> None:
        accounts = self.run_of(self.history, [nom])
        account = accounts.account(f"{nom}-{SIRETS.index(siret)}")
        password = SecretStr(self.secrets[siret])
        attempts = self.history.attempts
        dead = replace(owner.ourselves(self.history.key.fingerprint), pid=1, process_start="long ago")
        marks = attempts.account_mark(account), attempts.secret_mark(password)
        question = Question(*marks, accounts.run_id, dead, dt.timedelta(days=1))
        if isinstance(attempts.begin(question, clock.now(), accounts._is_alive), int) and was_sent:
            told = set(self.true.told_locked)
            NetEntreprises(self.portal.ca_file, self.portal.proxy).authenticate(account, password)
            self.true.told_locked = told  # nobody was there any more to hear it

    @rule()
    def a_restart(self) -> None:
        path = self.history.path.parent
        self.history.close()
        self.history = History.open(path)

    @rule(siret=st.sampled_from(SIRETS), password=st.sampled_from(PASSWORDS))
    def somebody_sets_the_secret(self, siret: str, password: str) -> None:
        self.secrets[siret] = password

    @rule(siret=st.sampled_from(SIRETS), password=st.sampled_from(PASSWORDS))
    def somebody_changes_the_password_at_the_portal(self, siret: str, password: str) -> None:
        self.true.passwords[siret] = password

    @rule(mood=st.sampled_from(["well", "well", "lost", "outage"]))
    def the_portal_feels(self, mood: str) -> None:
        self.true.mood = mood

    @rule(siret=st.sampled_from(SIRETS))
    def somebody_locks_the_account(self, siret: str) -> None:
        self.true.locked.add(siret)

    @rule(siret=st.sampled_from(SIRETS), unlocks=st.booleans())
    def a_person_clears_the_account(self, siret: str, unlocks: bool) -> None:
        if unlocks:
            self.true.locked.discard(siret)
            self.true.refusals[siret] = 0
        accounts = self.run_of(self.history, [NAMES[0]])
        accounts.clear(f"{NAMES[0]}-{SIRETS.index(siret)}", "claire")
        self.true.cleared(siret)

    @invariant()
    def the_portal_saw_nothing_that_locks(self) -> None:
        if hasattr(self, "true"):
            assert self.true.faults == []
            assert self.history.verify().broken == ""


AnySequence.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
test_any_sequence = AnySequence.TestCase
