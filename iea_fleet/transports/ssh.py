"""A session on one workstation over SSH.

In an inventory::

    defaults:
      connection: {transport: ssh, user: maintenance, key_file: ~/.ssh/iea-fleet, timeout: 20, deadline: 300}
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final, Self

from paramiko import Channel

from iea_fleet.errors import BrokenError
from iea_fleet.model.request import (
    Answer,
    Done,
    MakeFolder,
    NotTried,
    OpenUrl,
    RemoveFile,
    ReplaceFile,
    Request,
    RunAction,
    Writing,
    changes_workstation,
)
from iea_fleet.transports.actions import run_action
from iea_fleet.transports.base import Reach, refuse_changes
from iea_fleet.transports.connection import (
    KEEPALIVE,
    Connection,
    ForwardingRefusedError,
    check_host_key,
    close_channel,
)
from iea_fleet.transports.keys import SHARED, KeyRing
from iea_fleet.transports.login import Credentials, log_in
from iea_fleet.transports.sftp import Sftp
from iea_fleet.transports.sftp_reads import FileReading, read_all
from iea_fleet.transports.sftp_writes import make_new_folder, remove_file, replace_files
from iea_fleet.transports.url import Forwarding, open_url
from iea_fleet.transports.wire import Wire

_ROOM_AGAIN: Final = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6)
"""Pauses before a channel is asked for again: a server needs a moment to forget the one that was closed."""


def open_session(reach: Reach, sock: socket.socket | Wire, *, read_only: bool, keys: KeyRing = SHARED) -> SshSession:
    """A session on a workstation to which a TCP connection (or one through a jump host) is there already.

    A read-only one refuses every request that changes something. Else as ``let_in``.
    """
    return SshSession(let_in(reach, sock, keys), read_only=read_only)


def let_in(reach: Reach, sock: socket.socket | Wire, keys: KeyRing) -> Connection:
    """Check the host key and log in. It takes over ``sock``, also when it fails.

    NotLetInError: ``host_key_unknown``, ``host_key_changed``, and those of ``log_in``; BrokenError: ``went_silent``,
    ``deadline_passed``, ``connection_lost``, ``not_ssh``, ``protocol_error``, ``no_common_algorithm``.
    """
    wire = sock if isinstance(sock, Wire) else Wire(sock)
    connection = Connection(wire, reach.workstation, reach.timeout, reach.deadline)
    try:
        shown = connection.shake_hands([key.split()[0] for key in reach.host_keys])
        check_host_key(shown, reach.host_keys, reach.owners, reach.workstation, trusted_by=reach.trusted_by)
        log_in(connection, Credentials.of(reach), keys)
        connection.transport.set_keepalive(KEEPALIVE)
    except BaseException:
        connection.close()
        raise
    connection.round_trips = 0
    return connection


class SshSession:
    """A ``Session`` over SSH. Not for two threads at once."""

    def __init__(self, connection: Connection, *, read_only: bool) -> None:
        self._connection = connection
        self._read_only = read_only
        self._sftp: Sftp | None = None
        self._sftp_refused = False

    @property
    def round_trips(self) -> int:
        """How often this session waited for the workstation, since it was let in."""
        return self._connection.round_trips

    def carry_out(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer for each request, in order; see ``transports.base.Session``."""
        if self._read_only:
            refuse_changes(requests)
        answers: list[Answer] = []
        stopped = False
        for group in self._groups(requests):
            tried = [not (stopped and changes_workstation(each)) for each in group]
            got = iter(self._carry_out_group(list(compress(group, tried))) if any(tried) else ())
            own = [next(got) if one else NotTried() for one in tried]
            written = (answer for request, answer in zip(group, own, strict=True) if isinstance(request, Writing))
            stopped = stopped or not all(isinstance(each, Done) for each in written)
            answers += own
        return answers

    def way_out(self, seconds: float) -> Forwarding:
        """Connections that the workstation makes for us; see ``transports.base.Session``."""
        self._wake_the_server()
        return Forwarding(self._connection, time.monotonic() + self._connection.seconds_left(seconds))

    def _groups(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        """Requests that may travel together: consecutive reads of files, and replacements of different files."""
        group: list[Request] = []
        for request in requests:
            if group and not _travels_with(group, request):
                yield group
                group = []
            group.append(request)
        if group:
            yield group

    def _carry_out_group(self, group: list[Request]) -> list[Answer]:
        first = group[0]
        if isinstance(first, OpenUrl):
            self._wake_the_server()
            return [open_url(self._connection, first)]
        if isinstance(first, RunAction):
            return [run_action(self._connection, self._channel(), first)]
        sftp = self._files()
        if isinstance(first, RemoveFile):
            return [remove_file(sftp, first)]
        if isinstance(first, MakeFolder):
            return [make_new_folder(sftp, first)]
        if isinstance(first, ReplaceFile):
            return replace_files(sftp, [each for each in group if isinstance(each, ReplaceFile)])
        return read_all(sftp, [each for each in group if isinstance(each, FileReading)])

    def _files(self) -> Sftp:
        if self._sftp is None:
            channel = self._channel()
            try:
                with self._connection.answer_expected():
                    channel.invoke_subsystem("sftp")
            except BrokenError as error:
                close_channel(channel)
                if not self._connection.transport.is_active():
                    raise
                raise BrokenError(
                    f"{self._connection.name} lets us in and offers no SFTP",
                    "enable the subsystem sftp in its sshd_config",
                    code="sftp_refused",
                ) from error
            self._sftp = Sftp(channel, self._connection)
        return self._sftp

    def _channel(self) -> Channel:
        """A session channel. A server that allows one alone (MaxSessions 1) gets it without the files' one."""
        for pause in _ROOM_AGAIN:
            time.sleep(pause)
            try:
                return self._connection.open_session()
            except ForwardingRefusedError as error:
                refused = error
            if self._sftp is not None:
                self._sftp.close()
                self._sftp = None
        raise BrokenError(
            f"{self._connection.name} lets us in and then refuses to open a session ({refused.text})",
            "check MaxSessions in its sshd_config",
            code="channel_refused",
        ) from refused

    def _wake_the_server(self) -> None:
        """Have the files' channel open: sshd sends small packets at once only after a session has begun.

        Without one each forwarded packet waits 40 ms for its acknowledgement. A server that refuses is only slower.
        """
        if not self._sftp_refused and self._sftp is None:
            try:
                self._files()
            except BrokenError:
                if not self._connection.transport.is_active():
                    raise
                self._sftp_refused = True

    def close(self) -> None:
        """End the session; more than once does no harm."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _travels_with(group: list[Request], request: Request) -> bool:
    if isinstance(request, ReplaceFile):
        others = [each.path for each in group if isinstance(each, ReplaceFile)]
        return len(others) == len(group) and request.path not in others
    return isinstance(request, FileReading) and isinstance(group[-1], FileReading)
