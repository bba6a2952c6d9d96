"""A session on a Windows workstation over SSH: files are read over SFTP, everything else is done by the agent.

In an inventory, for workstations whose layout says ``os: windows``::

    defaults:
      connection: {transport: ssh, user: maintenance, key_file: ~/.ssh/iea-fleet, timeout: 30}
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import compress, groupby
from typing import Final

from iea_fleet.errors import BrokenError
from iea_fleet.model.request import Answer, Failed, FileStat, OpenUrl, Request, is_registry_key
from iea_fleet.transports.actions import converse
from iea_fleet.transports.base import Ended, Reach
from iea_fleet.transports.connection import Connection
from iea_fleet.transports.keys import SHARED, KeyRing
from iea_fleet.transports.sftp import Sftp
from iea_fleet.transports.sftp_reads import FileReading, read_all
from iea_fleet.transports.ssh import SshSession, let_in
from iea_fleet.transports.url import open_url
from iea_fleet.transports.windows.agent import AGENT_FAULTS, Agent
from iea_fleet.transports.windows.frames import LARGEST_ANSWER
from iea_fleet.transports.wire import Wire

_ASK_THE_AGENT: Final = ("server_refused", "not_supported", "forwarding_refused")
"""What is no answer: the SFTP server of Windows has one word for a file that a program holds open and for much else."""


def open_session(
    reach: Reach, sock: socket.socket | Wire, *, read_only: bool, keys: KeyRing = SHARED
) -> WindowsSshSession:
    """As ``ssh.open_session``, for a workstation where OpenSSH for Windows runs."""
    return WindowsSshSession(let_in(reach, sock, keys), reach, read_only=read_only)


class WindowsSshSession(SshSession):
    """A ``Session`` over SSH to Windows. Not for two threads at once.

    What only reads files goes over SFTP, where owner and rights are not told; what writes, acts or concerns the
    registry goes to the ``agent``, in one start of PowerShell.
    """

    def __init__(self, connection: Connection, reach: Reach, *, read_only: bool) -> None:
        super().__init__(connection, read_only=read_only)
        self.agent = Agent(self._run, reach.workstation, private_folder=reach.private_folder, timeout=reach.timeout)
        self._not_forwarded: Failed | None = None

    def _groups(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        return (list(group) for _, group in groupby(requests, lambda each: isinstance(each, OpenUrl)))

    def _carry_out_group(self, group: list[Request]) -> list[Answer]:
        if isinstance(group[0], OpenUrl):
            return self._open_urls([each for each in group if isinstance(each, OpenUrl)])
        reads = [each for each in group if isinstance(each, FileReading) and not is_registry_key(each.path)]
        if len(reads) == len(group):
            self._wake_the_server()
            if self._sftp is not None:
                return self._read(self._sftp, reads)
        return self._ask_agent(group)

    def _ask_agent(self, requests: Sequence[Request]) -> list[Answer]:
        return self.agent.carry_out(requests, read_only=self._read_only)

    def _run(self, command_line: str, stdin: bytes, seconds: float) -> Ended:
        channel = self._channel()
        ended = converse(self._connection, channel, command_line, stdin, seconds=seconds, most_output=LARGEST_ANSWER)
        if ended is None:
            raise self._connection.silent()
        return ended

    def _read(self, sftp: Sftp, requests: Sequence[FileReading]) -> list[Answer]:
        there = [replace(each, path=_over_sftp(each.path)) for each in requests]
        answers = [
            _as_asked(answer, request.path, far.path)
            for request, far, answer in zip(requests, there, read_all(sftp, there), strict=True)
        ]
        return self._asked_again(requests, answers)

    def _open_urls(self, requests: Sequence[OpenUrl]) -> list[Answer]:
        """By forwarding, as from POSIX workstations; by the agent where the server refuses that."""
        self._wake_the_server()
        answers: list[Answer] = []
        for request in requests:
            answer = self._not_forwarded or open_url(self._connection, request)
            if isinstance(answer, Failed) and answer.reason_code == "forwarding_refused":
                self._not_forwarded = answer
            answers.append(answer)
        return self._asked_again(requests, answers)

    def _asked_again(self, requests: Sequence[Request], answers: list[Answer]) -> list[Answer]:
        """The agent's answers in place of those that say nothing; as they are where it cannot work."""
        unclear = [isinstance(answer, Failed) and answer.reason_code in _ASK_THE_AGENT for answer in answers]
        try:
            better = iter(self._ask_agent(list(compress(requests, unclear))))
        except BrokenError as error:
            if error.code not in AGENT_FAULTS:
                raise
            return answers
        return [next(better) if one else answer for answer, one in zip(answers, unclear, strict=True)]


def _over_sftp(path: str) -> str:
    """A path as OpenSSH for Windows names it; a bare drive is its root."""
    return f"/{path}/" if path.endswith(":") else f"/{path}"


def _as_asked(answer: Answer, path: str, far: str) -> Answer:
    """An answer in the words of the layout, without what the server makes up: owner and mode."""
    if isinstance(answer, Failed):
        return replace(answer, reason=answer.reason.replace(far, path))
    return replace(answer, owner="", mode=None, shared=None) if isinstance(answer, FileStat) else answer
