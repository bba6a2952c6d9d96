"""Getting in: many dead and silent workstations beside living ones, and what is left behind by whoever stops early."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Loopback, hanging_up, saying, silent
from sshd import Sshd, free_port, make_key, public_half

from iea_fleet.errors import BrokenError, NotLetInError, OfflineError, TransportError
from iea_fleet.model.inventory import Jump
from iea_fleet.model.request import Absent, ReadFile
from iea_fleet.transports.base import Reach
from iea_fleet.transports.doorway import Doorway, Entrance
from iea_fleet.transports.jump import JumpHosts
from iea_fleet.transports.scan import fetch_host_keys
from iea_fleet.transports.ssh import open_session


def to(name: str, port: int, address: str = "127.0.0.1", timeout: float = 1.0) -> Reach:
    return Reach(name, address, port, "paye", timeout=timeout)


def code_of(found: Entrance | TransportError) -> str:
    if isinstance(found, Entrance):
        found.close()
        return "in"
    return found.code


def codes(doorway: Doorway, reaches: list[Reach]) -> dict[str, str]:
    return {reach.workstation: code_of(found) for reach, found in doorway.admit(reaches)}


def test_each_way_to_be_out() -> None:
    with (
        Loopback(silent) as mute,
        Loopback(hanging_up) as rude,
        Loopback(saying(b"SSH-2.0-x\r\n")) as fine,
        Doorway() as door,
    ):
        found = codes(
            door,
            [
                to("refused", free_port()),
                to("unknown", 22, "nowhere.invalid"),
                to("odd", 22, "a..b"),
                to("route", 22, "255.255.255.255"),
                to("mute", mute.port, timeout=0.3),
                to("rude", rude.port),
                to("fine", fine.port),
                to("named", fine.port, "localhost"),
            ],
        )
    assert found.pop("route") in ("no_route", "no_answer")
    assert found == {
        "refused": "refused",
        "unknown": "name_unknown",
        "odd": "name_unknown",
        "mute": "no_banner",
        "rude": "closed_at_once",
        "fine": "in",
        "named": "in",
    }


def test_no_answer_at_all() -> None:
    # A full backlog: the kernel drops further SYNs, as a machine that is switched off does.
    with socket.socket() as listener, contextlib.ExitStack() as stack, Doorway() as door:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        started = time.monotonic()
        assert codes(door, [to("off", listener.getsockname()[1], timeout=0.4)]) == {"off": "no_answer"}
        assert 0.3 < time.monotonic() - started < 2


def test_two_hundred_that_do_not_answer_hold_up_nobody() -> None:
    with Loopback(silent) as mute, Loopback(saying(b"SSH-2.0-x\r\n")) as fine, Doorway() as door:
        dead = [to(f"mute-{number}", mute.port, timeout=3) for number in range(100)]
        dead += [to(f"closed-{number}", free_port()) for number in range(100)]
        threads = threading.active_count()
        started = time.monotonic()
        living_at = {}
        found = {}
        for reach, entrance in door.admit([*dead, *(to(f"fine-{number}", fine.port) for number in range(20))]):
            found[reach.workstation] = code_of(entrance)
            living_at[reach.workstation] = time.monotonic() - started
            assert threading.active_count() <= threads + 1 + fine.accepted + mute.accepted
        assert sorted(set(found.values())) == ["in", "no_banner", "refused"]
        assert len(found) == 220
        assert max(at for name, at in living_at.items() if name.startswith("fine")) < 2.9
        assert time.monotonic() - started < 8


def test_only_so_many_stand_ready() -> None:
    with Loopback(saying(b"SSH-2.0-x\r\n")) as fine, Doorway(ahead=5) as door:
        admitted = door.admit([to(str(number), fine.port) for number in range(60)])
        code_of(next(admitted)[1])
        time.sleep(0.3)
        assert fine.accepted <= 7
        assert len([code_of(found) for _, found in admitted]) == 59
        assert fine.accepted == 60


def test_whoever_stops_early_leaves_nothing_behind() -> None:
    with Loopback(saying(b"SSH-2.0-x\r\n")) as fine, Loopback(silent) as mute, Doorway() as door:
        reaches = [to(str(number), port, timeout=20) for number in range(30) for port in (fine.port, mute.port)]
        admitted = door.admit(reaches)
        code_of(next(admitted)[1])
        admitted.close()
        assert not list(Doorway.admit(door, [])), "a doorway may be used again"


def test_it_can_be_closed_from_a_signal_handler() -> None:
    with Loopback(silent) as mute:
        door = Doorway()
        before = signal.signal(signal.SIGUSR1, lambda *_: door.close())
        try:
            timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            started = time.monotonic()
            with door:
                assert not list(door.admit([to("mute", mute.port, timeout=20)]))
            assert time.monotonic() - started < 5
            timer.join()
        finally:
            signal.signal(signal.SIGUSR1, before)


def test_all_host_keys_are_shown_without_logging_in(sshd: Sshd) -> None:
    assert set(fetch_host_keys(sshd.address, sshd.port, 5)) == set(sshd.host_keys)
    with pytest.raises(OfflineError) as refused:
        fetch_host_keys("127.0.0.1", free_port(), 5)
    assert refused.value.code == "refused"
    with Loopback(silent) as mute, pytest.raises(BrokenError):
        fetch_host_keys("127.0.0.1", mute.port, 0.3)


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("bastion"), addresses=("127.0.0.5",)) as server:
        yield server


def behind(
    bastion: Sshd, sshd: Sshd, name: str, *, keys: tuple[str, ...] = (), sessions: int = 3, **more: object
) -> Reach:
    jump = Jump(
        address=bastion.address,
        port=bastion.port,
        user=bastion.user,
        host_keys=keys or bastion.host_keys,
        sessions=sessions,
    )
    allowed = bastion.authorized_keys.read_text()
    if public_half(sshd.client_key) not in allowed:
        bastion.authorized_keys.write_text(allowed + public_half(sshd.client_key) + "\n")
    return sshd.reach(name, jump=jump, **more)


def logins(bastion: Sshd) -> int:
    return bastion.log.read_text().count("Accepted publickey")


def test_many_workstations_behind_one_connection(bastion: Sshd, sshd: Sshd) -> None:
    before = logins(bastion)
    with Doorway() as door, Loopback(silent) as mute:
        reaches = [behind(bastion, sshd, f"poste-{number}") for number in range(6)]
        reaches += [
            behind(bastion, sshd, "mute", port=mute.port, timeout=0.4),
            behind(bastion, sshd, "refused", port=free_port()),
            behind(bastion, sshd, "unknown", address="nowhere.invalid"),
        ]
        found = {}
        for reach, entrance in door.admit(reaches):
            if isinstance(entrance, TransportError):
                found[reach.workstation] = entrance.code
                continue
            with open_session(reach, entrance, read_only=True) as session:
                assert session.carry_out([ReadFile("/nowhere")]) == [Absent()]
                found[reach.workstation] = "in"
    expected = {f"poste-{number}": "in" for number in range(6)}
    assert found == {**expected, "mute": "no_banner", "refused": "refused", "unknown": "name_unknown"}
    assert logins(bastion) - before == 1


def test_at_most_so_many_sessions_through_a_jump_host(bastion: Sshd, sshd: Sshd) -> None:
    with Doorway() as door:
        admitted = door.admit([behind(bastion, sshd, str(number), sessions=2, timeout=10) for number in range(5)])
        first, second = next(admitted)[1], next(admitted)[1]
        assert isinstance(first, Entrance)
        third: list[str] = []
        waiter = threading.Thread(target=lambda: third.append(code_of(next(admitted)[1])))
        waiter.start()
        waiter.join(0.4)
        assert not third
        first.close()
        waiter.join(5)
        assert third == ["in"]
        code_of(second)
        assert [code_of(found) for _, found in admitted] == ["in", "in"]


def test_sessions_under_way_outlive_the_closing_of_the_doorway(bastion: Sshd, sshd: Sshd) -> None:
    door = Doorway()
    with door:
        reach, entrance = next(iter(door.admit([behind(bastion, sshd, "poste")])))
        assert isinstance(entrance, Entrance)
        with open_session(reach, entrance, read_only=True) as session:
            door.close()
            assert session.carry_out([ReadFile("/nowhere")]) == [Absent()]


def test_what_is_wrong_with_a_jump_host_is_told_for_each_workstation(bastion: Sshd, sshd: Sshd, tmp_path: Path) -> None:
    other_key = public_half(make_key(tmp_path / "other"))
    closed = Jump(address="127.0.0.1", port=free_port(), user="x", host_keys=(other_key,))
    wrong = make_key(tmp_path / "wrong")
    with Doorway() as door:
        changed = [behind(bastion, sshd, f"changed-{number}", keys=(other_key,)) for number in range(3)]
        refused = [sshd.reach(f"refused-{number}", jump=closed) for number in range(3)]
        locked = [behind(bastion, sshd, "locked", key_file=str(wrong))]
        outcomes = [(reach, found) for reach, found in door.admit([*changed, *refused, *locked])]
    kinds = {reach.workstation: (type(found), getattr(found, "code", "")) for reach, found in outcomes}
    assert kinds == {
        **{f"changed-{number}": (NotLetInError, "jump_host_key_changed") for number in range(3)},
        **{f"refused-{number}": (OfflineError, "jump_refused") for number in range(3)},
        "locked": (NotLetInError, "jump_key_refused"),
    }


def test_a_jump_host_that_does_not_forward(sshd: Sshd, tmp_path: Path) -> None:
    with Sshd(tmp_path, AllowTcpForwarding="no") as server, Doorway() as door:
        assert codes(door, [behind(server, sshd, "poste")]) == {"poste": "jump_forwarding_refused"}


def test_refusals_of_many_threads_are_told_apart(bastion: Sshd, sshd: Sshd) -> None:
    reaches = [behind(bastion, sshd, f"r{number}", port=1, sessions=8) for number in range(20)]
    reaches += [behind(bastion, sshd, f"n{number}", address="nowhere.invalid", sessions=8) for number in range(20)]
    with Doorway() as door:
        found = codes(door, reaches)
    assert {found[name] for name in found if name[0] == "r"} == {"refused"}
    assert {found[name] for name in found if name[0] == "n"} == {"name_unknown"}


def test_host_keys_behind_a_jump_host(bastion: Sshd, sshd: Sshd) -> None:
    hosts = JumpHosts()
    reach = behind(bastion, sshd, "poste")
    keys = fetch_host_keys(sshd.address, sshd.port, 5, connect=lambda: hosts.enter(reach))
    hosts.close()
    assert set(keys) == set(sshd.host_keys)
