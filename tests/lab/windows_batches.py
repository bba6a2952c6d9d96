"""Batches for the agent as the protocol describes them, written and read without any code of the product."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.resources import files
from pathlib import Path

import trustme
import yaml

from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.powershell import Ended, PowerShell
from iea_fleet.lab.seal import Seal
from iea_fleet.lab.workstation import Workstation
from iea_fleet.model.layout import Layout

LAYOUT = Layout.model_validate(yaml.safe_load(files("iea_fleet").joinpath("layouts/lab-windows.yml").read_bytes()))
SHIPPED = files("iea_fleet").joinpath("transports/windows")
BOOTSTRAP = base64.b64encode(SHIPPED.joinpath("bootstrap.ps1").read_text("ascii").encode("utf-16-le")).decode()
COMMAND = "powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand " + BOOTSTRAP
FOLDER, PRIVATE = "C:/ProgramData/ImpactEmploi", "C:/ProgramData/iea-fleet"
SETTINGS = f"{FOLDER}/connexion.properties"
OLD, NEW = b"connexion.securisee=N\r\n", b"connexion.securisee=O\r\n"
AUTHORITY = trustme.CA()
Said = tuple[str, dict[str, bytes]]
Step = Callable[[], AbstractAsyncContextManager[None]]


class KilledError(Exception):
    """The process ends here."""


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def line(word: str, **fields: str | bytes | int) -> str:
    values = {name: value if isinstance(value, bytes) else str(value).encode() for name, value in fields.items()}
    return " ".join([word, *(f"{name}={base64.b64encode(value).decode()}" for name, value in values.items())])


def replace(path: str, content: bytes, old: bytes | None, token: str = "0", private: str = "no") -> str:
    folder, _, name = path.rpartition("/")
    expected = "absent" if old is None else digest(old)
    places = {"temporary": f"{folder}/.{name}.{token}", "aside": f"{PRIVATE}/{name}.{token}"}
    return line("replace_file", path=path, content=content, expected=expected, private=private, **places)


def stdin(*requests: str, mode: str = "writing", script: bytes | None = None) -> bytes:
    batch = "".join(f"{each}\n" for each in (line("batch", id="7", mode=mode), *requests))
    agent = SHIPPED.joinpath("agent.ps1").read_bytes() if script is None else script
    compressor = zlib.compressobj(wbits=-15)
    deflated = compressor.compress(agent + b"\0" + batch.encode()) + compressor.flush()
    text = base64.b64encode(deflated).decode()
    lines = [text[at : at + 1000] for at in range(0, len(text), 1000)]
    return "\n".join([f"IEA1 {hashlib.sha256(deflated).hexdigest()}", *lines, ""]).encode()


def answers(stdout: bytes) -> list[Said]:
    """The answers of a batch, without the agent's own line."""
    (framed,) = [each.split() for each in stdout.splitlines() if each.startswith(b"IEA1 ") and len(each.split()) == 3]
    deflated = base64.b64decode(framed[2])
    assert hashlib.sha256(deflated).hexdigest().encode() == framed[1]
    first, *rest = [_said(each) for each in zlib.decompress(deflated, -15).decode().splitlines()]
    assert first[0] == "agent"
    assert (first[1]["version"], first[1]["id"]) == (b"1", b"7")
    return rest


def _said(text: str) -> Said:
    word, *fields = text.split(" ")
    return word, {name: base64.b64decode(value) for name, _, value in (each.partition("=") for each in fields)}


class Machine:
    """One workstation with a PowerShell; ``reached`` are the ports of this machine that it reaches."""

    def __init__(self, folder: Path, reached: Mapping[str, int] | None = None) -> None:
        self.workstation = Workstation("nancy-01", "nancy", folder, LAYOUT, Seal(b"x" * 32, "nancy-01"))
        self.workstation.install(
            {
                "connexion.properties": OLD,
                "etat.properties": b"etat=echec\r\nmotif=\r\n",
                "version.properties": b"version=3.02.004\n",
            }
        )
        self.ports: set[int] = set()
        tls = ssl.create_default_context(cadata=AUTHORITY.cert_pem.bytes().decode())
        self.outside = Outside(self.ports, reached or {}, tls)
        self.powershell = PowerShell(self.workstation, self.outside)
        self.steps = 0

    def at(self, path: str) -> Path:
        return self.workstation.folder / path

    def step(self, kill_at: int = 0, after: bool = False) -> Step:
        """Steps that count; the one of number ``kill_at`` kills, before or after it was taken."""
        self.steps = 0

        @contextlib.asynccontextmanager
        async def one() -> AsyncIterator[None]:
            self.steps += 1
            if self.steps == kill_at and not after:
                raise KilledError
            yield
            if self.steps == kill_at:
                raise KilledError

        return one

    async def ended(self, sent: bytes, step: Step | None = None, command: str = COMMAND) -> Ended:
        return await self.powershell.run(command, sent, step or self.step())

    def run(self, *requests: str, mode: str = "writing", step: Step | None = None) -> list[Said]:
        """What the agent answers to these requests."""
        ended = asyncio.run(self.ended(stdin(*requests, mode=mode), step))
        assert (ended.exit_code, ended.stderr) == (0, b"")
        return answers(ended.stdout)

    def left(self) -> list[str]:
        """Every file of the workstation."""
        return sorted(
            each.relative_to(self.workstation.folder).as_posix()
            for each in self.workstation.folder.rglob("*")
            if each.is_file()
        )
