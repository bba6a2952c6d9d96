"""Which server stands before a workstation of each kind."""

from __future__ import annotations

from dataclasses import dataclass

import asyncssh
import trustme

from iea_fleet.lab.inventory import Reached
from iea_fleet.lab.kinds import Kind
from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.ports import Served
from iea_fleet.lab.ssh_server import USER, SshWorkstation
from iea_fleet.lab.workstation import Workstation


@dataclass(frozen=True, slots=True)
class Doors:
    """What all workstations have in common: the world they reach, and who is let in by which key or password."""

    outside: Outside
    client_key: asyncssh.SSHKey
    password: str
    authority: trustme.CA

    def serve(self, kind: Kind, workstation: Workstation) -> tuple[Served, Reached]:
        """The server of a workstation, not open yet, and how it is reached."""
        if kind == "ssh":
            ssh = SshWorkstation(workstation, self.outside, self.client_key)
            return ssh, Reached(ssh.port, ssh.host_key)
        if kind == "ssh-windows":
            from iea_fleet.lab.windows_ssh import WindowsSshWorkstation  # noqa: PLC0415 - none is there in most labs

            windows = WindowsSshWorkstation(workstation, self.outside, self.client_key)
            return windows, Reached(windows.port, windows.host_key, kind)
        from iea_fleet.lab.winrm_server import WinrmWorkstation  # noqa: PLC0415 - as above

        tls = kind != "winrm-sealed"
        winrm = WinrmWorkstation(workstation, self.outside, USER, self.password, self.authority, tls=tls)
        return winrm, Reached(winrm.port, winrm.certificate, kind)
