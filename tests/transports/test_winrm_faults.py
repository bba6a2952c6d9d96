"""What breaks in the middle of a WinRM session: it ends with one code, nothing is sent twice, nothing is left open."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback import CuttingProxy, Loopback
from winrm_endpoints import USER, Endpoints
from winrm_sessions import Opened, enter, files_of, lab, opened, reach

from iea_fleet.errors import BrokenError, TransportError
from iea_fleet.lab.winrm_server import WinrmWorkstation
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Done,
    ListFolder,
    ReadFile,
    ReplaceFile,
    RunAction,
    Stat,
    digest,
)

__all__ = ["lab", "opened"]

NEW = os.urandom(3000)
CHANGE = ReplaceFile("C:/ProgramData/neu.xml", NEW, ABSENT)
WAYS = [("basic", True), ("negotiate", True), ("ntlm", False)]
ways = pytest.mark.parametrize(("auth", "tls"), WAYS)


def file_of(one: WinrmWorkstation) -> Path:
    return files_of(one) / "ProgramData/neu.xml"


def broken(act: Callable[[], object]) -> TransportError:
    with pytest.raises(TransportError) as caught:
        act()
    assert caught.value.hint
    return caught.value


def outcome(one: WinrmWorkstation, auth: str) -> str:
    """The code of the error when a file is changed in a session of its own; none when it was."""
    try:
        with enter(reach(one, auth=auth)) as session:
            answers = session.carry_out([CHANGE])
    except BrokenError as error:
        return error.code
    assert answers == [Done(digest(NEW))]
    return ""


@ways
@pytest.mark.parametrize("when", ["drop-before", "drop-after"])
def test_a_connection_lost_at_every_exchange_ends_the_session(lab: Endpoints, when: str, auth: str, tls: bool) -> None:
    one = lab.add(tls=tls)
    struck = 0
    for number in range(1, 12):
        lab.spoil(one, f"{when}={number}")
        file_of(one).unlink(missing_ok=True)
        before = one.account.attempts
        code = outcome(one, auth)
        struck += code == "connection_lost"
        assert code in ("", "connection_lost")
        assert not file_of(one).exists() or file_of(one).read_bytes() == NEW
        if auth != "basic":
            assert one.account.attempts == before + 1
        lab.do(one.mend)
        lab.do(one.shells.end)
    assert struck >= 4
    assert one.account.refusals == 0


@pytest.mark.parametrize("tls", [True, False])
def test_a_session_that_lost_its_connection_is_of_no_use_and_ends_at_once(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    session = enter(reach(one))
    lab.spoil(one, "offline")
    for _ in range(2):
        assert broken(lambda: session.carry_out([Stat("C:/x")])).code == "connection_lost"
    begun = time.monotonic()
    session.close()
    assert time.monotonic() - begun < 8
    assert one.account.attempts == 1


@ways
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_an_unauthorized_in_the_middle_is_no_reason_to_offer_the_password_again(
    lab: Endpoints, auth: str, tls: bool, number: int
) -> None:
    one = lab.add(tls=tls)
    lab.spoil(one, f"unauthorized-at={number}")
    error = broken(lambda: enter_and_list(one, auth=auth))
    assert error.code == ("password_refused" if number == 1 and tls else "login_withdrawn")
    assert USER in error.sentence
    assert one.account.refusals == 0
    assert one.account.attempts <= (number if auth == "basic" else 1)


@ways
def test_a_password_changed_meanwhile_is_not_tried_again(lab: Endpoints, opened: Opened, auth: str, tls: bool) -> None:
    one = lab.add(tls=tls)
    session = opened(one, auth=auth)
    lab.spoil(one, "password-changed")
    if auth == "basic":  # which asks at each message
        assert broken(lambda: session.carry_out([Stat("C:/x")])).code == "login_withdrawn"
        session.close()
    else:
        assert session.carry_out([Stat("C:/x")]) == [Absent()]
    assert one.account.refusals == (auth == "basic")


@ways
def test_a_quota_of_operations_has_its_own_code(lab: Endpoints, opened: Opened, auth: str, tls: bool) -> None:
    one = lab.add(tls=tls)
    session = opened(one, auth=auth)
    lab.spoil(one, "quota-operations")
    assert broken(lambda: session.carry_out([CHANGE])).code == "too_many_operations"
    session.close()
    assert len(one.shells) == 0


def test_no_output_within_the_operation_timeout_means_still_running(lab: Endpoints, opened: Opened) -> None:
    one = lab.add()
    lab.spoil(one, "operation-timeout=4")
    session = opened(one)
    assert session.carry_out([CHANGE]) == [Done(digest(NEW))]
    assert session.round_trips == 7


@ways
def test_a_small_envelope_has_its_own_code_and_what_fits_goes_through(
    lab: Endpoints, opened: Opened, auth: str, tls: bool
) -> None:
    one = lab.add(tls=tls)
    lab.spoil(one, "small-envelope")
    session = opened(one, auth=auth)
    assert session.carry_out([CHANGE]) == [Done(digest(NEW))]
    large = ReplaceFile("C:/ProgramData/large.xml", os.urandom(300_000), ABSENT)
    error = broken(lambda: session.carry_out([large]))
    assert error.code == "envelope_too_small"
    assert '@{MaxEnvelopeSizekb="500"}' in error.hint
    session.close()
    assert not (files_of(one) / "ProgramData/large.xml").exists()


@pytest.mark.parametrize("tls", [True, False])
def test_a_slow_start_is_waited_for_by_polling(lab: Endpoints, opened: Opened, tls: bool) -> None:
    one = lab.add(tls=tls)
    lab.spoil(one, "slow-powershell=2000")
    session = opened(one, timeout=3)
    assert session.carry_out([CHANGE]) == [Done(digest(NEW))]
    assert session.round_trips > 3


@pytest.mark.parametrize("limits", [{"timeout": 1}, {"deadline": 4}])
def test_what_takes_too_long_is_ended_with_its_shell(lab: Endpoints, limits: dict[str, float]) -> None:
    one = lab.add()
    lab.spoil(one, "slow-powershell=60000")
    begun = time.monotonic()
    with enter(reach(one, **limits)) as session:
        error = broken(lambda: session.carry_out([Stat("C:/x")]))
        assert error.code == ("went_silent" if "timeout" in limits else "deadline_passed")
        (shell,) = one.shells._shells.values()
        assert not shell.commands
    assert time.monotonic() - begun < 8
    assert len(one.shells) == 0


def test_the_deadline_ends_a_session(lab: Endpoints) -> None:
    one = lab.add()
    lab.spoil(one, "slow-powershell=60000")
    begun = time.monotonic()
    with enter(reach(one, timeout=20, deadline=1.5)) as session:
        assert broken(lambda: session.carry_out([CHANGE])).code == "deadline_passed"
        assert broken(lambda: session.carry_out([CHANGE])).code == "deadline_passed"
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_workstation_that_goes_silent_costs_the_timeout_once(lab: Endpoints, number: int) -> None:
    one = lab.add()
    lab.spoil(one, f"pause-at={number}")
    begun = time.monotonic()
    with enter(reach(one, timeout=1)) as session:
        assert broken(lambda: session.carry_out([CHANGE])).code == "went_silent"
    assert time.monotonic() - begun < 8
    lab.do(one.mend)


def test_shells_that_were_ended_over_there(lab: Endpoints, opened: Opened) -> None:
    one = lab.add()
    session = opened(one)
    lab.do(one.shells.end)
    assert broken(lambda: session.carry_out([Stat("C:/x")])).code == "shell_gone"
    session.close()


def test_a_restart_in_the_middle(lab: Endpoints) -> None:
    one = lab.add()
    lab.spoil(one, "die-after=3")
    with enter(reach(one)) as session:
        assert broken(lambda: session.carry_out([CHANGE])).code == "connection_lost"


def test_a_session_of_many_batches_has_one_shell_and_releases_what_ended(lab: Endpoints, opened: Opened) -> None:
    one = lab.add()
    session = opened(one)
    for _ in range(20):
        session.carry_out([Stat("C:/x")])
        assert len(one.shells) == 1
    assert session.round_trips == 20 * 3 + 12
    (shell,) = one.shells._shells.values()
    assert len(shell.commands) <= 8


def test_large_batches_travel_in_pieces(lab: Endpoints, opened: Opened) -> None:
    session = opened(lab.add())
    content = os.urandom(400_000)
    path = "C:/ProgramData/large.bin"
    assert session.carry_out([ReplaceFile(path, content, ABSENT)]) == [Done(digest(content))]
    assert 7 <= session.round_trips <= 10
    (read,) = session.carry_out([ReadFile(path)])
    assert getattr(read, "content", b"") == content


def test_what_is_refused_over_there_is_an_answer(lab: Endpoints, opened: Opened) -> None:
    session = opened(lab.add(), read_only=True)
    with pytest.raises(PermissionError, match="RunAction"):
        session.carry_out([RunAction(("hostname.exe",))])
    assert session.round_trips == 0


@pytest.mark.parametrize("tls", [True, False])
def test_a_connection_cut_at_any_byte(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    with CuttingProxy(one.port, 10**9) as whole, enter(reach(one, port=whole.port)) as session:
        session.carry_out([ListFolder("C:/")])
        needed = whole.passed - 500  # sessions differ by some bytes: signatures, numbers
    for left in range(0, needed, max(1, needed // 23)):
        with CuttingProxy(one.port, left) as proxy:
            error = broken(lambda: enter_and_list(one, port=proxy.port))
            assert error.code == "connection_lost"
            assert proxy.accepted <= 2  # the second one only looks what answers there
    assert one.account.refusals == 0


def enter_and_list(one: WinrmWorkstation, **changes: object) -> None:
    with enter(reach(one, **changes)) as session:
        session.carry_out([ListFolder("C:/")])


class Rewriting(Loopback):
    """Passes bytes on to a server, and what comes back from it through ``rewrite``."""

    def __init__(self, port: int, rewrite: Callable[[bytes], bytes]) -> None:
        super().__init__(self._pass_on)
        self._target = port
        self._rewrite = rewrite

    def _pass_on(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._target))
        self._open.append(far)
        self._start(self._up, near, far)
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 20):
                near.sendall(self._rewrite(data))

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                far.sendall(data)


def unsealed(answer: bytes) -> bytes:
    if b"multipart/encrypted" not in answer:
        return answer
    body = b"<Envelope/>"
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def damaged(answer: bytes) -> bytes:
    if b"multipart/encrypted" not in answer:
        return answer
    at = answer.index(b"octet-stream") + 200
    return answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1 :]


@pytest.mark.parametrize(("rewrite", "code"), [(unsealed, "unsealed_answer"), (damaged, "protocol_error")])
def test_answers_that_somebody_wrote_on_the_way_are_none(
    lab: Endpoints, rewrite: Callable[[bytes], bytes], code: str
) -> None:
    one = lab.add(tls=False)
    with Rewriting(one.port, rewrite) as between:
        assert broken(lambda: enter_and_list(one, port=between.port)).code == code


@pytest.mark.parametrize("length", [3, 400_000])
def test_a_program_that_ends_before_it_reads_has_said_why(lab: Endpoints, opened: Opened, length: int) -> None:
    """As cmd.exe does where powershell.exe is not found or is forbidden."""
    ended = opened(lab.add())._shell.run("powershall.exe", b"x" * length, 5)
    assert ended.exit_code == 1
    assert b"not recognized" in ended.stderr


def test_nothing_is_begun_that_would_be_ended_at_once(lab: Endpoints, opened: Opened) -> None:
    """The last moments of a session belong to its farewell."""
    one = lab.add()
    session = opened(one, deadline=2)
    time.sleep(1.6)
    asked = one.workstation.exchanges
    assert broken(lambda: session.carry_out([CHANGE])).code == "deadline_passed"
    assert one.workstation.exchanges == asked
    assert not file_of(one).exists()
