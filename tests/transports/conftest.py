from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sshd import SFTP_PROGRAM, Sshd

from iea_fleet.transports.ssh import SshSession, open_session


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd"), key_types=("ed25519", "ecdsa", "rsa")) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "folder"
    inner.mkdir()
    return inner


@pytest.fixture
def far() -> Callable[[Path], str]:
    """How a path here is called on the workstation."""
    return str


@pytest.fixture
def hello() -> tuple[tuple[str, ...], bytes]:
    """A program of the workstation, and what it prints."""
    return ("echo", "hello"), b"hello"


@pytest.fixture
def opened(sshd: Sshd) -> Iterator[Callable[..., SshSession]]:
    """Opens sessions on the plain server; ``server`` names another one, all else goes into the ``Reach``."""
    with contextlib.ExitStack() as stack:

        def open_one(*, read_only: bool = False, server: Sshd = sshd, **changes: Any) -> SshSession:
            sock = server.connect()
            return stack.enter_context(open_session(server.reach(**changes), sock, read_only=read_only))

        yield open_one


@pytest.fixture
def session(opened: Callable[..., SshSession]) -> SshSession:
    return opened()


@pytest.fixture(scope="session")
def unprivileged() -> Iterator[Sshd]:
    """A server whose file transfer is not root, whoever runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="iea-fleet-sshd-"))
    folder.chmod(0o755)
    lowered = "setpriv --reuid=65534 --regid=65534 --clear-groups " if os.geteuid() == 0 else ""
    try:
        with Sshd(folder / "server", Subsystem=f"sftp {lowered}{SFTP_PROGRAM}") as server:
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Every test ends with the threads and file descriptors it began with."""

    def held() -> tuple[set[threading.Thread], int]:
        return set(threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))

    threads, files = held()
    yield
    limit = time.monotonic() + 3
    while True:
        now_threads, now_files = held()
        if (now_threads <= threads and now_files <= files) or time.monotonic() > limit:
            break
        time.sleep(0.02)
    assert now_threads <= threads, f"threads left: {now_threads - threads}"
    assert now_files <= files, f"{now_files - files} file descriptors left"
