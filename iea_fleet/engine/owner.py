"""Who we are to a workstation, and whether the process that began something there still runs."""

from __future__ import annotations

import getpass
import os
import platform
from functools import cache
from pathlib import Path

from iea_fleet.model.journal import Owner


def ourselves(fingerprint: str) -> Owner:
    """This process, of the history with this key on this machine."""
    return Owner(_controller(fingerprint), getpass.getuser(), platform.node(), os.getpid(), _start_of(os.getpid()))


def is_this_controller(owner: Owner, fingerprint: str) -> bool:
    """Whether the owner is a process of this machine with our history, so that we can look whether it runs."""
    return owner.controller == _controller(fingerprint)


def runs(owner: Owner) -> bool:
    """Whether that process of this machine still is at work there. A later process of the same number is another one.

    What this very process began and left behind is not at work any more: it visits a workstation once at a time.
    """
    if owner.pid == os.getpid() or owner.pid <= 0:
        return False
    try:
        os.kill(owner.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return _start_of(owner.pid) == owner.process_start


@cache
def _controller(fingerprint: str) -> str:
    return f"{fingerprint}@{_machine()}{_container()}"


def _machine() -> str:
    for file in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        try:
            if text := file.read_text(encoding="ascii").strip():
                return text
        except (OSError, UnicodeDecodeError):
            continue
    return platform.node()


def _container() -> str:
    """Tells containers apart, which share a machine's identity and see none of each other's processes."""
    try:
        return f"/{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - followed as the kernel does (namespaces(7))
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """When a process began, in ticks since the machine started; empty where the system does not tell.

    A process that has ended and that nobody has reaped yet has not begun anything.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name of the program, in parentheses, may hold blanks; what follows does not (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if fields[0] in "ZX" else f"{boot}/{fields[19]}"
