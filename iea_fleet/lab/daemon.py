"""The lab's process: every workstation and server in one asyncio loop, until it is told to stop.

Started by ``lifecycle.up`` as ``python -m iea_fleet.lab.daemon DIR OFFICES KINDS LOCK READY``; the last two are
inherited descriptors: the lock that it holds while it lives, and the pipe on which it says that everything answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import difflib
import hmac
import json
import logging
import os
import resource
import secrets
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncssh
import trustme
import yaml

from iea_fleet.errors import LabError
from iea_fleet.lab.control import LOCK, Contact
from iea_fleet.lab.faults import SERVERS, SERVICE, SERVICE_FAULTS, Fault
from iea_fleet.lab.identities import new_accounts
from iea_fleet.lab.iea_servers import IeaServers, client_tls
from iea_fleet.lab.installation import old_installation
from iea_fleet.lab.inventory import Reached, Wanted, inventory_text, lay_out
from iea_fleet.lab.kinds import Kind
from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.net_entreprises import LOG as SERVICE_LOG
from iea_fleet.lab.net_entreprises import TEST_HOST, NetEntreprises
from iea_fleet.lab.network import HOST
from iea_fleet.lab.portal import Portal
from iea_fleet.lab.ports import Served
from iea_fleet.lab.proxy import Proxy
from iea_fleet.lab.seal import KEY_FILE, Seal
from iea_fleet.lab.secret_files import FOLDER, IDENTITY, OF_WINRM, of_account, write_secrets
from iea_fleet.lab.served import Doors
from iea_fleet.lab.ssh_server import KEY_KIND
from iea_fleet.lab.users import user_files
from iea_fleet.lab.workstation import Workstation
from iea_fleet.model.layout import Layout

_SPARE_FILES = 500
_LOOK_EVERY = 2.0
_MADE_BY_US = ("inventory.yml", "ca.pem", "id_ed25519", KEY_FILE, IDENTITY, FOLDER, "workstations")
_journal = logging.getLogger("iea_fleet.lab")


class Lab:
    """A whole network. ``directory`` belongs to it."""

    def __init__(self, directory: Path, offices: int, kinds: Sequence[Kind]) -> None:
        self.directory = directory
        self.kinds = kinds
        self.offices = lay_out(offices, len(kinds))
        self.token = secrets.token_hex(16)
        self.workstations: dict[str, Served] = {}
        self.password = secrets.token_urlsafe(12)
        self.authority = trustme.CA(organization_name="iea-fleet lab")
        self.servers = IeaServers(self.authority, self._verdict)
        self.servers_down = False
        self.accounts = new_accounts()
        self.service = NetEntreprises(self.authority, Portal(self.accounts), directory / SERVICE_LOG)
        self.proxy = Proxy({f"{TEST_HOST}:443": self.service.port})

    async def start(self) -> None:
        """Lay out the files, open every port, write the inventory. OSError when this machine lacks something."""
        for name in _MADE_BY_US:
            left = self.directory / name
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        (self.directory / ".gitignore").write_text("*\n")
        ca_pem = self.authority.cert_pem.bytes()
        (self.directory / "ca.pem").write_bytes(ca_pem)
        key_file = self.directory / "id_ed25519"
        key = asyncssh.generate_private_key(KEY_KIND, comment="iea-fleet lab")
        _write_private(key_file, key.export_private_key())
        ports, names = (self.servers.port, self.proxy.port), {TEST_HOST: self.service.port}
        outside = Outside(ports, names, client_tls(ca_pem))
        doors = Doors(outside, key.convert_to_public(), self.password, self.authority)
        for server in (self.servers, self.service, self.proxy):
            await server.start()
        secret = secrets.token_bytes(32)
        _write_private(self.directory / KEY_FILE, secret)
        layouts = {kind: _layout("lab" if kind == "ssh" else "lab-windows") for kind in set(self.kinds)}
        reached: dict[str, Reached] = {}
        for place, office in enumerate(self.offices):
            for name in office.workstations:
                number, seal = len(self.workstations), Seal(secret, name)
                kind = self.kinds[number]
                one = Workstation(name, office.name, self.directory / "workstations" / name, layouts[kind], seal)
                old = old_installation(number, self.servers.port)
                one.install({**old, **dict(user_files(number, place, office.standalone, seal))})
                self.workstations[name], reached[name] = doors.serve(kind, one)
                self.workstations[name].open()
                await asyncio.sleep(0)
        self._write_inventory(key_file, reached)

    def close(self) -> None:
        """Let go of every client and port."""
        for one in self.workstations.values():
            one.close()
        for server in (self.servers, self.service, self.proxy):
            server.close()

    async def answer(self, request: Mapping[str, str]) -> dict[str, Any]:
        """Do what a command asks: ``status``, ``break``, ``mend`` or ``portal``. LabError when it cannot be."""
        match request["do"]:
            case "break":
                self._break(request["workstation"], request["fault"])
            case "mend":
                await self._mend(request["workstation"])
            case "portal":
                self.service.portal.change(request["account"], request["verb"], request["password"])
                _journal.info("portal: %s %s", request["verb"], request["account"])
        if request["do"] in ("break", "mend"):
            _journal.info("%s: %s", request["workstation"], f"{request['do']} {request.get('fault', '')}".strip())
        return self.status()

    def status(self) -> dict[str, Any]:
        """What ``lab status`` shows."""
        return {
            "pid": os.getpid(),
            "authentication_url": self.servers.authentication_url,
            "update_url": self.servers.update_url,
            "servers_down": self.servers_down,
            "net_entreprises": {"proxy": self.proxy.url, **self.service.status()},
            "workstations": [
                {
                    "name": name,
                    "office": one.workstation.office,
                    "port": one.port,
                    "kind": kind,
                    "exchanges": one.workstation.exchanges,
                    "faults": [str(fault) for fault in one.workstation.faults.values()],
                }
                for (name, one), kind in zip(self.workstations.items(), self.kinds, strict=True)
            ],
        }

    def _break(self, name: str, text: str) -> None:
        if name == SERVICE:
            self.service.spoil(Fault.parse(text, SERVICE_FAULTS))
            return
        fault = Fault.parse(text)
        if (name == SERVERS) != (fault.kind == "servers-down"):
            raise LabError(f"{fault} is no fault of {name}", f"servers-down, and nothing else, is for « {SERVERS} »")
        if name == SERVERS:
            self.servers.stop()
            self.servers_down = True
        else:
            self._named(name).spoil(fault)

    async def _mend(self, name: str) -> None:
        if name == SERVICE:
            await self.service.mend()
        elif name == SERVERS:
            await self.servers.start()
            self.servers_down = False
        else:
            self._named(name).mend()

    def _named(self, name: str) -> Served:
        if name in self.workstations:
            return self.workstations[name]
        near = difflib.get_close_matches(name, self.workstations, n=1, cutoff=0.1) or list(self.workstations)[:1]
        raise LabError(f"the lab has no workstation {name!r}", f"did you mean {near[0]}?")

    def _verdict(self, name: str) -> str:
        faults = self.workstations[name].workstation.faults if name in self.workstations else {"licence": None}
        return "refus" if "refused" in faults else "licence" if "licence" in faults else "accepte"

    def _write_inventory(self, key_file: Path, reached: Mapping[str, Reached]) -> None:
        name = f"Lab {dt.datetime.now().astimezone():%Y-%m-%d %H:%M} {secrets.token_hex(2)}"
        wanted = Wanted(
            self.servers.authentication_url,
            self.servers.update_url,
            key_file,
            "ca.pem",
            self.proxy.url,
            write_secrets(self.directory, self._passwords()),
        )
        text = inventory_text(name, wanted, self.offices, reached)
        (self.directory / "inventory.yml").write_text(text, encoding="utf-8")

    def _passwords(self) -> dict[str, str]:
        return {OF_WINRM: self.password, **{of_account(one.name): one.password for one in self.accounts}}


def _layout(name: str) -> Layout:
    return Layout.model_validate(yaml.safe_load(files("iea_fleet").joinpath(f"layouts/{name}.yml").read_bytes()))


def _write_private(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)


async def _serve_commands(lab: Lab) -> asyncio.Server:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            async with asyncio.timeout(10):
                request = json.loads(await reader.readline())
                if hmac.compare_digest(str(request.pop("token")), lab.token):
                    try:
                        answer = await lab.answer(request)
                    except LabError as error:
                        answer = {"error": [error.sentence, error.hint]}
                    except OSError as error:
                        answer = {"error": [f"the lab cannot do that: {error}", "start it anew"]}
                    writer.write(json.dumps(answer).encode())
                    await writer.drain()
        writer.close()

    return await asyncio.start_server(converse, HOST, 0)


async def _run(lab: Lab, lock: int, ready: int) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    # A pipe shows an error when its reader is gone: nobody knows of us then, and we must not stay.
    loop.add_reader(ready, stopped.set)
    try:
        starting, stopping = loop.create_task(lab.start()), loop.create_task(stopped.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return
        starting.result()
        commands = await _serve_commands(lab)
        Contact(os.getpid(), commands.sockets[0].getsockname()[1], lab.token).write(lock)
        loop.remove_reader(ready)
        with os.fdopen(ready, "wb", closefd=False) as pipe:
            pipe.write(json.dumps(lab.status()).encode())
        os.close(ready)
        _journal.info("%d workstations answer", len(lab.workstations))
        while not stopped.is_set() and _is_ours(lab.directory / LOCK, lock):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), _LOOK_EVERY)
        commands.close()
        _journal.info("stopped%s", "" if stopped.is_set() else ": the folder of the lab is gone")
    finally:
        lab.close()


def _is_ours(path: Path, lock: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(lock).st_ino
    except OSError:
        return False


def _allow_open_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise LabError(
            f"this machine allows {hard} open files, and the lab needs {wanted}",
            "ask for fewer workstations, or raise the limit: ulimit -Hn",
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(arguments: list[str]) -> int:
    """Run a lab until SIGTERM; what goes wrong before it is ready is told on the pipe."""
    directory, offices, lock, ready = Path(arguments[0]), int(arguments[1]), int(arguments[3]), int(arguments[4])
    kinds: list[Kind] = json.loads(arguments[2])
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    try:
        _allow_open_files(len(kinds) + _SPARE_FILES)
        asyncio.run(_run(Lab(directory, offices, kinds), lock, ready))
    except (LabError, OSError) as error:
        told = error if isinstance(error, LabError) else LabError(f"the lab cannot start: {error}")
        _journal.error("%s", told)
        with contextlib.suppress(OSError):
            os.write(ready, json.dumps({"error": [told.sentence, told.hint]}).encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
