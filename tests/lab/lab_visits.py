"""Visiting one workstation of the lab with asyncssh's client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncssh
from labs import RunningLab

WS = "toul-01"
SETTINGS = "/impact-emploi/connexion.properties"
STATE = "/impact-emploi/etat.properties"
LOST = (
    asyncssh.ConnectionLost,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    asyncssh.ChannelOpenError,
    ConnectionError,
)
"""How a connection that was lost shows, by what was being done at that moment."""
NEW = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL
Result = TypeVar("Result")


def port(office: RunningLab, name: str = WS) -> int:
    return office.info.workstation(name).port


def over_sftp(office: RunningLab, do: Callable[[asyncssh.SFTPClient], Awaitable[Result]]) -> Result:
    async def visit() -> Result:
        async with office.visit(WS) as connection, connection.start_sftp_client(sftp_version=3) as sftp:
            return await do(sftp)

    return asyncio.run(visit())


async def read(sftp: asyncssh.SFTPClient) -> bytes:
    async with sftp.open(SETTINGS, "rb") as file:
        return bytes(await file.read())
