"""OpenSSH for Windows as the lab plays it, looked at with asyncssh's client, alone and as part of a lab."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import asyncssh
import pytest
from lab_visits import LOST
from labs import RunningLab, running_lab
from windows_batches import (
    COMMAND,
    FOLDER,
    NEW,
    OLD,
    PRIVATE,
    SETTINGS,
    Machine,
    answers,
    line,
    replace,
    stdin,
)

from iea_fleet.errors import LabError
from iea_fleet.lab.faults import Fault
from iea_fleet.lab.windows_ssh import WindowsSshWorkstation

KEY = asyncssh.generate_private_key("ssh-ed25519")
FAR = f"/{SETTINGS}"
Result = TypeVar("Result")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "nancy-01")
    made.at(PRIVATE).mkdir(mode=0o700)
    return made


@contextlib.asynccontextmanager
async def served(machine: Machine, *faults: Fault) -> AsyncIterator[WindowsSshWorkstation]:
    server = WindowsSshWorkstation(machine.workstation, machine.outside, KEY.convert_to_public())
    server.open()
    for fault in faults:
        server.spoil(fault)
    try:
        yield server
    finally:
        server.close()


@contextlib.asynccontextmanager
async def visited(server: WindowsSshWorkstation) -> AsyncIterator[asyncssh.SSHClientConnection]:
    said = {"username": "iea-admin", "client_keys": [KEY], "config": None, "agent_path": None}
    known = ([asyncssh.import_public_key(server.host_key)], [], [])
    async with asyncssh.connect("127.0.0.1", server.port, known_hosts=known, **said) as connection:
        yield connection


def over_sftp(machine: Machine, do: Callable[[asyncssh.SFTPClient], Awaitable[Result]]) -> Result:
    async def visit() -> Result:
        async with (
            served(machine) as server,
            visited(server) as connection,
            connection.start_sftp_client(sftp_version=3) as sftp,
        ):
            return await do(sftp)

    return asyncio.run(visit())


def ran(machine: Machine, command: str, sent: bytes, *faults: Fault) -> asyncssh.SSHCompletedProcess:
    async def visit() -> asyncssh.SSHCompletedProcess:
        async with served(machine, *faults) as server, visited(server) as connection:
            return await connection.run(command, input=sent, encoding=None, timeout=20)

    return asyncio.run(visit())


def test_paths_are_those_of_windows(machine: Machine) -> None:
    async def look(sftp: asyncssh.SFTPClient) -> None:
        assert await sftp.realpath(".") == "/C:/Users/iea-admin"
        assert await sftp.realpath("C:\\ProgramData\\nowhere") == "/C:/ProgramData/nowhere"
        assert await sftp.realpath("/") == "/"
        assert sorted(await sftp.listdir("/")) == [".", "..", "C:"]
        for path in (
            FAR,
            SETTINGS,
            SETTINGS.replace("/", "\\"),
            FAR.upper(),
            "/__PROGRAMDATA__/ImpactEmploi/../ImpactEmploi/connexion.properties",
        ):
            assert (await sftp.stat(path)).size == len(OLD)
        for path in ("/etc/passwd", "/../../etc/passwd", "/HKLM.json", "/C:/a:b", "/C:/../../etc/passwd"):
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await sftp.stat(path)

    over_sftp(machine, look)


def test_neither_owner_nor_rights_are_told(machine: Machine) -> None:
    machine.at(SETTINGS).chmod(0o600)

    async def look(sftp: asyncssh.SFTPClient) -> None:
        for path, mode in ((FAR, 0o100600), (f"/{FOLDER}/etat.properties", 0o100600), (f"/{FOLDER}", 0o40700)):
            told = await sftp.lstat(path)
            assert (told.permissions, told.uid, told.gid) == (mode, 0, 0)
        async with sftp.open(FAR, "rb") as file:
            assert (await file.stat()).permissions == 0o100600
        with pytest.raises(asyncssh.SFTPFailure):
            await sftp.chown(FAR, 1000, 1000)
        await sftp.chmod(FAR, 0o755)

    over_sftp(machine, look)
    assert machine.at(SETTINGS).stat().st_mode & 0o777 == 0o600


def test_chmod_is_the_read_only_attribute_which_keeps_a_file_from_being_renamed(machine: Machine) -> None:
    async def look(sftp: asyncssh.SFTPClient) -> None:
        await sftp.chmod(FAR, 0o444)
        assert (await sftp.stat(FAR)).permissions == 0o100400
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await sftp.posix_rename(FAR, f"{FAR}.old")
        await sftp.chmod(FAR, 0o644)
        await sftp.posix_rename(FAR, f"{FAR}.old")

    over_sftp(machine, look)
    assert machine.at(f"{SETTINGS}.old").read_bytes() == OLD


def test_a_new_file_has_the_rights_of_its_folder_whatever_was_asked(machine: Machine) -> None:
    async def write(sftp: asyncssh.SFTPClient) -> None:
        for folder in (FOLDER, PRIVATE):
            async with sftp.open(f"/{folder}/new", "wb", asyncssh.SFTPAttrs(permissions=0o640)) as file:
                await file.write(b"1")
                await file.fsync()
            await sftp.mkdir(f"/{folder}/more", asyncssh.SFTPAttrs(permissions=0o711))

    over_sftp(machine, write)
    modes = [
        machine.at(f"{folder}/{name}").stat().st_mode & 0o777
        for folder in (FOLDER, PRIVATE)
        for name in ("new", "more")
    ]
    assert modes == [0o644, 0o755, 0o600, 0o700]


def test_a_file_that_somebody_holds_open_is_neither_replaced_nor_removed(machine: Machine) -> None:
    async def look(sftp: asyncssh.SFTPClient) -> None:
        async with sftp.open(f"/{FOLDER}/new", "wb") as file:
            await file.write(b"1")
        async with sftp.open(FAR, "rb"):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.posix_rename(f"/{FOLDER}/new", FAR)
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.remove(FAR)
            with pytest.raises(asyncssh.SFTPFailure):
                await sftp.open(FAR, "r+b")
            ended = await machine.ended(stdin(replace(SETTINGS, NEW, OLD)))
            assert answers(ended.stdout)[0][1]["code"] == b"busy"
        await sftp.posix_rename(f"/{FOLDER}/new", FAR)
        with pytest.raises(asyncssh.SFTPFailure):
            await sftp.rename(f"/{FOLDER}/etat.properties", FAR)

    over_sftp(machine, look)
    assert not +machine.workstation.open_files


@pytest.mark.parametrize("shell", ["cmd", "powershell"])
def test_the_agent_goes_through_either_shell_and_other_words_are_refused(machine: Machine, shell: str) -> None:
    async def visit() -> None:
        async with served(machine) as server, visited(server) as connection:
            server.shell = shell  # type: ignore[assignment]
            assert connection.get_extra_info("server_version") == "SSH-2.0-OpenSSH_for_Windows_9.5"
            sent = stdin(replace(SETTINGS, NEW, OLD))
            done = await connection.run(COMMAND, input=sent, encoding=None, timeout=20)
            assert (done.exit_status, done.stderr) == (0, b"")
            assert answers(done.stdout)[0][0] == "done"
            # It does not wait for an end of its input.
            refused = await connection.run("ls /", timeout=20)
            assert refused.exit_status == 1
            assert {"cmd": "internal or external command", "powershell": "cmdlet"}[shell] in refused.stderr
            torn = await connection.run(COMMAND, input=sent[:-40], encoding=None, timeout=20)
            # PowerShell as the default shell hands on no exit code but 0 and 1, so the bootstrap prints its own too.
            assert (torn.exit_status, torn.stdout) == ({"cmd": 90, "powershell": 1}[shell], b"IEA1-90\r\n")

    asyncio.run(visit())


def test_half_of_the_workstations_have_powershell_for_their_shell(tmp_path: Path) -> None:
    async def shells() -> list[str]:
        found = []
        for number in range(1, 9):
            machine = Machine(tmp_path / str(number))
            machine.workstation.name = f"nancy-{number:02}"
            async with served(machine) as server:
                found.append(server.shell)
        return found

    assert sorted(asyncio.run(shells())) == ["cmd"] * 4 + ["powershell"] * 4


@pytest.mark.parametrize("kind", ["drop-before", "drop-after", "die-after"])
def test_a_process_dies_with_its_connection(tmp_path: Path, kind: str) -> None:
    """At every step: what it had written stays, what it would have written next is not written."""
    for number in range(1, 12):
        machine = Machine(tmp_path / f"{number}")
        machine.at(PRIVATE).mkdir(mode=0o700)
        try:
            ended = ran(machine, COMMAND, stdin(replace(SETTINGS, NEW, OLD)), Fault(kind, number))
        except LOST:
            assert (machine.at(SETTINGS).exists() and machine.at(SETTINGS).read_bytes() in (OLD, NEW)) or machine.at(
                f"{PRIVATE}/connexion.properties.0"
            ).read_bytes() == OLD
        else:
            # Without an exit status the connection ended in the middle.
            if ended.exit_status == 0:
                break
            assert ended.stdout == b""
    assert number > 5
    assert machine.at(SETTINGS).read_bytes() == NEW


def test_a_client_that_has_gone_takes_its_process_along(machine: Machine) -> None:
    async def visit() -> None:
        async with served(machine, Fault("slow-powershell", 300)) as server:
            async with visited(server) as connection:
                process = await connection.create_process(COMMAND, encoding=None)
                process.stdin.write(stdin(replace(SETTINGS, NEW, OLD)))
                process.stdin.write_eof()
                await asyncio.sleep(0.1)
                connection.abort()
            await asyncio.sleep(0.5)

    asyncio.run(visit())
    assert machine.at(SETTINGS).read_bytes() == OLD
    assert len(machine.left()) == 3


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    kinds = ("ssh-windows", "ssh")
    with running_lab(tmp_path_factory.mktemp("windows"), 2, 1, kinds=kinds) as running:
        yield running


@pytest.fixture
def network(module_lab: RunningLab) -> Iterator[RunningLab]:
    with module_lab.restored() as restored:
        yield restored


WINDOWS, POSIX = "nancy-01", "nancy-02"


def in_lab(network: RunningLab, *requests: str) -> list[tuple[str, dict[str, bytes]]]:
    async def visit() -> asyncssh.SSHCompletedProcess:
        async with network.visit(WINDOWS) as connection:
            return await connection.run(COMMAND, input=stdin(*requests), encoding=None, timeout=20)

    ended = asyncio.run(visit())
    assert ended.exit_status == 0, ended.stderr
    return answers(ended.stdout)


def test_a_hand_changes_files_of_windows_and_mending_undoes_it(network: RunningLab) -> None:
    settings = network.file(WINDOWS)
    assert settings.relative_to(network.directory).as_posix() == f"workstations/{WINDOWS}/{SETTINGS}"
    before = settings.read_bytes()
    for fault, path in {
        "edited": SETTINGS,
        "garbage": SETTINGS,
        "assistance": f"{FOLDER}/etat.properties",
        "iea-open": f"{FOLDER}/ImpactEmploi.lock",
        "planted-run": f"{PRIVATE}/run.json",
    }.items():
        network.break_(WINDOWS, fault)
        ((word, _),) = in_lab(network, line("read_file", path=path, limit=9999))
        assert word == "content"
        network.mend(WINDOWS)
    network.break_(WINDOWS, "port-80")
    assert b"localhost:80" in settings.read_bytes()
    network.mend(WINDOWS)
    assert settings.read_bytes() == before
    assert not network.file(WINDOWS, "/iea-fleet/run.json").exists()


def test_relaunching_does_what_the_settings_say(network: RunningLab) -> None:
    url = network.info.authentication_url
    text = f"connexion.securisee=O\nserveur.authentification={url}\nserveur.maj={url}/updates\n"
    network.file(WINDOWS).write_text(text, "latin-1")
    act = line(
        "run_action", program=f"{FOLDER}/maintenance.exe", arguments="relancer", stdin="", timeout=10, reads="no"
    )
    address = line("open_url", url=f"{url}/updates", timeout="5", roots="")
    ran_, reached = in_lab(network, act, address)
    assert ran_[1]["stdout"] == b"connected\r\n"
    assert reached[0] == "reached"
    assert network.state(WINDOWS) == "connecte"
    network.break_(WINDOWS, "refused")
    assert in_lab(network, act)[0][1]["stdout"] == b"refused\r\n"


def test_a_stale_run_is_cut_off_at_the_settings_beside_a_run_file(network: RunningLab) -> None:
    network.break_(WINDOWS, "stale-run")
    old = network.file(WINDOWS).read_bytes()
    make = line("make_folder", path=PRIVATE, private="yes")
    said = in_lab(network, make, replace(SETTINGS, NEW, old), replace(f"{PRIVATE}/run.json", b"{}", None))
    assert [word for word, _ in said] == ["done"] * 3
    with pytest.raises(AssertionError):
        in_lab(network, replace(SETTINGS, OLD, NEW), replace(f"{PRIVATE}/run.json", b"", b"{}"))
    assert network.file(WINDOWS).read_bytes() == OLD
    assert network.file(WINDOWS, "/iea-fleet/run.json").read_bytes() == b"{}"
    assert network.faults(WINDOWS) == ()


def test_what_only_windows_can_have_is_refused_elsewhere(network: RunningLab) -> None:
    with pytest.raises(LabError, match="no Windows workstation"):
        network.break_(POSIX, "antivirus")
    network.break_(WINDOWS, "antivirus")
    old = network.file(WINDOWS).read_bytes()
    in_lab(network, line("make_folder", path=PRIVATE, private="yes"))
    assert in_lab(network, replace(SETTINGS, NEW, old))[0][1]["code"] == b"busy"
