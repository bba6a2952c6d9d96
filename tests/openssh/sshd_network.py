"""Workstations that are folders of this machine, reached through a real sshd on one loopback address each.

What a person would have written stands in ``inventory`` and ``layout`` as plain mappings; a test changes them, and
``run`` writes them out and runs the real command.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from https_servers import HttpsServers
from sshd import Sshd

COMMAND = Path(sys.executable).with_name("iea-fleet")
LONG_AGO = 1_500_000_000
"""When the files of a workstation were last changed: a time that no test is mistaken for."""

WHATEVER_FAILS = {"version": 1, "name": "whatever fails", "rollout": {"max_failed": "100%"}}
"""Everything declared; each of few workstations has its turn, also after another one failed."""
NO_PROBES = {**WHATEVER_FAILS, "name": "settings alone", "probes": []}

# Nothing listens on 127.0.9.9: the servers of an old installation are gone.
SETTINGS = (
    "# Paramètres de connexion\r\n"
    "! généré par IEA\r\n"
    "\r\n"
    "connexion.securisee = N\r\n"
    "serveur.authentification:http://127.0.9.9:80\r\n"
    "serveur.maj=http://127.0.9.9:80/updates\r\n"
    "proxy.hote = \\\r\n   cache.example.org\r\n"
    "association=Ligue de l'été \\u00e9\r\n"
    "# fin, sans retour à la ligne"
).encode("latin-1")

MAINTENANCE = """#!/bin/sh
# Stands for the maintenance program of IEA: it knows its workstation by the address it was called on.
[ "$1" = relancer ] || exit 64
set -- $SSH_CONNECTION
cd "$(dirname "$0")/by-address/$3" || exit 65
value() {{ sed -n "s/^$1[ ]*[=:][ ]*//p" {file} | tr -d '\\r'; }}
etat=echec motif="adresse ou boite Securise"
case "$(value connexion.securisee) $(value serveur.authentification)" in
  *:80) ;;
  "O https://"*) etat=connecte motif= ;;
esac
printf '# boule ou coeur\\r\\netat=%s\\r\\nmotif=%s\\r\\n' "$etat" "$motif" > etat.properties
"""


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, what it said, and its document."""

    code: int
    stdout: str
    stderr: str

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    def workstation(self, name: str) -> dict[str, Any]:
        return next(one for one in self.document["workstations"] if one["name"] == name)

    def cell(self, name: str, address: str = "server_connection") -> dict[str, Any]:
        return next(one for one in self.workstation(name)["cells"] if one["address"] == address)

    def outcome(self, name: str, address: str = "server_connection") -> tuple[str, str]:
        """Status and reason code of a cell."""
        cell = self.cell(name, address)
        return cell["status"], cell["reason_code"]


@dataclass
class Network:
    """Some workstations, the inventory and the layout about them, and a history of their own."""

    folder: Path
    sshd: Sshd
    servers: HttpsServers
    addresses: Mapping[str, str]
    layout: dict[str, Any] = field(init=False)
    inventory: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.layout = _layout(self.folder)
        self.inventory = _inventory(self)
        for name, address in self.addresses.items():
            self.install(name)
            link = self.folder / "by-address" / address
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(self.home(name))
        program = self.folder / "maintenance"
        program.write_text(MAINTENANCE.format(file="connexion.properties"))
        program.chmod(0o755)

    def install(self, name: str) -> None:
        """An old installation: « Sécurisé » off, leftovers in the addresses, a red heart."""
        home = self.home(name)
        home.mkdir(parents=True)
        (self.folder / "private").mkdir(exist_ok=True)
        (home / "connexion.properties").write_bytes(SETTINGS)
        (home / "etat.properties").write_bytes("etat=echec\r\nmotif=sécurité\r\n".encode("latin-1"))
        (home / "version.properties").write_bytes(b"# IEA\nversion=3.02.004\n")
        for file in home.iterdir():
            os.utime(file, (LONG_AGO, LONG_AGO))

    @property
    def names(self) -> list[str]:
        return list(self.addresses)

    def home(self, name: str) -> Path:
        return self.folder / "workstations" / name

    def settings(self, name: str) -> Path:
        return self.home(name) / "connexion.properties"

    def pushed(self) -> bytes:
        """The settings as they have to be after a push, every other byte as it was."""
        return (
            SETTINGS.replace(b"securisee = N", b"securisee = O")
            .replace(b"http://127.0.9.9:80/updates", self.servers.update_url.encode())
            .replace(b"http://127.0.9.9:80", self.servers.authentication_url.encode())
        )

    def workstation(self, name: str) -> dict[str, Any]:
        """What the inventory says of a workstation, to be changed by a test."""
        found: dict[str, Any] = self.inventory["offices"]["nancy"]["workstations"][name]
        return found

    @property
    def connection(self) -> dict[str, Any]:
        """What the inventory says of every connection."""
        found: dict[str, Any] = self.inventory["defaults"]["connection"]
        return found

    def write(self, playbook: Mapping[str, Any] | None = None) -> list[str]:
        """Write the files out; their names as arguments of a command."""
        documents = {"inventory.yml": self.inventory, "layout.yml": self.layout, "playbook.yml": playbook}
        for name, document in documents.items():
            if document is not None:
                (self.folder / name).write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return ["inventory.yml", *(["playbook.yml"] if playbook else [])]

    def run(
        self,
        command: str,
        *arguments: str,
        playbook: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run a command of iea-fleet on the files as they stand now, with its result as JSON."""
        files = self.write(playbook)
        return self.command(command, *files, "--format", "json", *arguments, environment=environment)

    def command(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run any command of iea-fleet, in the folder of the files."""
        done = subprocess.run(
            [COMMAND, *arguments, "--state-dir", "state"],
            cwd=self.folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    def apply(self, *arguments: str, **more: Any) -> Ended:
        return self.run("apply", "--yes", *arguments, **{"playbook": WHATEVER_FAILS, **more})

    def everything(self) -> dict[str, tuple[bytes, int, int, int, int]]:
        """Each file of each workstation: content, owner, group, mode and when it was written (ns)."""
        return {
            str(path.relative_to(self.folder)): (path.read_bytes(), *_about(path))
            for path in sorted((self.folder / "workstations").rglob("*"))
            if path.is_file()
        }


def _about(path: Path) -> tuple[int, int, int, int]:
    about = path.lstat()
    return about.st_uid, about.st_gid, about.st_mode, about.st_mtime_ns


def _layout(folder: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "test",
        "versions": ">=3.00.72,<3.03",
        "os": "posix",
        "root": f"{folder}/workstations/{{{{ workstation }}}}",
        "private": f"{folder}/private/{{{{ workstation }}}}",
        "version_file": {"file": "version.properties", "format": "properties", "key": "version"},
        "state_file": {
            "file": "etat.properties",
            "format": "properties",
            "encoding": "latin-1",
            "key": "etat",
            "values": {"connecte": "connected", "echec": "failed", "assistance": "assistance"},
            "reason": "motif",
        },
        "application": {"lock_file": "ImpactEmploi.lock"},
        "server_connection": {
            "file": "connexion.properties",
            "format": "properties",
            "encoding": "latin-1",
            "keys": {
                "secure": {"key": "connexion.securisee", "values": {"O": True, "N": False}},
                "authentication_url": {"key": "serveur.authentification"},
                "update_url": {"key": "serveur.maj"},
            },
        },
        "actions": {"relaunch_authentication": {"run": [f"{folder}/maintenance", "relancer"], "timeout": 20}},
    }


def _inventory(network: Network) -> dict[str, Any]:
    sshd, servers = network.sshd, network.servers
    return {
        "version": 1,
        "name": "openssh",
        "layout": "layout.yml",
        "defaults": {
            "connection": {
                "transport": "ssh",
                "user": sshd.user,
                "port": sshd.port,
                "key_file": str(sshd.client_key),
                "timeout": 10,
                "deadline": 60,
            },
            "server_connection": {
                "secure": True,
                "authentication_url": servers.authentication_url,
                "update_url": servers.update_url,
                "ca_file": str(servers.ca_file),
            },
        },
        "offices": {
            "nancy": {
                "workstations": {
                    name: {"address": address, "host_keys": list(sshd.host_keys)}
                    for name, address in network.addresses.items()
                }
            }
        },
    }


def network_of(folder: Path, sshd: Sshd, servers: HttpsServers) -> Network:
    """A fresh workstation on each address of an sshd."""
    named = {f"nancy-{number:02}": address for number, address in enumerate(sshd.addresses, 1)}
    return Network(folder, sshd, servers, named)
