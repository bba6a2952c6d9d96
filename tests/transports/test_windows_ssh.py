"""The contract of transports, and what is asked of Windows ones, over SSH; and what is SSH's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import asyncssh
import pytest
from asyncssh.packet import UInt32
from loopback import Loopback, answering
from sshd import make_key
from transport_contract import TransportContract
from windows_contract import WindowsContract
from windows_endpoints import LAYOUT, Endpoint
from windows_endpoints import endpoint as served

from iea_fleet.errors import BrokenError
from iea_fleet.lab.powershell import Shell
from iea_fleet.lab.ssh_server import USER, Offered, Visit
from iea_fleet.lab.windows_sftp import WindowsSftp
from iea_fleet.lab.windows_ssh import VERSION, WindowsSshWorkstation
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Done,
    Failed,
    FileContent,
    FileStat,
    FolderListing,
    ListFolder,
    MakeFolder,
    MeasureRoom,
    Moved,
    NotReached,
    NotTried,
    OpenUrl,
    Reached,
    ReadFile,
    ReplaceFile,
    Room,
    Stat,
    digest,
)
from iea_fleet.transports import ssh
from iea_fleet.transports.base import Reach
from iea_fleet.transports.ssh_windows import WindowsSshSession, open_session


@pytest.fixture(scope="module")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("client") / "key")


@pytest.fixture
def endpoint(
    tmp_path: Path, client_key: Path, request: pytest.FixtureRequest
) -> Iterator[Endpoint[WindowsSshWorkstation]]:
    """A lab workstation, or one of a class that a test asks for."""
    kind: type[WindowsSshWorkstation] = getattr(request, "param", WindowsSshWorkstation)
    public = asyncssh.read_public_key(f"{client_key}.pub")
    with served(tmp_path, lambda one, outside: kind(one, outside, public)) as serving:
        yield serving


@pytest.fixture
def reach(endpoint: Endpoint[WindowsSshWorkstation], client_key: Path) -> Reach:
    return Reach(
        workstation=endpoint.workstation.name,
        address="127.0.0.1",
        port=endpoint.server.port,
        user=USER,
        timeout=10.0,
        deadline=60.0,
        key_file=str(client_key),
        host_keys=(endpoint.server.host_key,),
        windows=True,
        private_folder=LAYOUT.private,
    )


@pytest.fixture
def opened(reach: Reach, endpoint: Endpoint[WindowsSshWorkstation]) -> Iterator[Callable[..., WindowsSshSession]]:
    with contextlib.ExitStack() as stack:

        def open_one(*, read_only: bool = False, **changes: Any) -> WindowsSshSession:
            session = open_session(replace(reach, **changes), endpoint.connect(), read_only=read_only)
            return stack.enter_context(session)

        yield open_one


class TestWindowsOverSsh(WindowsContract, TransportContract):
    pass


SETTINGS = f"{LAYOUT.root}/connexion.properties"
NEW = f"{LAYOUT.root}/nouveau.properties"
MISSING = f"{LAYOUT.root}/absent"


def test_what_only_reads_files_starts_no_powershell(opened: Callable[..., WindowsSshSession]) -> None:
    session = opened(read_only=True)
    content, listing, about, room = session.carry_out(
        [ReadFile(SETTINGS), ListFolder(LAYOUT.root), Stat(SETTINGS), MeasureRoom(LAYOUT.root)]
    )
    assert isinstance(content, FileContent)
    assert isinstance(listing, FolderListing)
    assert isinstance(room, Room)
    assert isinstance(about, FileStat)
    assert (about.kind, about.owner, about.mode, about.shared) == ("file", "", None, None)
    assert session.agent.round_trips == 0


def test_what_writes_starts_powershell_once_and_tells_whose_a_file_is(
    opened: Callable[..., WindowsSshSession],
) -> None:
    session = opened()
    *_, about = session.carry_out([ReadFile(SETTINGS), ReplaceFile(NEW, b"1", ABSENT), ReadFile(NEW), Stat(NEW)])
    assert isinstance(about, FileStat)
    assert about.owner.startswith("S-1-5-")
    assert session.agent.round_trips == 1


def test_answers_name_files_as_the_layout_does(opened: Callable[..., WindowsSshSession]) -> None:
    (refused,) = opened().carry_out([ReadFile(LAYOUT.root)])
    assert isinstance(refused, Failed)
    assert refused.reason.startswith(f"{LAYOUT.root} is a folder")


def test_addresses_are_asked_for_in_order_and_stop_nothing(
    opened: Callable[..., WindowsSshSession], endpoint: Endpoint[Any]
) -> None:
    with Loopback(answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as web:
        endpoint.ports.add(web.port)
        session = opened()
        address = OpenUrl(f"http://127.0.0.1:{web.port}/")
        answers = session.carry_out(
            [
                ReplaceFile(NEW, b"1", digest(b"old")),
                address,
                MakeFolder(MISSING),
                ReadFile(NEW),
                address,
                Stat(MISSING),
            ]
        )
    moved, reached, not_made, absent, again, missing = answers
    assert (moved, not_made, absent, missing) == (Moved(ABSENT), NotTried(), Absent(), Absent())
    assert isinstance(reached, Reached)
    assert isinstance(again, Reached)
    assert (reached.http_status, again.http_status) == (204, 204)
    assert session.agent.round_trips == 1


class NoForwarding(WindowsSshWorkstation):
    """Its sshd_config says AllowTcpForwarding no."""

    def _with_key(self, key: asyncssh.SSHKey) -> asyncssh.SSHServerConnectionOptions:
        return asyncssh.SSHServerConnectionOptions(
            options=super()._with_key(key), server_factory=lambda: _Unwilling(self)
        )


class _Unwilling(Visit):
    def connection_requested(self, *_: object) -> NoReturn:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")


@pytest.mark.parametrize("endpoint", [NoForwarding], indirect=True)
def test_where_forwarding_is_refused_the_agent_asks(
    opened: Callable[..., WindowsSshSession], endpoint: Endpoint[Any]
) -> None:
    with Loopback(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as web:
        endpoint.ports.add(web.port)
        session = opened(read_only=True)
        closed = OpenUrl("http://127.0.0.1:9/", 3)
        reached, refused = session.carry_out([OpenUrl(f"http://127.0.0.1:{web.port}/"), closed])
        assert isinstance(reached, Reached)
        assert isinstance(refused, NotReached)
        assert refused.reason_code == "refused"
        assert session.agent.round_trips == 1
        session.carry_out([closed])
        assert session.agent.round_trips == 2


class NoFiles(WindowsSshWorkstation):
    """Its subsystem sftp cannot be started, as happens where the default shell is another one."""

    offered = Offered(VERSION, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("endpoint", [NoFiles], indirect=True)
def test_where_there_is_no_sftp_the_agent_reads(opened: Callable[..., WindowsSshSession]) -> None:
    session = opened(read_only=True)
    content, missing = session.carry_out([ReadFile(SETTINGS), ReadFile(MISSING)])
    assert isinstance(content, FileContent)
    assert missing == Absent()
    assert session.agent.round_trips == 1


class _NoRoomTold(WindowsSftp):
    def perform(self, name: str, *rest: Any) -> Any:
        if name == "statvfs":
            raise asyncssh.SFTPOpUnsupported("Operation unsupported")
        return super().perform(name, *rest)


class NoRoomTold(WindowsSshWorkstation):
    """Its SFTP server does not know OpenSSH's statvfs extension."""

    offered = Offered(VERSION, _NoRoomTold)


@pytest.mark.parametrize("endpoint", [NoRoomTold], indirect=True)
def test_room_is_asked_of_the_agent_where_sftp_does_not_tell_it(
    reach: Reach, opened: Callable[..., WindowsSshSession], endpoint: Endpoint[Any]
) -> None:
    session = opened(read_only=True)
    room, missing, content = session.carry_out(
        [MeasureRoom("C:/ProgramData"), MeasureRoom(MISSING), ReadFile(SETTINGS)]
    )
    assert isinstance(room, Room)
    assert missing == Absent()
    assert isinstance(content, FileContent)
    assert session.agent.round_trips == 1
    with ssh.open_session(reach, endpoint.connect(), read_only=True) as posix:
        (not_told,) = posix.carry_out([MeasureRoom("/C:/ProgramData")])
    assert isinstance(not_told, Failed)
    assert not_told.reason_code == "not_supported"


@pytest.mark.parametrize("endpoint", [NoRoomTold], indirect=True)
def test_where_the_agent_cannot_work_files_are_read_all_the_same(
    opened: Callable[..., WindowsSshSession], endpoint: Endpoint[Any]
) -> None:
    endpoint.spoil("constrained")
    room, content = opened(read_only=True).carry_out([MeasureRoom("C:/ProgramData"), ReadFile(SETTINGS)])
    assert isinstance(room, Failed)
    assert room.reason_code == "not_supported"
    assert isinstance(content, FileContent)


class Crashing(WindowsSshWorkstation):
    """Every program ends in an access violation."""

    async def run(self, _: Visit, process: asyncssh.SSHServerProcess[bytes]) -> NoReturn:  # type: ignore[override]
        # asyncssh's own exit() keeps eight bits, as POSIX has them.
        process.channel._send_request(b"exit-status", UInt32(0xC0000005))
        process.channel.close()
        raise asyncssh.SFTPConnectionLost("it is over")


@pytest.mark.parametrize("endpoint", [Crashing], indirect=True)
def test_an_exit_code_has_all_its_32_bits(opened: Callable[..., WindowsSshSession]) -> None:
    with pytest.raises(BrokenError, match="0xC0000005") as caught:
        opened().carry_out([MakeFolder(MISSING)])
    assert caught.value.code == "agent_crashed"


@pytest.mark.parametrize("shell", ["cmd", "powershell"])
def test_both_default_shells_keep_the_command_line(
    opened: Callable[..., WindowsSshSession], endpoint: Endpoint[WindowsSshWorkstation], shell: Shell
) -> None:
    endpoint.server.shell = shell
    session = opened()
    assert session.carry_out([ReplaceFile(NEW, b"1", ABSENT)]) == [Done(digest(b"1"))]
    faults = {
        "powershell-blocked": "powershell_blocked",
        "torn-stdin": "agent_torn",
        "constrained": "constrained_language",
        "execution-policy": "execution_policy",
    }
    for fault, code in faults.items():
        endpoint.spoil(fault)
        with pytest.raises(BrokenError) as caught:
            session.carry_out([MakeFolder(MISSING)])
        assert caught.value.code == code
        endpoint.do(endpoint.server.mend)


def test_a_connection_that_is_lost_at_any_step_is_told_as_that(
    opened: Callable[..., WindowsSshSession], endpoint: Endpoint[WindowsSshWorkstation]
) -> None:
    file = endpoint.workstation.folder / NEW
    ends: list[object] = []
    while Done(digest(b"1")) not in ends:
        file.unlink(missing_ok=True)
        endpoint.spoil(f"drop-before={len(ends) + 1}")
        try:
            ends += opened().carry_out([ReplaceFile(NEW, b"1", ABSENT)])
        except BrokenError as error:
            ends.append(error.code)
        finally:
            endpoint.do(endpoint.server.mend)
    *lost, _ = ends
    assert len(lost) > 3
    assert set(lost) == {"connection_lost"}
