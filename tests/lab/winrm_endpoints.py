"""WinRM endpoints of the lab in a loop of their own, and what tests ask of them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import trustme
import yaml
from pypsrp.client import Client
from winrm.protocol import Protocol

from iea_fleet.lab.faults import Fault
from iea_fleet.lab.iea_servers import client_tls
from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.seal import Seal
from iea_fleet.lab.winrm_server import WinrmWorkstation
from iea_fleet.lab.workstation import Workstation
from iea_fleet.model.layout import Layout

USER = "iea-admin"
PASSWORD = "Le mot de passe"
LAYOUT = Layout.model_validate(yaml.safe_load(files("iea_fleet").joinpath("layouts/lab-windows.yml").read_bytes()))
AUTHORITY = trustme.CA()
Result = TypeVar("Result")


@dataclass
class Endpoints:
    """Several workstations in one loop, in a thread of its own."""

    folder: Path
    loop: asyncio.AbstractEventLoop
    closing: contextlib.ExitStack
    all: list[WinrmWorkstation] = field(default_factory=list)

    @property
    def ca(self) -> str:
        """Where the authority's certificate is."""
        return str(self.folder / "ca.pem")

    def add(self, *, tls: bool = True, password: str = PASSWORD, name: str = "toul-01") -> WinrmWorkstation:
        """Start another one."""
        folder = self.folder / f"{len(self.all)}" / name
        workstation = Workstation(name, "Toul", folder, LAYOUT, Seal(b"s" * 32, name))
        workstation.install({"connexion.properties": b"connexion.securisee=N\n"})
        outside = Outside((), {}, client_tls(AUTHORITY.cert_pem.bytes()))
        self.all.append(self.do(lambda: WinrmWorkstation(workstation, outside, USER, password, AUTHORITY, tls=tls)))
        self.do(self.all[-1].open)
        return self.all[-1]

    def do(self, act: Callable[[], Result]) -> Result:
        """Call something in the loop's thread, where all of the lab runs."""

        async def call() -> Result:
            return act()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)

    def spoil(self, one: WinrmWorkstation, fault: str) -> None:
        self.do(lambda: one.spoil(Fault.parse(fault)))


def pypsrp_client(lab: Endpoints, one: WinrmWorkstation, auth: str, encryption: str = "auto", **more: object) -> Client:
    known = {"username": USER, "password": PASSWORD, "no_proxy": True, **more}
    trust = lab.ca if one.tls else True
    return Client(
        "127.0.0.1", port=one.port, ssl=one.tls, auth=auth, encryption=encryption, cert_validation=trust, **known
    )


def pywinrm_client(lab: Endpoints, one: WinrmWorkstation, password: str = PASSWORD, auth: str = "ntlm") -> Protocol:
    scheme = "https" if one.tls else "http"
    return Protocol(
        f"{scheme}://127.0.0.1:{one.port}/wsman",
        transport=auth,
        username=USER,
        password=password,
        ca_trust_path=lab.ca,
        proxy=None,
    )


@contextlib.contextmanager
def endpoints(folder: Path) -> Iterator[Endpoints]:
    """None yet; closed at the end."""
    (folder / "ca.pem").write_bytes(AUTHORITY.cert_pem.bytes())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = Endpoints(folder, loop, contextlib.ExitStack())
    try:
        with running.closing:
            yield running
    finally:
        for one in running.all:
            running.do(one.close)
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended() -> None:
    """Wait until nothing runs any more."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)
