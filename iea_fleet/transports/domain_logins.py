r"""A wrong password of a domain's account is sent once a run, not once for each of forty workstations.

``NANCY\iea-admin`` and ``iea-admin@nancy.example`` are the same account everywhere, and a domain locks it after a few
wrong passwords. ``.\iea-admin`` and ``iea-admin`` are another account on each workstation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from iea_fleet.errors import NotLetInError
from iea_fleet.transports.base import Reach

_REFUSED = ("password_refused", "account_expired", "more_asked")


@dataclass
class _Account:
    """What is known of one account with one password: nothing, that it is let in, or who refused it."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    let_in: bool = False
    refused_by: str = ""


class DomainLogins:
    """The accounts of domains that somebody logs in with, in this process."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, SecretStr], _Account] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, reach: Reach) -> Iterator[None]:
        """Log in within this: until it is known that a domain's account is let in, one workstation after the other.

        NotLetInError ``password_refused_before`` where another workstation has refused the same password.
        """
        if reach.password is None or not is_of_a_domain(reach.user):
            yield
            return
        with self._lock:
            account = self._accounts.setdefault((reach.user.casefold(), reach.password), _Account())
        if account.let_in:
            yield
            return
        with account.turn:
            if account.refused_by:
                where = reach.workstation
                raise NotLetInError(
                    f"{account.refused_by} did not let {reach.user} in, so its password is not sent to {where}",
                    "correct the password before the next run: several wrong ones lock the account",
                    code="password_refused_before",
                )
            try:
                yield
            except NotLetInError as error:
                if error.code in _REFUSED:
                    account.refused_by = reach.workstation
                raise
            # A key may have let it in, which says nothing of the password that the next one may ask for.
            account.let_in = reach.key_file is None and not reach.agent


def is_of_a_domain(user: str) -> bool:
    r"""Whether a name is that of an account which many workstations ask the same place about.

    >>> [is_of_a_domain(user) for user in (r"NANCY\iea", "iea@nancy.example", r".\iea", "iea")]
    [True, True, False, False]
    """
    domain, backslash, _ = user.partition("\\")
    return "@" in user if not backslash else domain not in ("", ".")


LOGINS = DomainLogins()
"""Those of this process."""
