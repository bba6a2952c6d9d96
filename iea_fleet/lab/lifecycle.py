"""Start, stop and change a lab: what ``iea-fleet lab`` does, as functions that return data."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iea_fleet.errors import LabError
from iea_fleet.lab.control import LOCK, LOG, ask, contact, is_running, take_lock
from iea_fleet.lab.kinds import Kind

MOST_WORKSTATIONS = 2000
_START = 60.0
_STOP = 10.0
_EXTRAS = ("asyncssh", "trustme")


@dataclass(frozen=True, slots=True)
class WorkstationInfo:
    """One workstation of a running lab; ``faults`` as a person writes them.

    ``exchanges``: how often it was asked over HTTP, which is the language of WinRM.
    """

    name: str
    office: str
    port: int
    kind: Kind
    exchanges: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """One account of the portal: open, locked, expired or unregistered; refusals in a row; how often it was judged."""

    name: str
    state: str
    refusals: int
    asked: int


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """The Net-Entreprises service: the address of the proxy before it, its faults, and what it has counted.

    ``repeated_refusals``: how often a password was sent that the same account had refused before.
    """

    proxy: str
    faults: tuple[str, ...]
    requests: int
    repeated_refusals: int
    accounts: tuple[AccountInfo, ...]

    def account(self, name: str) -> AccountInfo:
        """The account of this name. KeyError when there is none."""
        return {one.name: one for one in self.accounts}[name]


@dataclass(frozen=True, slots=True)
class LabInfo:
    """A running lab. ``servers_down`` is the one fault of the IEA servers."""

    directory: Path
    inventory: Path
    pid: int
    authentication_url: str
    update_url: str
    servers_down: bool
    net_entreprises: ServiceInfo
    workstations: tuple[WorkstationInfo, ...]

    def workstation(self, name: str) -> WorkstationInfo:
        """The workstation of this name. KeyError when there is none."""
        return {one.name: one for one in self.workstations}[name]


def up(directory: Path, offices: int = 3, workstations: int = 6, kinds: Sequence[Kind] = ()) -> LabInfo:
    """Start a lab in the background and return when everything answers. ``kinds`` are those of the workstations.

    LabError when one already runs there, when the folder holds something else, or when it cannot start; nothing
    stays behind then.
    """
    _need_extras()
    if not 1 <= workstations <= MOST_WORKSTATIONS:
        raise LabError(f"a lab has 1 to {MOST_WORKSTATIONS} workstations, not {workstations}")
    if not 1 <= offices <= workstations:
        raise LabError(f"{offices} offices cannot share {workstations} workstations", "each office needs at least one")
    directory = directory.resolve()
    lock = _claim(directory)
    try:
        posix: list[Kind] = ["ssh"] * workstations
        return _start(directory, offices, kinds or posix, lock)
    finally:
        os.close(lock)


def down(directory: Path, patience: float = 10.0) -> int | None:
    """Stop the lab of this folder and wait until its process is gone. Its number, or None when none ran.

    After ``patience`` seconds it is ended by force. LabError when it cannot be stopped.
    """
    directory = directory.resolve()
    found = contact(directory)
    if found is None:
        return None
    try:
        _end(found.pid, patience, directory)
    except PermissionError as error:
        raise LabError(f"process {found.pid} is not yours to stop", "ask whoever started the lab") from error
    if is_running(directory):
        raise LabError(f"the lab in {directory} does not stop", f"end process {found.pid} yourself")
    return found.pid


def status(directory: Path) -> LabInfo | None:
    """The lab of this folder, or None when none runs. LabError when it does not answer."""
    directory = directory.resolve()
    try:
        return _info(directory, ask(directory, {"do": "status"}))
    except LabError:
        if is_running(directory):
            raise
        return None


def break_(directory: Path, workstation: str, fault: str) -> LabInfo:
    """Bring a fault (see ``FAULTS``, ``SERVICE_FAULTS``) over a workstation or server. LabError for an unknown one."""
    directory = directory.resolve()
    return _info(directory, ask(directory, {"do": "break", "workstation": workstation, "fault": fault}))


def mend(directory: Path, workstation: str) -> LabInfo:
    """End all faults of a workstation, of ``servers`` or of ``net-entreprises``. What was pushed since stays."""
    directory = directory.resolve()
    return _info(directory, ask(directory, {"do": "mend", "workstation": workstation}))


def change_account(directory: Path, account: str, verb: str, password: str = "") -> LabInfo:
    """Do what a person does to an account at the portal (see ``CHANGES`` of ``lab.portal``).

    LabError for an unknown account, or a password that the portal does not take.
    """
    directory = directory.resolve()
    asked = {"do": "portal", "account": account, "verb": verb, "password": password}
    return _info(directory, ask(directory, asked))


def _need_extras() -> None:
    missing = [name for name in _EXTRAS if importlib.util.find_spec(name) is None]
    if missing:
        raise LabError(f"the lab needs {' and '.join(missing)}", 'pip install "iea-fleet[lab]"')


def _claim(directory: Path) -> int:
    """The lock of a folder that is, or becomes, a lab's."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / LOCK).exists() and any(directory.iterdir()):
            raise LabError(f"{directory} holds something else", "name an empty or a new folder with --dir")
        lock = take_lock(directory)
    except OSError as error:
        raise LabError(f"{directory} cannot be used: {error.strerror}", "name another folder with --dir") from error
    if lock is None:
        raise LabError(f"a lab already runs in {directory}", f"stop it: iea-fleet lab down --dir {directory}")
    os.ftruncate(lock, 0)
    return lock


def _start(directory: Path, offices: int, kinds: Sequence[Kind], lock: int) -> LabInfo:
    hear, tell = os.pipe()
    process: int | None = None
    try:
        os.set_inheritable(lock, True)
        os.set_inheritable(tell, True)
        try:
            process = _spawn(directory, str(offices), json.dumps(kinds), str(lock), str(tell))
        finally:
            os.close(tell)
        said = json.loads(_read_all(hear) or b"{}")
        if "workstations" not in said:
            raise LabError(*said.get("error", (f"the lab did not start: {_last_line(directory)}",)))
        return _info(directory, said)
    except BaseException:
        # Ctrl-C too: nobody would know of a process that was started by half.
        if process is not None:
            _end(process, _STOP)
        raise
    finally:
        os.close(hear)


def _spawn(directory: Path, *arguments: str) -> int:
    # Not subprocess: its object warns, and keeps a zombie, when the child is meant to outlive it.
    journal = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "iea_fleet.lab.daemon", str(directory), *arguments],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(directory / LOG), journal, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _read_all(descriptor: int) -> bytes:
    """Everything until the other end is closed. LabError when that takes longer than a minute."""
    until, said = time.monotonic() + _START, b""
    while select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(descriptor, 65536)
        if not part:
            return said
        said += part
    raise LabError("the lab is not ready after a minute", "ask for fewer workstations")


def _end(process: int, patience: float, directory: Path | None = None) -> None:
    """Ask a process to end, wait, and end it by force when it does not; reaped if it is our child.

    With a directory, a lock that is free there is enough: a process that nobody reaps keeps its number.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
        until = time.monotonic() + patience
        while not _is_gone(process) and time.monotonic() < until:
            if directory is not None and not is_running(directory):
                until = min(until, time.monotonic() + 1.0)
            time.sleep(0.01)
        if _is_gone(process) or (directory is not None and not is_running(directory)):
            return


def _is_gone(process: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(process, os.WNOHANG)[0] == process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def _last_line(directory: Path) -> str:
    try:
        lines = (directory / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing"


def _info(directory: Path, said: dict[str, Any]) -> LabInfo:
    workstations = tuple(WorkstationInfo(**{**one, "faults": tuple(one["faults"])}) for one in said["workstations"])
    service = said["net_entreprises"]
    accounts = tuple(AccountInfo(**one) for one in service["accounts"])
    return LabInfo(
        directory,
        directory / "inventory.yml",
        said["pid"],
        said["authentication_url"],
        said["update_url"],
        said["servers_down"],
        ServiceInfo(**{**service, "faults": tuple(service["faults"]), "accounts": accounts}),
        workstations,
    )
