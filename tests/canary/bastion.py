"""A jump host that lets in by password alone, and can fail while somebody logs in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

import asyncssh

Result = TypeVar("Result")


class Bastion:
    """An SSH server on loopback; ``lost`` ends each connection when its password arrives."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.lost = False
        self.seen: list[str] = []
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def host_key(self) -> str:
        return self._key.export_public_key().decode().strip()

    @property
    def port(self) -> int:
        return self._server.get_port()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[self._key], server_factory=lambda: _Guard(self), encoding=None
        )

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        await asyncio.sleep(0.05)


class _Guard(asyncssh.SSHServer):
    def __init__(self, bastion: Bastion) -> None:
        self._bastion = bastion
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def public_key_auth_supported(self) -> bool:
        return False

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, _username: str, password: str) -> bool:
        self._bastion.seen.append(password)
        if self._bastion.lost and self._connection is not None:
            self._connection.abort()
        return password == self._bastion.password

    def connection_requested(self, dest_host: str, _dest_port: int, _orig_host: str, _orig_port: int) -> bool:
        return dest_host == "127.0.0.1"
