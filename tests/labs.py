"""A running lab for tests, and the clients of other people to look at it with."""

from __future__ import annotations

import contextlib
import re
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import asyncssh
import yaml

from iea_fleet import lab
from iea_fleet.lab.kinds import Kind
from iea_fleet.lab.seal import KEY_FILE, Seal
from iea_fleet.lab.workstation import Workstation
from iea_fleet.model.layout import Layout

FOUR_KINDS: tuple[Kind, ...] = ("ssh", "ssh-windows", "winrm-https", "winrm-sealed")
"""The ways in to a workstation on which whatever writes to one is tried."""

LAYOUTS = {
    name: Layout.model_validate(yaml.safe_load(files("iea_fleet").joinpath(f"layouts/{name}.yml").read_bytes()))
    for name in ("lab", "lab-windows")
}
LAYOUT = LAYOUTS["lab"]


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A lab and its parts; the inventory as a plain mapping."""

    directory: Path
    info: lab.LabInfo

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yml"

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.info.workstations]

    @property
    def ca(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.directory / "ca.pem"))

    def declared(self, workstation: str) -> dict[str, object]:
        """What the inventory says of a workstation."""
        offices = yaml.safe_load(self.inventory.read_bytes())["offices"]
        return next(o["workstations"][workstation] for o in offices.values() if workstation in o["workstations"])

    def kind(self, workstation: str) -> Kind:
        """What sort of a workstation it is."""
        return self.info.workstation(workstation).kind

    def layout(self, workstation: str) -> Layout:
        """The shipped layout by which a workstation keeps its settings."""
        return LAYOUTS["lab" if self.kind(workstation) == "ssh" else "lab-windows"]

    def path(self, workstation: str, path: str) -> str:
        """A path as this workstation writes it; ``/impact-emploi`` and ``/iea-fleet`` stand for its own folders."""
        for usual, here in zip(_folders(LAYOUTS["lab"]), _folders(self.layout(workstation)), strict=True):
            if path == usual or path.startswith(f"{usual}/"):
                return here + path.removeprefix(usual)
        return path

    def file(self, workstation: str, path: str = "/impact-emploi/connexion.properties") -> Path:
        """Where a file of a workstation really is, whatever its folders are called there."""
        return self.directory / "workstations" / workstation / self.path(workstation, path).lstrip("/")

    def account(self, workstation: str, user: str) -> dict[str, str]:
        """The Net-Entreprises account that IEA would deposit with there, the password unsealed."""
        seal = Seal((self.directory / KEY_FILE).read_bytes(), workstation)
        folder = self.directory / "workstations" / workstation
        return Workstation(workstation, "", folder, self.layout(workstation), seal).account(user)

    def state(self, workstation: str) -> str:
        """The text of the tray state."""
        lines = self.file(workstation, "/impact-emploi/etat.properties").read_text("latin-1").splitlines()
        return next(line for line in lines if line.startswith("etat=")).removeprefix("etat=")

    def faults(self, workstation: str) -> tuple[str, ...]:
        """The faults in force."""
        now = lab.status(self.directory)
        assert now is not None
        return now.workstation(workstation).faults

    def break_(self, workstation: str, fault: str) -> None:
        lab.break_(self.directory, workstation, fault)

    def mend(self, workstation: str) -> None:
        lab.mend(self.directory, workstation)

    def end_shells(self, workstation: str) -> None:
        """Switch a workstation with WinRM off and on: a lost connection leaves a remote shell, and 30 are allowed."""
        if self.kind(workstation).startswith("winrm"):
            self.break_(workstation, "offline")
            self.mend(workstation)

    @contextlib.contextmanager
    def restored(self) -> Iterator[RunningLab]:
        """What is done to the workstations meanwhile is undone at the end."""
        tree = self.directory / "workstations"
        with tempfile.TemporaryDirectory() as kept:
            shutil.copytree(tree, kept, dirs_exist_ok=True)
            try:
                yield self
            finally:
                self.mend(lab.SERVERS)
                self.mend(lab.SERVICE)
                for name in self.names:
                    self.mend(name)
                    shutil.rmtree(tree / name)
                shutil.copytree(kept, tree, dirs_exist_ok=True)

    @contextlib.asynccontextmanager
    async def visit(self, workstation: str, **options: object) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """A connection of asyncssh's client, the host key checked against the inventory."""
        said = self.declared(workstation)
        port = said["connection"]["port"]
        keys = [asyncssh.import_public_key(key) for key in said["host_keys"]]
        given = {
            "username": "iea-admin",
            "client_keys": [str(self.directory / "id_ed25519")],
            "known_hosts": (keys, [], []),
            "config": None,
            "agent_path": None,
            **options,
        }
        async with asyncssh.connect("127.0.0.1", port, **given) as connection:
            yield connection


def _folders(layout: Layout) -> tuple[str, str]:
    return layout.root, layout.private


_ACCOUNTS = r"^{first}:(?:.*\n)+?(?=defaults:)|^    users:\n(?:      .*\n)+"


@contextlib.contextmanager
def running_lab(
    folder: Path, workstations: int = 6, offices: int = 3, *, accounts: bool = False, kinds: Sequence[Kind] = ()
) -> Iterator[RunningLab]:
    """A lab below ``folder``, stopped at the end whatever happens. ``kinds`` are those of its workstations, or ssh.

    Its inventory says nothing of users and their accounts unless ``accounts``: one of them is refused by the portal and
    one is a stranger, and tests of something else would have both in every matrix.
    """
    directory = folder / "lab"
    info = lab.up(directory, offices, workstations, kinds)
    running = RunningLab(directory, info)
    try:
        if not accounts:
            written = running.inventory.read_text(encoding="utf-8")
            # What opens the secrets stays where the way in to a workstation is one.
            first = "net_entreprises_service" if any(kind.startswith("winrm") for kind in kinds) else "secrets"
            without, found = re.subn(_ACCOUNTS.format(first=first), "", written, flags=re.MULTILINE)
            assert found == 1 + offices
            running.inventory.write_text(without, encoding="utf-8")
        yield running
    finally:
        lab.down(directory)
