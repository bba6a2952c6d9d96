"""The lock-out guard of one run: each Net-Entreprises account is tested once, from one place, and never in parallel.

Net-Entreprises locks an account after a few wrong passwords. So an attempt is in the history before it is sent, and
what the history holds against a password or an account (``history.accounts``) is never sent again, by any process.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from iea_fleet.engine import clock, owner
from iea_fleet.engine.load import Loaded
from iea_fleet.engine.reach import reaches, without_connection
from iea_fleet.engine.trust import TrustStore
from iea_fleet.errors import IeaFleetError, TransportError, UsageError
from iea_fleet.history import History
from iea_fleet.history.accounts import NEVER_AGAIN, Attempt, Question, last_verdict
from iea_fleet.model.account import Account, AccountVerdict, Answered
from iea_fleet.model.inventory import Identity, NetEntreprisesService, seconds
from iea_fleet.model.journal import Owner
from iea_fleet.secrets import Secrets
from iea_fleet.services.net_entreprises import NetEntreprises, answer_lost, not_reached, refuse_mix_up
from iea_fleet.transports.base import Reach, Session
from iea_fleet.transports.doorway import Doorway
from iea_fleet.transports.sessions import open_session

Way = Callable[[], AbstractContextManager[Session]]
"""Opens a session on the workstation from which accounts are tested. IeaFleetError when that cannot be done."""

FIRST_TIME: Final = (
    "this history remembers no test of a Net-Entreprises account: a password that was refused before cannot be told "
    "from a new one"
)
KNOWN_BAD: Final = NEVER_AGAIN | {Answered.LOCKED}
"""What keeps a password from being pushed even where nothing is to be tested."""

_LONGEST: Final = dt.timedelta(seconds=120)
"""No attempt takes longer, the way through a workstation included."""

_LOOK_AGAIN: Final = 0.2


@dataclass
class Accounts:
    """What Net-Entreprises says of the identities of one inventory, in one run. Serves all threads.

    ``way`` leads through the workstation that ``test_from`` names, None from here. Without ``testing`` nothing is
    sent. ``tell`` gets a sentence, before the first test on a history that remembers nothing. ``patience`` is seconds
    for another process that tests the same account.
    """

    history: History
    secrets: Secrets
    identities: Mapping[str, Identity]
    service: NetEntreprisesService
    run_id: str
    way: Way | None = None
    testing: bool = True
    tell: Callable[[str], None] = lambda _sentence: None
    patience: float = _LONGEST.total_seconds()
    _ourselves: Owner = field(init=False, repr=False)
    _told: bool = field(default=False, init=False, repr=False)
    _client: NetEntreprises | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _gates: dict[str, threading.Lock] = field(default_factory=dict, init=False, repr=False)
    # A session is for one thread at a time, and a workstation is not asked for 32 of them.
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _known: dict[tuple[str, str], AccountVerdict] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._ourselves = owner.ourselves(self.history.key.fingerprint)

    def verdict(self, identity: str) -> AccountVerdict:
        """What Net-Entreprises says of an identity; the first who asks has it tested, the others wait for that.

        SecretError when its password cannot be had or is none, UsageError for a service code of the other environment
        or a bad ``ca_file``, HistoryError when the test could not be remembered.
        """
        if not self.testing:
            reason = "the account is not tested: nothing is sent with --no-test"
            return self.last(identity) or AccountVerdict(Answered.UNAVAILABLE, reason, clock.now())
        account, password = self._credentials(identity)
        attempts = self.history.attempts
        key = attempts.account_mark(account), attempts.secret_mark(password)
        with self._gate(key[0]):
            if key not in self._known:
                self._known[key] = self._found_out(account, password, key)
            return self._known[key]

    def refusal(self, identity: str) -> AccountVerdict | None:
        """Why the password of an identity must not be pushed; None when it may be. Errors as in ``verdict``.

        Where nothing is tested it may be, unless the history knows it as refused, expired or undecided, or the account
        as locked.
        """
        verdict = self.verdict(identity) if self.testing else self.last(identity)
        if verdict is None or verdict.answered is Answered.ACCEPTED:
            return None
        return verdict if self.testing or verdict.answered in KNOWN_BAD else None

    def last(self, identity: str) -> AccountVerdict | None:
        """What the history knows of an identity with the password it has now; nothing is sent. SecretError."""
        account, password = self._credentials(identity)
        return last_verdict(self.past(account), self.history.attempts.secret_mark(password))

    def past(self, account: Account) -> tuple[Attempt, ...]:
        """The attempts for an account that are over, whatever the password, the oldest first."""
        attempts = self.history.attempts
        known = attempts.of(attempts.account_mark(account))
        return tuple(attempt for attempt in known if attempt.verdict is not None or not self._is_alive(attempt))

    def clear(self, identity: str, by: str) -> int:
        """Forget what is held against the account of an identity. How many attempts; UsageError while it is tested."""
        attempts = self.history.attempts
        return attempts.clear(attempts.account_mark(self.account(identity)), by, clock.now(), self._is_alive)

    def account(self, identity: str) -> Account:
        """The account of an identity, in the environment of the inventory."""
        one = self.identities[identity]
        return Account(one.siret, one.nom, one.prenom, one.service, self.service.environment)

    def _credentials(self, identity: str) -> tuple[Account, SecretStr]:
        return self.account(identity), self.secrets.password(self.identities[identity].password)

    def _gate(self, account: str) -> threading.Lock:
        with self._lock:
            return self._gates.setdefault(account, threading.Lock())

    def _found_out(self, account: Account, password: SecretStr, key: tuple[str, str]) -> AccountVerdict:
        """The one test of an account in this run, or what holds instead of it."""
        refuse_mix_up(account)
        client = self._opened()
        first_time = self.history.attempts.none_yet()
        recheck = dt.timedelta(seconds=seconds(self.service.recheck_accepted_after))
        question = Question(*key, self.run_id, self._ourselves, recheck)
        with self._turn if self.way else nullcontext():
            number = self._begun(question)
            if isinstance(number, AccountVerdict):
                return number
            # Whatever happens now, Ctrl-C included: it may have been sent.
            verdict = answer_lost()
            try:
                if first_time:
                    self._tell_first_time()
                verdict = self._asked(client, account, password)
            finally:
                self.history.attempts.end(number, verdict)
            return verdict

    def _begun(self, question: Question) -> int | AccountVerdict:
        """The number of an attempt that may be sent, or what holds instead; another process's test is waited for."""
        until = time.monotonic() + self.patience
        while isinstance(held := self.history.attempts.begin(question, clock.now(), self._is_alive), Attempt):
            if time.monotonic() > until:
                reason = f"run {held.run_id} of {held.owner} tests this account, and does not end; apply again later"
                return AccountVerdict(Answered.UNAVAILABLE, reason, clock.now())
            time.sleep(_LOOK_AGAIN)
        return held

    def _asked(self, client: NetEntreprises, account: Account, password: SecretStr) -> AccountVerdict:
        if self.way is None:
            return client.authenticate(account, password)
        with ExitStack() as stack:
            try:
                way = stack.enter_context(self.way()).way_out(client.deadline)
            except IeaFleetError as error:
                return not_reached(f"through {self.service.test_from}, which test_from names: {error}")
            return client.authenticate(account, password, way)

    def _opened(self) -> NetEntreprises:
        with self._lock:
            if self._client is None:
                self._client = NetEntreprises(self.service.ca_file, self.service.proxy)
            return self._client

    def _tell_first_time(self) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told:
            self.tell(FIRST_TIME)

    def _is_alive(self, attempt: Attempt) -> bool:
        """Whether somebody is at work on an attempt: asked only of one without a verdict."""
        if attempt.run_id == self.run_id:
            # Whoever asks holds the gate of its account: what this run began there, it has left behind.
            return False
        begun_by = attempt.owner
        if begun_by != self._ourselves and owner.is_this_controller(begun_by, self.history.key.fingerprint):
            return owner.runs(begun_by)
        return abs(clock.now() - attempt.asked_at) < _LONGEST


def way_of(loaded: Loaded, secrets: Secrets, state_dir: Path) -> Way | None:
    """The way that ``test_from`` of an inventory names; None from this machine."""
    name = loaded.net_entreprises_service.test_from
    if name == "controller":
        return None
    (target,) = (target for target in loaded.targets if target.name == name)
    if row := without_connection(target):
        return through(UsageError(f"{name} is to test accounts: {row.cells[0].reason}", "change test_from"))
    pinned = {one.name: one.host_keys for one in loaded.targets if one.host_keys}
    return through(reaches([target], secrets, pinned, TrustStore.of(state_dir, loaded.name).keys())[name])


def through(reach: Reach | IeaFleetError) -> Way:
    """The way through the workstation that is reached so; the error of one that cannot be, when it is gone."""

    @contextmanager
    def way() -> Iterator[Session]:
        if isinstance(reach, IeaFleetError):
            raise reach
        with Doorway(ahead=1) as doorway:
            for _, entrance in doorway.admit([reach]):
                if isinstance(entrance, TransportError):
                    raise entrance
                with open_session(reach, entrance, read_only=True) as session:
                    yield session

    return way
