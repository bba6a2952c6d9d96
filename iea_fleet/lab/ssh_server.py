"""A lab workstation on the wire: SSH with one user and one key, files, programs, and forwarded connections."""

from __future__ import annotations

import functools
import logging
import shlex
import socket
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, cast

import asyncssh

from iea_fleet.errors import LabError
from iea_fleet.lab.faults import Fault
from iea_fleet.lab.maintenance import Maintenance, Outside
from iea_fleet.lab.network import NoRouteError, route
from iea_fleet.lab.ports import Served
from iea_fleet.lab.request_faults import RequestFaults
from iea_fleet.lab.sftp_files import Files
from iea_fleet.lab.workstation import Workstation

USER = "iea-admin"
KEY_KIND = "ssh-ed25519"
NO_SHELL = "this workstation of the lab offers no shell\n"
_journal = logging.getLogger("iea_fleet.lab")


@dataclass(frozen=True, slots=True)
class Offered:
    """What an SSH server offers those whom it let in: how it names itself, and its files. "" is asyncssh's own name."""

    version: str = ""
    files: type[Files] = Files


class SshWorkstation(Served):
    """One workstation behind its port, on POSIX. ``client_key`` is the one key that is let in."""

    offered = Offered()

    def __init__(self, workstation: Workstation, outside: Outside, client_key: asyncssh.SSHKey) -> None:
        super().__init__(workstation)
        self.outside = outside
        self.client_key = client_key
        self.maintenance = Maintenance(workstation, outside)
        self._first_key = asyncssh.generate_private_key(KEY_KIND)
        self._options = self._with_key(self._first_key)

    @property
    def host_key(self) -> str:
        """The host key it was installed with, as a known_hosts line writes it."""
        return self._first_key.export_public_key().decode("ascii").strip()

    def spoil(self, fault: Fault) -> None:
        """Bring a fault into force. LabError when it cannot be."""
        if fault.over_winrm:
            raise LabError(f"{fault} is no fault of {self.workstation.name}", "it is reached over SSH, not over WinRM")
        super().spoil(fault)
        if fault.kind == "new-host-key":
            self._options = self._with_key(asyncssh.generate_private_key(KEY_KIND))

    def mend(self) -> None:
        """End all faults."""
        super().mend()
        self._options = self._with_key(self._first_key)

    async def converse(self, connection: socket.socket) -> None:
        """Check the key of a client; what it asks for then is another task's."""
        await asyncssh.run_server(connection, options=self._options)

    async def run(self, visit: Visit, process: asyncssh.SSHServerProcess[bytes]) -> tuple[int, bytes, bytes]:
        """Run what a client asked for as the login shell would: exit code, output, errors."""
        async with visit.request():
            code, out, err = await self._run(process.command or "", process.stdin)
        return code, out.encode(), err.encode()

    async def _run(self, command: str, stdin: asyncssh.SSHReader[bytes]) -> tuple[int, str, str]:
        argv = _argv(command)
        programs = {action.run: name for name, action in self.workstation.layout.actions.items()}
        if not argv:
            return 1, "", NO_SHELL
        if argv[0] not in (program[0] for program in programs):
            self.maintenance.note(f"no such program: {argv[0]!r}")
            return 127, "", f"sh: 1: {argv[0]}: not found\n"
        if argv not in programs:
            return 2, "", "usage: " + " | ".join(shlex.join(program) for program in programs) + "\n"
        return await self.maintenance.run(programs[argv], argv[0], stdin.read)

    def _with_key(self, key: asyncssh.SSHKey) -> asyncssh.SSHServerConnectionOptions:
        return asyncssh.SSHServerConnectionOptions(
            options=_shared_options(self.offered), server_host_keys=[key], server_factory=lambda: Visit(self)
        )


class Visit(asyncssh.SSHServer):
    """One connection to one workstation: who may come in, what may be asked, and how often it was."""

    def __init__(self, host: SshWorkstation) -> None:
        self.workstation = host.workstation
        self.lost = False
        self.request = RequestFaults(self).request
        self._host = host
        self._connection: asyncssh.SSHServerConnection | None = None

    def note(self, event: str) -> None:
        """Write a line of the journal."""
        _journal.info("%s: %s", self.workstation.name, event)

    def lose(self) -> None:
        """Cut the connection without a word."""
        self.lost = True
        if self._connection is not None:
            self._connection.abort()

    @property
    def faults(self) -> Mapping[str, Fault]:
        """What is in force at the workstation."""
        return self.workstation.faults

    def restart(self) -> None:
        """The workstation restarts, and this connection ends with all others."""
        self._host.restart()

    def spend(self, kind: str) -> None:
        """A fault that strikes once has struck."""
        self.workstation.faults.pop(kind, None)

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Remember the connection, so that a fault can cut it."""
        self._connection = conn
        self._host.visits.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's
        """Forget the connection."""
        self.lost = True
        self._host.visits.discard(self)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's
        """Nobody comes in without a key."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Keys are the only way in."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """One user, one key."""
        return username == USER and key == self._host.client_key

    def auth_completed(self) -> None:
        """Somebody is in."""
        self.note("a client came in")

    def connection_requested(
        self,
        dest_host: str,
        dest_port: int,
        orig_host: str,  # noqa: ARG002 - asyncssh's
        orig_port: int,  # noqa: ARG002 - asyncssh's
    ) -> Coroutine[Any, Any, asyncssh.SSHTCPSession[bytes]]:
        """A connection through this workstation; refused in the words of OpenSSH."""
        return self._forward(dest_host, dest_port)

    async def _forward(self, host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
        assert self._connection is not None
        async with self.request():
            try:
                outside = self._host.outside
                there = route(host, port, outside.ports, outside.names)
                return cast("asyncssh.SSHTCPSession[bytes]", await self._connection.forward_connection(*there))
            except NoRouteError as error:
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, error.strerror or "") from error
            except asyncssh.ChannelOpenError as error:
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused") from error

    async def run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run what a client asked for, and end with its exit code."""
        try:
            code, out, err = await self._host.run(self, process)
        except asyncssh.SFTPConnectionLost:
            return
        process.stdout.write(out)
        process.stderr.write(err)
        # As sshd does: a channel that closes without an end of its output looks like a lost connection.
        process.channel.write_eof()
        process.exit(code)


def _argv(command: str) -> tuple[str, ...]:
    """The words of a command line; those of an inner ``sh -c`` or ``exec`` in its place. Empty when there are none."""
    try:
        words = tuple(shlex.split(command))
    except ValueError:
        return ("sh",)
    if words[:1] == ("exec",):
        words = words[1:]
    if len(words) > 2 and words[0] in ("sh", "/bin/sh") and words[1] == "-c":
        return _argv(words[2])
    return words


async def _run_command(process: asyncssh.SSHServerProcess[bytes]) -> None:
    visit = cast("Visit", process.channel.get_connection().get_owner())
    await visit.run(process)


@functools.cache
def _shared_options(offered: Offered) -> asyncssh.SSHServerConnectionOptions:
    """What all workstations have in common: made once, it costs a thousand of them nothing."""
    return asyncssh.SSHServerConnectionOptions(
        server_host_keys=[asyncssh.generate_private_key(KEY_KIND)],  # asyncssh wants one; each workstation has its own
        process_factory=_run_command,
        sftp_factory=offered.files,
        server_version=offered.version,
        encoding=None,
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        agent_forwarding=False,
        x11_forwarding=False,
        allow_scp=False,
        login_timeout=30,
    )
