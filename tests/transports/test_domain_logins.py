"""A wrong password of a domain's account reaches one workstation of many; a right one all of them."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr
from winrm_endpoints import USER, Endpoints
from winrm_sessions import lab, reach

from iea_fleet.errors import TransportError
from iea_fleet.lab.winrm_server import WinrmWorkstation
from iea_fleet.transports.base import Reach
from iea_fleet.transports.domain_logins import DomainLogins
from iea_fleet.transports.sessions import open_session
from iea_fleet.transports.wire import Wire

__all__ = ["lab"]


def enter(way: Reach, logins: DomainLogins) -> str:
    """What came of one login."""
    entrance = Wire(socket.create_connection((way.address, way.port), 5))
    try:
        open_session(way, entrance, read_only=True, logins=logins).close()
    except TransportError as error:
        return error.code
    return "let in"


def entered(workstations: list[WinrmWorkstation], logins: DomainLogins, **changes: object) -> list[str]:
    """What came of logging in at all of them at once."""
    with ThreadPoolExecutor(len(workstations)) as workers:
        return sorted(workers.map(lambda one: enter(reach(one, **changes), logins), workstations))


def attempts(workstations: list[WinrmWorkstation]) -> int:
    return sum(one.account.attempts for one in workstations)


def test_a_wrong_password_is_sent_to_one_of_many(lab: Endpoints) -> None:
    eight, logins = [lab.add(tls=True) for _ in range(8)], DomainLogins()
    wrong = {"user": rf"NANCY\{USER}", "password": SecretStr("wrong")}
    assert entered(eight, logins, **wrong) == ["password_refused", *["password_refused_before"] * 7]
    assert entered(eight, logins, **wrong) == ["password_refused_before"] * 8
    assert attempts(eight) == 1
    # Another password is another matter, and so is how the name is written.
    assert entered(eight[:1], logins, user=rf"nancy\{USER.upper()}", password=SecretStr("wrong")) == [
        "password_refused_before"
    ]
    assert entered(eight[:1], logins, user=rf"NANCY\{USER}", password=SecretStr("wrong too")) == ["password_refused"]


def test_who_was_let_in_once_does_not_wait_for_others(lab: Endpoints) -> None:
    one, logins = lab.add(tls=True), DomainLogins()
    user = rf"{one.workstation.name}\{USER}"
    assert enter(reach(one, user=user), logins) == "let in"
    with logins.turn(reach(one, user=user)):
        assert entered([one] * 4, logins, user=user) == ["let in"] * 4


@pytest.mark.parametrize("user", [USER, rf".\{USER}"])
def test_an_account_of_each_workstation_is_asked_for_at_each(lab: Endpoints, user: str) -> None:
    three = [lab.add(tls=True) for _ in range(3)]
    assert entered(three, DomainLogins(), user=user, password=SecretStr("wrong")) == ["password_refused"] * 3
    assert attempts(three) == 3


def test_who_is_not_asked_for_a_password_does_not_count(lab: Endpoints) -> None:
    """A workstation that fails in another way says nothing of the password: the next one is asked."""
    strange, one = lab.add(tls=True), lab.add(tls=True)
    logins, user = DomainLogins(), rf"NANCY\{USER}"
    assert enter(reach(strange, user=user, certificate="sha256:" + "0" * 64), logins) == "certificate_changed"
    assert enter(reach(one, user=user, password=SecretStr("wrong")), logins) == "password_refused"
    assert enter(reach(strange, user=user, password=SecretStr("wrong")), logins) == "password_refused_before"


@pytest.mark.parametrize("key", [{"key_file": "/keys/iea"}, {"agent": True}])
def test_who_is_let_in_by_a_key_says_nothing_of_the_password(lab: Endpoints, key: dict[str, object]) -> None:
    three, logins = [lab.add(tls=True) for _ in range(3)], DomainLogins()
    wrong = {"user": rf"NANCY\{USER}", "password": SecretStr("wrong")}
    with logins.turn(reach(three[0], **wrong, **key)):
        pass  # let in over SSH
    assert entered(three, logins, **wrong) == ["password_refused", *["password_refused_before"] * 2]
    assert attempts(three) == 1
