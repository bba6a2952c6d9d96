"""A lab workstation that behaves as OpenSSH for Windows: the agent through the default shell, files as it serves them.

Read in its source (github PowerShell/openssh-portable, latestw_all), not seen on a machine: w32-doexec.c (the default
shell, the kill-on-close job, exit codes of 32 bits), fileio.c and sftp-server.c (files; see ``windows_sftp``).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import asyncssh

from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.powershell import PowerShell, Shell
from iea_fleet.lab.ssh_server import NO_SHELL, Offered, SshWorkstation, Visit
from iea_fleet.lab.windows_sftp import HOME, WindowsSftp
from iea_fleet.lab.workstation import Workstation

VERSION = "OpenSSH_for_Windows_9.5"


class WindowsSshWorkstation(SshWorkstation):
    """One Windows workstation behind its port. Every second one has PowerShell for its DefaultShell."""

    offered = Offered(VERSION, WindowsSftp)

    def __init__(self, workstation: Workstation, outside: Outside, client_key: asyncssh.SSHKey) -> None:
        super().__init__(workstation, outside, client_key)
        self.shell: Shell = "powershell" if sum(workstation.name.encode()) % 2 else "cmd"
        (workstation.folder / HOME).mkdir(parents=True, exist_ok=True)
        self._powershell = PowerShell(workstation, outside)

    async def run(self, visit: Visit, process: asyncssh.SSHServerProcess[bytes]) -> tuple[int, bytes, bytes]:
        """Hand the command line to the default shell. The process dies with its connection, at its next step."""
        if process.command is None:
            return 1, b"", NO_SHELL.encode()
        if (refused := self._powershell.refusal(process.command, self.shell)) is not None:
            return refused.exit_code, refused.stdout, refused.stderr

        @contextlib.asynccontextmanager
        async def step() -> AsyncIterator[None]:
            if visit.lost or process.channel.is_closing():
                raise asyncssh.SFTPConnectionLost("the client has gone, and its processes with it")
            async with visit.request():
                yield

        try:
            stdin = await process.stdin.read()
        except (asyncssh.Error, OSError):
            raise asyncssh.SFTPConnectionLost("the client has gone before it had said all") from None
        ended = await self._powershell.run(process.command, stdin, step, self.shell)
        # PowerShell makes 0 or 1 of the exit code of a program that it was handed (PowerShell/PowerShell issue 13501).
        code = ended.exit_code if self.shell == "cmd" else int(ended.exit_code != 0)
        return code, ended.stdout, ended.stderr
