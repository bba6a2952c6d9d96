"""The faults of the lab that interrupt, mislead or plant: what happens on the wire and on the disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time

import asyncssh
import pytest
from lab_visits import LOST, NEW, SETTINGS, STATE, WS, over_sftp, port
from labs import RunningLab

from iea_fleet.errors import LabError


def journal(office: RunningLab) -> str:
    return (office.directory / "lab.log").read_text(encoding="utf-8")


def count(office: RunningLab, most: int = 6) -> tuple[int, float]:
    """How many requests a connection gets answered, and after how many seconds it knows of no more."""

    async def visit() -> tuple[int, float]:
        done, start = 0, time.perf_counter()
        async with office.visit(WS) as connection, connection.start_sftp_client(sftp_version=3) as sftp:
            with contextlib.suppress(*LOST):
                while done < most:
                    start = time.perf_counter()
                    await sftp.lstat(SETTINGS)
                    done += 1
        return done, time.perf_counter() - start

    return asyncio.run(visit())


def test_a_lost_answer_was_carried_out_and_the_connection_ends_later(office: RunningLab) -> None:
    office.break_(WS, "lost-answer=2")

    async def remove_second(sftp: asyncssh.SFTPClient) -> None:
        await sftp.lstat(STATE)
        with pytest.raises(LOST):
            await sftp.remove(STATE)

    start = time.perf_counter()
    over_sftp(office, remove_second)
    assert time.perf_counter() - start >= 1.0
    assert not office.file(WS, STATE).exists()
    assert office.faults(WS) == ()
    assert count(office)[0] == 6


def test_a_restart_ends_all_connections_and_comes_back(office: RunningLab) -> None:
    office.break_(WS, "die-after=3")

    async def visit() -> None:
        async with office.visit(WS) as bystander, bystander.start_sftp_client() as other:
            assert await other.exists(SETTINGS)
            async with office.visit(WS) as connection, connection.start_sftp_client() as sftp:
                file = await sftp.open("/impact-emploi/.half", NEW, encoding=None)
                await file.write(b"half")
                with pytest.raises(LOST):
                    await file.write(b"whole", 4)
            with pytest.raises(LOST):
                await other.exists(SETTINGS)

    asyncio.run(visit())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port(office)), timeout=5)
    assert office.file(WS, "/impact-emploi/.half").read_bytes() == b"halfwhole"
    time.sleep(1.2)
    assert count(office)[0] == 6
    assert office.faults(WS) == ()


def test_a_workstation_switched_off_while_it_restarts_stays_off(office: RunningLab) -> None:
    office.break_(WS, "die-after=1")
    count(office)
    office.break_(WS, "offline")
    time.sleep(1.2)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port(office)), timeout=5)


@pytest.mark.parametrize("ends", ["client", "mended"])
def test_a_paused_request_waits_for_the_end_or_for_mending(office: RunningLab, ends: str) -> None:
    office.break_(WS, "pause-at=2")

    async def visit() -> None:
        async with office.visit(WS) as connection, connection.start_sftp_client() as sftp:
            await sftp.lstat(STATE)
            removing = asyncio.ensure_future(sftp.remove(STATE))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(removing), 0.3)
            if ends == "mended":
                await asyncio.to_thread(office.mend, WS)
                await removing
            else:
                connection.abort()
                with pytest.raises(LOST):
                    await removing

    asyncio.run(visit())
    assert f"{WS}: pauses at request 2" in journal(office)
    office.mend(WS)
    time.sleep(0.2)
    assert office.file(WS, STATE).exists() is (ends == "client")


@pytest.mark.parametrize("hours", [3, -3])
def test_a_wrong_clock_stamps_what_is_written_from_now_on(office: RunningLab, hours: int) -> None:
    untouched = office.file(WS).stat().st_mtime
    office.break_(WS, f"clock={hours:+}h")
    assert office.faults(WS) == (f"clock={hours:+}h",)

    async def write(sftp: asyncssh.SFTPClient) -> list[float]:
        await sftp.mkdir("/there")
        async with sftp.open("/there/.new", NEW, encoding=None) as file:
            await file.write(b"new")
        await sftp.posix_rename("/there/.new", "/there/new")
        return [float((await sftp.lstat(path)).mtime or 0) for path in ("/there/new", SETTINGS)]

    new, old = over_sftp(office, write)
    assert abs(new - time.time() - hours * 3600) < 10
    assert old == int(untouched)


def test_a_planted_run_is_none_of_ours_and_goes_when_mended(office: RunningLab) -> None:
    office.break_(WS, "planted-run")
    planted = office.file(WS, "/iea-fleet/run.json")
    said = json.loads(planted.read_bytes())
    assert said["files"][0]["path"] == "/etc/passwd"
    assert planted.parent.stat().st_mode & 0o777 == 0o700
    office.mend(WS)
    assert not planted.exists()


def test_a_stale_run_is_cut_off_at_the_settings_beside_a_run_file(office: RunningLab) -> None:
    office.break_(WS, "stale-run")

    async def push(sftp: asyncssh.SFTPClient) -> None:
        async with sftp.open("/impact-emploi/.new", NEW, encoding=None) as file:
            await file.write(b"new\n")
        await sftp.posix_rename("/impact-emploi/.new", SETTINGS)

    over_sftp(office, push)
    run_file = office.file(WS, "/iea-fleet/run.json")
    run_file.parent.mkdir(exist_ok=True)
    run_file.write_text("{}")
    with pytest.raises(LOST):
        over_sftp(office, push)
    assert office.file(WS).read_bytes() == b"new\n"
    over_sftp(office, push)


@pytest.mark.parametrize(
    "wrong", ["clock", "clock=3h", "clock=+3", "clock=+0h", "die-after", "pause-at=0", "stale-run=1"]
)
def test_what_a_fault_lacks_is_said(office: RunningLab, wrong: str) -> None:
    with pytest.raises(LabError):
        office.break_(WS, wrong)
    assert office.faults(WS) == ()


def test_nothing_is_carried_out_after_a_connection_was_dropped(office: RunningLab) -> None:
    """Requests that had arrived already when the connection was lost are not carried out either."""
    office.break_(WS, "drop-before=2")

    async def visit() -> None:
        async with office.visit(WS) as connection, connection.start_sftp_client() as sftp:
            asked = [sftp.lstat(SETTINGS), sftp.lstat(SETTINGS), sftp.remove(STATE), sftp.remove(SETTINGS)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            # The answer to the first one, which was carried out, may be lost with the connection.
            assert all(isinstance(answer, BaseException) for answer in answers[1:])

    asyncio.run(visit())
    assert office.file(WS, STATE).exists()
    assert office.file(WS).exists()
