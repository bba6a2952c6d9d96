"""The simulated network: workstations and servers on loopback, in a process of their own, reached through the wire.

Needs the extra ``lab``; importing this needs nothing.
"""

from __future__ import annotations

from iea_fleet.lab.faults import FAULTS, SERVERS, SERVICE, SERVICE_FAULTS
from iea_fleet.lab.lifecycle import (
    AccountInfo,
    LabInfo,
    ServiceInfo,
    WorkstationInfo,
    break_,
    change_account,
    down,
    mend,
    status,
    up,
)

__all__ = [
    "FAULTS",
    "SERVERS",
    "SERVICE",
    "SERVICE_FAULTS",
    "AccountInfo",
    "LabInfo",
    "ServiceInfo",
    "WorkstationInfo",
    "break_",
    "change_account",
    "down",
    "mend",
    "status",
    "up",
]
