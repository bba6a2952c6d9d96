"""Connections that are cut or silent at every point, disks that are full, rights that are missing."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback import CuttingProxy, Loopback, hanging_up, saying, silent
from sshd import SFTP_PROGRAM, Sshd

from iea_fleet.errors import BrokenError, NotLetInError, TransportError
from iea_fleet.model.request import (
    Done,
    Failed,
    FileContent,
    MakeFolder,
    Ran,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    RunAction,
    Stat,
    digest,
)
from iea_fleet.transports.ssh import SshSession, open_session

OLD, NEW = b"old content\r\n" * 50, b"new content\r\n" * 4000


def visit(sshd: Sshd, sock: socket.socket, file: Path, **changes: object) -> None:
    """What a run does at most: read, replace, read again."""
    with open_session(sshd.reach(**changes), sock, read_only=False) as session:
        (before,) = session.carry_out([ReadFile(str(file))])
        assert isinstance(before, FileContent)
        assert session.carry_out([ReplaceFile(str(file), NEW, before.digest)]) == [Done(digest(NEW))]
        session.carry_out([ReadFile(str(file))])


def bytes_of_a_visit(sshd: Sshd, file: Path) -> int:
    with CuttingProxy(sshd.port, 1 << 40) as proxy:
        visit(sshd, proxy.connect(), file)
        return proxy.passed


def test_cut_anywhere_the_file_is_the_old_or_the_new_one(sshd: Sshd, folder: Path) -> None:
    file = folder / "file"
    file.write_bytes(OLD)
    total = bytes_of_a_visit(sshd, file)
    outcomes = set()
    for cut in [0, 1, 10, 50, *range(100, total - 200, max(1, total // 60))]:
        file.write_bytes(OLD)
        with CuttingProxy(sshd.port, cut) as proxy, pytest.raises(TransportError) as caught:
            visit(sshd, proxy.connect(), file)
        assert caught.value.code == "connection_lost", cut
        outcomes.add(file.read_bytes())
    assert outcomes == {OLD, NEW}
    file.write_bytes(OLD)
    visit(sshd, sshd.connect(), file)
    assert [each.name for each in folder.iterdir()] == ["file"], "the next contact removes what was left"


def test_silent_anywhere_ends_by_the_timeout(sshd: Sshd, folder: Path) -> None:
    file = folder / "file"
    file.write_bytes(OLD)
    total = bytes_of_a_visit(sshd, file)
    for cut in [0, 100, 1000, *range(1500, total - 200, max(1, total // 6))]:
        file.write_bytes(OLD)
        started = time.monotonic()
        with CuttingProxy(sshd.port, cut, silent_after=True) as proxy, pytest.raises(BrokenError) as caught:
            visit(sshd, proxy.connect(), file, timeout=0.4)
        assert caught.value.code == "went_silent", cut
        assert time.monotonic() - started < 3
        assert file.read_bytes() in (OLD, NEW)


def test_the_deadline_ends_every_wait(sshd: Sshd, opened: Callable[..., SshSession]) -> None:
    session = opened(deadline=1.0)
    started = time.monotonic()
    with pytest.raises(BrokenError) as caught:
        session.carry_out([RunAction(("sleep", "30"), timeout=30)])
    assert caught.value.code == "deadline_passed"
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("behave", "codes"),
    [
        (silent, {"went_silent"}),
        (hanging_up, {"connection_lost"}),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 60), {"not_ssh"}),
        (saying(b"SSH-1.5-old\r\n"), {"no_common_algorithm"}),
        (saying(b"SSH-2.0-x\r\n" + b"\x00\x00\x00\x0c\x0a" + b"garbage" * 50), {"protocol_error", "connection_lost"}),
        (saying(b"SSH-2.0-x\r\n" + b"\xff" * 400), {"protocol_error", "connection_lost", "went_silent"}),
    ],
    ids=["silent", "hangs up", "http", "ssh 1", "garbage packet", "endless packet"],
)
def test_what_is_no_ssh_server(sshd: Sshd, behave: Callable[[socket.socket], None], codes: set[str]) -> None:
    with Loopback(behave) as server, pytest.raises(BrokenError) as caught:
        open_session(sshd.reach(timeout=0.5), server.connect(), read_only=True)
    assert caught.value.code in codes


def test_paramiko_prints_nothing(sshd: Sshd, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), Loopback(hanging_up) as server, pytest.raises(TransportError):
        open_session(sshd.reach(timeout=0.5), server.connect(), read_only=True)
    assert not caplog.records


def test_a_login_script_that_prints_is_told(tmp_path: Path) -> None:
    with (
        Sshd(tmp_path, Subsystem="sftp /bin/echo 'Welcome to this machine, all is logged here'") as server,
        open_session(server.reach(), server.connect(), read_only=True) as session,
        pytest.raises(BrokenError) as caught,
    ):
        session.carry_out([Stat("/")])
    assert caught.value.code in ("protocol_error", "connection_lost")


def test_a_server_without_sftp(tmp_path: Path) -> None:
    with (
        Sshd(tmp_path, Subsystem="other internal-sftp") as server,
        open_session(server.reach(), server.connect(), read_only=True) as session,
    ):
        with pytest.raises(BrokenError) as caught:
            session.carry_out([Stat("/")])
        assert caught.value.code == "sftp_refused"
        (ran,) = session.carry_out([RunAction(("true",), reads=True)])
        assert isinstance(ran, Ran)


def test_a_server_with_no_room_for_a_session(tmp_path: Path) -> None:
    with (
        Sshd(tmp_path, MaxSessions=0) as server,
        open_session(server.reach(), server.connect(), read_only=True) as session,
        pytest.raises(BrokenError) as caught,
    ):
        session.carry_out([Stat("/")])
    assert caught.value.code == "channel_refused"


def code_of(answers: list[object]) -> str:
    (answer,) = answers
    assert isinstance(answer, Failed), answer
    return answer.reason_code


def test_rights_that_are_missing(unprivileged: Sshd, opened: Callable[..., SshSession]) -> None:
    session = opened(server=unprivileged)
    base = unprivileged.folder.parent / "rights"
    base.mkdir()
    file, closed = base / "file", base / "closed"
    try:
        file.write_bytes(b"old")
        file.chmod(0)
        closed.mkdir(mode=0o700)
        if os.geteuid() != 0:
            closed.chmod(0)
            base.chmod(0o555)
        assert code_of(session.carry_out([ReadFile(str(file))])) == "no_rights"
        assert code_of(session.carry_out([ReadFile(str(closed / "x"))])) == "no_rights"
        assert code_of(session.carry_out([ReplaceFile(str(file), b"new", digest(b"old"))])) == "no_rights"
        assert code_of(session.carry_out([RemoveFile(str(file), digest(b"old"))])) == "no_rights"
        assert code_of(session.carry_out([MakeFolder(str(base / "inner"))])) == "no_rights"
        file.chmod(0o444)
        assert code_of(session.carry_out([ReplaceFile(str(file), b"new", digest(b"old"))])) == "no_rights"
        assert file.read_bytes() == b"old"
    finally:
        base.chmod(0o755)
        closed.chmod(0o700)
        shutil.rmtree(base)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_an_owner_that_cannot_be_kept(unprivileged: Sshd, opened: Callable[..., SshSession]) -> None:
    base = unprivileged.folder.parent / "owner"
    base.mkdir()
    base.chmod(0o777)
    file = base / "file"
    file.write_bytes(b"old")
    session = opened(server=unprivileged)
    assert code_of(session.carry_out([ReplaceFile(str(file), b"new", digest(b"old"))])) == "owner_not_kept"
    assert [each.name for each in base.iterdir()] == ["file"]
    assert file.read_bytes() == b"old"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_owner_and_group_are_kept(session: SshSession, folder: Path) -> None:
    file = folder / "file"
    file.write_bytes(b"old")
    os.chown(file, 1234, 4321)
    file.chmod(0o640)
    assert session.carry_out([ReplaceFile(str(file), b"new", digest(b"old"))]) == [Done(digest(b"new"))]
    found = file.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1234, 4321, 0o640)


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path: Path, folder: Path) -> None:
    program = tmp_path / "small-sftp"
    # Ignored, the signal becomes the error "file too large" in the middle of the content.
    program.write_text(f"#!/bin/sh\ntrap '' XFSZ\nulimit -f 64\nexec {SFTP_PROGRAM}\n")
    program.chmod(0o755)
    file = folder / "file"
    file.write_bytes(b"old")
    with (
        Sshd(tmp_path / "server", Subsystem=f"sftp {program}") as server,
        open_session(server.reach(), server.connect(), read_only=False) as session,
    ):
        assert code_of(session.carry_out([ReplaceFile(str(file), bytes(200_000), digest(b"old"))])) == "server_refused"
        assert session.carry_out([ReplaceFile(str(file), b"new", digest(b"old"))]) == [Done(digest(b"new"))]
    assert [each.name for each in folder.iterdir()] == ["file"]


def _own_mounts() -> tuple[str, ...]:
    """A command that starts another in its own view of mounts, if this machine lets us."""
    for command in (("unshare", "-m"), ("unshare", "-r", "-m")):
        tried = subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True)
        if tried.returncode == 0:
            return command
    return ()


_OWN_MOUNTS = _own_mounts()


@pytest.fixture
def mounted(tmp_path: Path, folder: Path) -> Callable[[str], Sshd]:
    """A server for which ``folder`` is a small disk of its own, mounted with the given options."""

    def start(options: str) -> Sshd:
        script = f"mount -t tmpfs -o size=64k,mode=755 tmpfs {folder} && printf old > {folder}/file"
        script += f" && mount -o remount,{options} {folder}" if options else ""
        wrapper = (*_OWN_MOUNTS, "sh", "-c", f'{script} && exec "$@"', "sh")
        return Sshd(tmp_path / "server", wrapped_in=wrapper)

    return start


@pytest.mark.skipif(not _OWN_MOUNTS, reason="this machine lets us mount nothing; the lab's disk-full fault covers it")
def test_a_full_disk_is_told_and_leaves_the_old_file(mounted: Callable[[str], Sshd], folder: Path) -> None:
    with mounted("") as server, open_session(server.reach(), server.connect(), read_only=False) as session:
        seen = Path(f"/proc/{server.pid}/root{folder}")
        file = str(folder / "file")
        assert code_of(session.carry_out([ReplaceFile(file, bytes(100_000), digest(b"old"))])) == "disk_full"
        assert [each.name for each in seen.iterdir()] == ["file"]
        assert (seen / "file").read_bytes() == b"old"
        assert session.carry_out([ReplaceFile(file, b"new", digest(b"old"))]) == [Done(digest(b"new"))]


@pytest.mark.skipif(not _OWN_MOUNTS, reason="this machine lets us mount nothing; the lab's read-only fault covers it")
def test_a_disk_mounted_read_only_is_told(mounted: Callable[[str], Sshd], folder: Path) -> None:
    with mounted("ro") as server, open_session(server.reach(), server.connect(), read_only=False) as session:
        change = ReplaceFile(str(folder / "file"), b"new", digest(b"old"))
        assert code_of(session.carry_out([change])) == "read_only_file_system"
        assert code_of(session.carry_out([MakeFolder(str(folder / "inner"))])) == "read_only_file_system"
        removal = RemoveFile(str(folder / "file"), digest(b"old"))
        assert code_of(session.carry_out([removal])) == "read_only_file_system"


def test_actions_give_code_and_both_outputs(session: SshSession) -> None:
    program = 'cat; echo "problem" >&2; exit 3'
    (ran,) = session.carry_out([RunAction(("sh", "-c", program), stdin=b"in\x00\xff")])
    assert ran == Ran(3, b"in\x00\xff", b"problem\n")


def test_much_input_and_output_at_once(session: SshSession) -> None:
    data = os.urandom(5_000_000)
    (ran,) = session.carry_out([RunAction(("sh", "-c", "tee /dev/stderr"), stdin=data, timeout=20)])
    assert isinstance(ran, Ran)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, data[: 1 << 20], data[: 1 << 20])


def test_input_that_nobody_reads(session: SshSession) -> None:
    (ran,) = session.carry_out([RunAction(("true",), stdin=bytes(5_000_000), timeout=20)])
    assert isinstance(ran, Ran)
    assert ran.exit_code == 0


def test_an_action_that_takes_too_long(session: SshSession) -> None:
    started = time.monotonic()
    assert code_of(session.carry_out([RunAction(("sleep", "20"), timeout=0.4)])) == "action_timeout"
    assert time.monotonic() - started < 3
    assert isinstance(session.carry_out([RunAction(("true",))])[0], Ran)


def test_an_action_ended_by_a_signal_and_one_that_is_not_there(session: SshSession) -> None:
    assert code_of(session.carry_out([RunAction(("sh", "-c", "kill -9 $$"))])) == "action_killed"
    (ran,) = session.carry_out([RunAction(("/nowhere/program",))])
    assert isinstance(ran, Ran)
    assert ran.exit_code == 127


def test_a_program_left_in_the_background_is_not_waited_for(session: SshSession) -> None:
    started = time.monotonic()
    (ran,) = session.carry_out([RunAction(("sh", "-c", "sleep 15 & echo begun"), timeout=14)])
    assert ran == Ran(0, b"begun\n", b"")
    assert time.monotonic() - started < 5


def test_not_let_in_leaves_nothing_open(sshd: Sshd) -> None:
    for _ in range(3):
        with pytest.raises(NotLetInError):
            open_session(sshd.reach(host_keys=()), sshd.connect(), read_only=True)
