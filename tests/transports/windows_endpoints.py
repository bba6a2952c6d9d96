"""Windows workstations of the lab, each served in a loop of its own, with a stand-in for PowerShell behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import trustme
import yaml

from iea_fleet.lab.faults import Fault
from iea_fleet.lab.iea_servers import client_tls
from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.seal import Seal
from iea_fleet.lab.workstation import Workstation
from iea_fleet.model.layout import Layout

LAYOUT = Layout.model_validate(yaml.safe_load(files("iea_fleet").joinpath("layouts/lab-windows.yml").read_bytes()))
AUTHORITY = trustme.CA()
"""Whom the trust store of every workstation trusts."""


class Server(Protocol):
    """A server of the lab."""

    @property
    def workstation(self) -> Workstation: ...
    @property
    def port(self) -> int: ...
    def open(self) -> None: ...
    def close(self) -> None: ...
    def spoil(self, fault: Fault) -> None: ...


S = TypeVar("S", bound=Server)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Endpoint(Generic[S]):
    """A workstation that is being served."""

    server: S
    loop: asyncio.AbstractEventLoop
    ports: set[int]
    """Those of this machine that the workstation reaches."""

    @property
    def workstation(self) -> Workstation:
        return self.server.workstation

    @property
    def private(self) -> Path:
        return self.workstation.folder / LAYOUT.private

    def far(self, path: Path) -> str:
        """How a path here is called over there."""
        return path.relative_to(self.workstation.folder).as_posix()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=10)

    def spoil(self, fault: str) -> None:
        self.do(lambda: self.server.spoil(Fault.parse(fault)))

    def do(self, act: Callable[[], Result]) -> Result:
        """Do something in the loop's thread, where all of the lab runs."""

        async def call() -> Result:
            return act()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)


@contextlib.contextmanager
def endpoint(folder: Path, make: Callable[[Workstation, Outside], S]) -> Iterator[Endpoint[S]]:
    """A workstation with its settings and a private folder."""
    workstation = Workstation("toul-01", "Toul", folder / "toul-01", LAYOUT, Seal(b"s" * 32, "toul-01"))
    workstation.install({"connexion.properties": b"connexion.securisee=N\r\n"})
    (workstation.folder / LAYOUT.private).mkdir(mode=0o700)
    ports: set[int] = set()
    outside = Outside(ports, {}, client_tls(AUTHORITY.cert_pem.bytes()))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:

        async def begin() -> S:
            return make(workstation, outside)

        server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
        served = Endpoint(server, loop, ports)
        served.do(server.open)
        try:
            yield served
        finally:
            served.do(server.close)
            asyncio.run_coroutine_threadsafe(_ended(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended() -> None:
    """Wait until nothing runs any more."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)
