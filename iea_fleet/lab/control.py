"""How the commands find the lab's process and speak with it.

``lab.lock`` in the lab's folder is locked by the process for its whole life, so that a lock which is free means a
dead lab, whatever its file says. The file says where the process listens (127.0.0.1) and holds the token, by which it
knows that who asks could read the file (0600).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iea_fleet.errors import LabError
from iea_fleet.lab.network import HOST

LOCK = "lab.lock"
LOG = "lab.log"
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Contact:
    """What the lock file says."""

    pid: int
    port: int
    token: str

    def write(self, lock: int) -> None:
        """Into the lock file that this process holds open."""
        content = json.dumps(asdict(self)).encode()
        os.ftruncate(lock, 0)
        os.pwrite(lock, content, 0)


def take_lock(directory: Path) -> int | None:
    """The locked lock file, or None while a lab holds it. Its maker and every process that inherits it hold it."""
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if _locked(lock, fcntl.LOCK_EX):
        return lock
    os.close(lock)
    return None


def is_running(directory: Path) -> bool:
    """Whether a process holds the lock of this folder."""
    try:
        lock = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with contextlib.closing(os.fdopen(lock)):
        return not _locked(lock, fcntl.LOCK_SH)


def contact(directory: Path) -> Contact | None:
    """How to reach the lab of this folder; None when none runs. LabError when it does not come up."""
    waited_until = time.monotonic() + _PATIENCE
    while is_running(directory):
        try:
            return Contact(**json.loads((directory / LOCK).read_bytes()))
        except (ValueError, TypeError):
            # Still starting: the lock is taken first, the content follows when everything answers.
            if time.monotonic() > waited_until:
                raise LabError(f"the lab in {directory} does not finish starting", f"see {directory / LOG}") from None
            time.sleep(0.05)
    return None


def ask(directory: Path, request: Mapping[str, str]) -> dict[str, Any]:
    """Ask the running lab one thing. LabError when none runs, when it is silent, or with what it refuses."""
    found = contact(directory)
    if found is None:
        raise LabError(f"no lab runs in {directory}", f"start one: iea-fleet lab up --dir {directory}")
    try:
        with socket.create_connection((HOST, found.port), timeout=_PATIENCE) as connection:
            connection.sendall(json.dumps({**request, "token": found.token}).encode() + b"\n")
            with connection.makefile("rb") as said:
                answer = json.loads(said.read())
    except (OSError, ValueError) as error:
        raise LabError(f"the lab in {directory} does not answer", f"see {directory / LOG}, or stop it") from error
    if "error" in answer:
        raise LabError(*answer["error"])
    return dict(answer)


def _locked(lock: int, kind: int) -> bool:
    # A command that only looks holds the lock for an instant: look again before believing that a lab has it.
    for attempt in range(3):
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if kind == fcntl.LOCK_SH or attempt == 2:
                return False
            time.sleep(0.02)
        else:
            return True
    return False
