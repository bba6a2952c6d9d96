from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncssh
import pytest
from labs import RunningLab

from iea_fleet import lab
from iea_fleet.errors import LabError, SettingsFormatError
from iea_fleet.formats import format_named
from iea_fleet.lab.control import contact

WS = "toul-01"
RELAUNCH = "/impact-emploi/maintenance relancer"
SETTINGS = "/impact-emploi/connexion.properties"
STATE = "/impact-emploi/etat.properties"
LOST = (
    asyncssh.ConnectionLost,
    asyncssh.SFTPConnectionLost,
    asyncssh.ChannelOpenError,
    ConnectionError,
    asyncssh.SFTPNoConnection,
)
_NEW = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL
Result = TypeVar("Result")


def port(office: RunningLab, name: str = WS) -> int:
    return office.info.workstation(name).port


def over_sftp(office: RunningLab, do: Callable[[asyncssh.SFTPClient], Awaitable[Result]]) -> Result:
    async def visit() -> Result:
        async with office.visit(WS) as connection, connection.start_sftp_client(sftp_version=3) as sftp:
            return await do(sftp)

    return asyncio.run(visit())


async def read(sftp: asyncssh.SFTPClient) -> bytes:
    async with sftp.open(SETTINGS, "rb") as file:
        return bytes(await file.read())


def wanted(office: RunningLab, secure: str = "O") -> None:
    url = office.info.authentication_url
    text = f"# à garder\nconnexion.securisee={secure}\nserveur.authentification={url}\nserveur.maj={url}/updates\n"
    office.file(WS).write_text(text, "latin-1")


def test_offline_closes_the_port_and_every_connection(office: RunningLab) -> None:
    async def visit() -> None:
        async with office.visit(WS) as connection, connection.start_sftp_client() as sftp:
            await asyncio.to_thread(office.break_, WS, "offline")
            with pytest.raises(LOST):
                await read(sftp)

    asyncio.run(visit())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port(office)), timeout=5)
    assert office.faults(WS) == ("offline",)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port(office)))
    office.mend(WS)
    assert over_sftp(office, read)
    assert office.faults(WS) == ()


def test_hang_accepts_and_says_nothing(office: RunningLab) -> None:
    office.break_(WS, "hang")
    with socket.create_connection(("127.0.0.1", port(office)), timeout=5) as silent:
        silent.sendall(b"SSH-2.0-test\r\n")
        silent.settimeout(0.3)
        with pytest.raises(TimeoutError):
            silent.recv(1)
        office.mend(WS)
        silent.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(1) == b""
    assert over_sftp(office, read)


def test_slow_delays_every_request_and_program(office: RunningLab) -> None:
    office.break_(WS, "slow=120")

    async def visit() -> tuple[float, float]:
        async with office.visit(WS) as connection, connection.start_sftp_client() as sftp:
            start = time.perf_counter()
            await sftp.stat(SETTINGS)
            await sftp.stat(SETTINGS)
            middle = time.perf_counter()
            await connection.run("nothing")
            return middle - start, time.perf_counter() - middle

    two, one = asyncio.run(visit())
    assert two >= 0.24
    assert one >= 0.12


@pytest.mark.parametrize(("fault", "answered"), [("drop-after=3", 2), ("drop-before=3", 2), ("drop-after=1", 0)])
def test_drop_counts_the_requests_of_each_connection(office: RunningLab, fault: str, answered: int) -> None:
    office.break_(WS, fault)

    async def visit() -> int:
        done = 0
        async with office.visit(WS) as connection, connection.start_sftp_client() as sftp:
            with contextlib.suppress(*LOST):
                while done < 10:
                    await sftp.lstat(SETTINGS)
                    done += 1
        return done

    assert [asyncio.run(visit()) for _ in range(2)] == [answered, answered]


@pytest.mark.parametrize(("fault", "renamed"), [("drop-after", True), ("drop-before", False)])
def test_the_dropped_request_is_carried_out_or_not(office: RunningLab, fault: str, renamed: bool) -> None:
    """The fourth request is the rename: after open, write and close."""
    before = office.file(WS).read_bytes()
    office.break_(WS, f"{fault}=4")

    async def replace(sftp: asyncssh.SFTPClient) -> None:
        async with sftp.open("/impact-emploi/.new", _NEW, encoding=None) as file:
            await file.write(b"new\n")
        with pytest.raises(LOST):
            await sftp.posix_rename("/impact-emploi/.new", SETTINGS)

    over_sftp(office, replace)
    assert office.file(WS).read_bytes() == (b"new\n" if renamed else before)
    assert office.file(WS, "/impact-emploi/.new").exists() is not renamed


@pytest.mark.parametrize("kind", ["program", "forward"])
def test_programs_and_forwarded_connections_count_too(office: RunningLab, kind: str) -> None:
    office.break_(WS, "drop-before=2")
    server = int(office.info.authentication_url.rpartition(":")[2])

    async def visit() -> None:
        async with office.visit(WS) as connection:
            for wait in (False, True):
                if kind == "program":
                    ended = await connection.run("nothing")
                    assert wait or ended.exit_status == 127
                    if ended.exit_status is None:
                        raise asyncssh.ConnectionLost("no exit status")
                else:
                    _, writer = await connection.open_connection("localhost", server)
                    writer.close()

    with pytest.raises(LOST):
        asyncio.run(visit())


def test_read_only_refuses_every_write_as_openssh_does(office: RunningLab) -> None:
    before = office.file(WS).read_bytes()
    office.break_(WS, "read-only")

    async def write(sftp: asyncssh.SFTPClient) -> None:
        for refused in (
            sftp.open(SETTINGS, "wb"),
            sftp.open("/impact-emploi/.new", _NEW),
            sftp.posix_rename(SETTINGS, "/impact-emploi/x"),
            sftp.rename(SETTINGS, "/impact-emploi/x"),
            sftp.remove(SETTINGS),
            sftp.mkdir("/iea-fleet"),
            sftp.chmod(SETTINGS, 0o600),
        ):
            with pytest.raises(asyncssh.SFTPPermissionDenied, match="Permission denied"):
                await refused
        assert await read(sftp) == before

    over_sftp(office, write)
    assert office.file(WS).read_bytes() == before


def test_disk_full_takes_no_byte_and_shows_no_space(office: RunningLab) -> None:
    office.break_(WS, "disk-full")

    async def write(sftp: asyncssh.SFTPClient) -> None:
        assert (await sftp.statvfs("/")).bavail == 0
        file = await sftp.open("/impact-emploi/.new", _NEW, encoding=None)
        with pytest.raises(asyncssh.SFTPFailure, match="Failure"):
            await file.write(b"x")
        await file.close()
        with pytest.raises(asyncssh.SFTPFailure):
            await sftp.mkdir("/iea-fleet")
        await sftp.remove("/impact-emploi/.new")

    over_sftp(office, write)
    state = office.file(WS, STATE).read_bytes()

    async def relaunch() -> asyncssh.SSHCompletedProcess:
        async with office.visit(WS) as connection:
            return await connection.run(RELAUNCH)

    ended = asyncio.run(relaunch())
    assert ended.exit_status == 1
    assert "No space left" in str(ended.stderr)
    assert office.file(WS, STATE).read_bytes() == state


def test_edited_is_always_seen_and_put_back(office: RunningLab) -> None:
    wanted(office)
    before = office.file(WS).read_bytes()
    office.break_(WS, "edited")
    assert office.file(WS).read_bytes() == before.replace(b"=O", b"=N")
    office.break_(WS, "edited")
    assert office.file(WS).read_bytes() == before.replace(b"=O", b"=N").replace(b"/updates", b"")
    with pytest.raises(LabError, match="already"):
        office.break_(WS, "edited")
    office.mend(WS)
    assert office.file(WS).read_bytes() == before


def test_port_80_leads_both_addresses_to_port_80(office: RunningLab) -> None:
    wanted(office)
    before = office.file(WS).read_bytes()
    office.break_(WS, "port-80")
    text = office.file(WS).read_text("latin-1")
    assert "serveur.authentification=https://localhost:80\n" in text
    assert "serveur.maj=https://localhost:80/updates\n" in text
    assert text.startswith("# à garder\n")
    office.mend(WS)
    assert office.file(WS).read_bytes() == before


def test_mend_leaves_what_was_written_since(office: RunningLab) -> None:
    office.break_(WS, "edited")
    office.break_(WS, "assistance")
    wanted(office)
    pushed = office.file(WS).read_bytes()
    office.mend(WS)
    assert office.file(WS).read_bytes() == pushed
    assert office.state(WS) != "assistance"


def test_faults_of_one_file_are_mended_in_turn(office: RunningLab) -> None:
    before = {path: office.file(WS, path).read_bytes() for path in (SETTINGS, STATE)}
    mode = office.file(WS).stat().st_mode
    for fault in ("edited", "port-80", "garbage", "assistance", "refused", "iea-open", "read-only", "slow=5"):
        office.break_(WS, fault)
    assert len(office.faults(WS)) == 8
    assert office.file(WS, "/impact-emploi/ImpactEmploi.lock").exists()
    office.mend(WS)
    assert {path: office.file(WS, path).read_bytes() for path in before} == before
    assert office.file(WS).stat().st_mode == mode
    assert not office.file(WS, "/impact-emploi/ImpactEmploi.lock").exists()
    assert office.faults(WS) == ()


def test_garbage_cannot_be_read(office: RunningLab) -> None:
    office.break_(WS, "garbage")
    with pytest.raises(SettingsFormatError):
        format_named("properties").read(office.file(WS).read_bytes(), ["connexion.securisee"], "latin-1")
    with pytest.raises(LabError, match=f"mend {WS} first"):
        office.break_(WS, "edited")
    assert office.faults(WS) == ("garbage",)


@pytest.mark.parametrize(
    ("fault", "state"), [("refused", "refus"), ("licence", "licence"), ("assistance", "assistance")]
)
def test_states_are_shown_at_once_and_taken_back(office: RunningLab, fault: str, state: str) -> None:
    before = office.file(WS, STATE).read_bytes()
    office.break_(WS, fault)
    assert office.state(WS) == state
    office.mend(WS)
    assert office.file(WS, STATE).read_bytes() == before


def test_a_new_host_key_is_another_one_until_mended(office: RunningLab) -> None:
    office.break_(WS, "new-host-key")
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        over_sftp(office, read)
    office.mend(WS)
    assert over_sftp(office, read)


def test_one_workstation_s_fault_is_not_another_s(office: RunningLab) -> None:
    office.break_("nancy-01", "offline")
    office.break_("nancy-02", "drop-before=1")
    assert over_sftp(office, read)


def test_names_that_nobody_knows(office: RunningLab) -> None:
    with pytest.raises(LabError, match="did you mean nancy-01"):
        office.break_("nancy-1", "offline")
    with pytest.raises(LabError, match="did you mean"):
        office.mend("x")
    with pytest.raises(LabError, match="known are offline"):
        office.break_(WS, "explode")
    with pytest.raises(LabError, match="servers"):
        office.break_(WS, "servers-down")
    with pytest.raises(LabError, match="servers"):
        office.break_("servers", "offline")
    assert office.faults(WS) == ()


def test_commands_without_the_token_are_not_answered(office: RunningLab) -> None:
    found = contact(office.directory)
    assert found is not None
    assert found.pid == office.info.pid
    assert (office.directory / "lab.lock").stat().st_mode & 0o077 == 0
    for said in (b'{"do": "status", "token": "guess"}\n', b'{"do": "status"}\n', b"[]\n", b"nonsense\n", b"\n"):
        with socket.create_connection(("127.0.0.1", found.port), timeout=5) as connection:
            connection.sendall(said)
            assert connection.recv(100) == b""
    assert lab.status(office.directory) is not None
