"""The identities of an inventory by themselves: what is known of their accounts, testing them, clearing them."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from iea_fleet.core.faults import nearest
from iea_fleet.engine import clock
from iea_fleet.engine.accounts import Accounts, way_of
from iea_fleet.engine.load import Loaded, load
from iea_fleet.engine.options import Options
from iea_fleet.errors import SecretError, UsageError
from iea_fleet.history import History, new_run_id
from iea_fleet.model.account import AccountVerdict, Answered, KnownIdentity
from iea_fleet.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Identities:
    """The identities of one inventory, with the history open. A context manager."""

    loaded: Loaded
    history: History
    accounts: Accounts

    @classmethod
    def open(cls, options: Options, tell: Callable[[str], None]) -> Self:
        """Read the files and open the history; ``tell`` gets a sentence before the first test of all.

        InvalidFilesError or HistoryError.
        """
        loaded = load(options.inventory)
        history = History.open(options.state_dir)
        secrets = Secrets(loaded.secrets, loaded.folder)
        accounts = Accounts(
            history,
            secrets,
            loaded.identities,
            loaded.net_entreprises_service,
            new_run_id(clock.now()),
            way=way_of(loaded, secrets, options.state_dir),
            tell=tell,
        )
        return cls(loaded, history, accounts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.history.close()

    def chosen(self, names: Sequence[str]) -> tuple[str, ...]:
        """These identities, in the order of the inventory; all of them when none is named. UsageError."""
        known = self.loaded.identities
        for name in names:
            if name not in known:
                raise UsageError(f"there is no identity `{name}`", nearest(name, known, "identities"))
        return tuple(name for name in known if name in names or not names)

    def known(self, name: str) -> KnownIdentity:
        """An identity and what the history knows of its account; nothing is sent."""
        blank = self._blank(name)
        past = self.accounts.past(blank.account)
        latest = past[-1].outcome if past else None
        try:
            verdict = self.accounts.last(name)
        except SecretError as error:
            return replace(blank, verdict=latest, outdated=latest is not None, trouble=str(error))
        return replace(blank, verdict=verdict or latest, outdated=verdict is None and latest is not None)

    def tested(self, names: Sequence[str]) -> Iterator[KnownIdentity]:
        """Test identities one after the other, as far as the guard lets them be."""
        for name in names:
            blank = self._blank(name)
            try:
                yield replace(blank, verdict=self.accounts.verdict(name))
            except (SecretError, UsageError) as error:
                yield replace(blank, trouble=str(error))

    def held(self, name: str) -> AccountVerdict:
        """What ``clear`` would forget: the last verdict on the account. UsageError when there is none."""
        known = self.known(name).verdict
        if known is None:
            raise UsageError(f"nothing is remembered of the account of {name}", "nothing was done", code="not_held")
        return known

    def also(self, name: str) -> tuple[str, ...]:
        """The other identities that are the same account."""
        mark = self.history.attempts.account_mark
        own = mark(self.accounts.account(name))
        return tuple(
            other for other in self.loaded.identities if other != name and mark(self.accounts.account(other)) == own
        )

    def clear(self, name: str) -> None:
        """Forget what is held against an account; the records stay, with who cleared them. UsageError."""
        self.accounts.clear(name, f"{getpass.getuser()}@{platform.node()}")

    def _blank(self, name: str) -> KnownIdentity:
        targets = [
            (target, user)
            for target in self.loaded.targets
            for user, described in target.users.items()
            if described.net_entreprises == name
        ]
        users = dict.fromkeys(f"{target.office}/{user}" for target, user in targets)
        workstations = dict.fromkeys(target.name for target, _ in targets)
        return KnownIdentity(name, self.accounts.account(name), tuple(users), tuple(workstations), None)


def exit_code(tested: Sequence[KnownIdentity], *, interrupted: bool) -> int:
    """What ``identities test`` ends with; the first that applies.

    130 interrupted · 1 an account is not accepted, or could not be tested · 4 the service was not reached · 0.
    """
    if interrupted:
        return 130
    answers = {one.verdict.answered if one.verdict else None for one in tested}
    if answers <= {Answered.ACCEPTED}:
        return 0
    return 4 if answers <= {Answered.ACCEPTED, Answered.UNAVAILABLE} else 1
