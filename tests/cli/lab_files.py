"""The lab's files as a test looks at them: settings files of all workstations, inventories with something changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from labs import RunningLab

_LINE = re.compile(
    rb"^(?P<key>connexion\.securisee|serveur\.authentification|serveur\.maj)(?P<sign>[ =:]+)(?P<value>.*)$"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A settings file at one moment."""

    content: bytes
    inode: int
    changed_at: int


def settings(lab: RunningLab) -> dict[str, Seen]:
    """The settings file of every workstation."""
    return {name: seen(lab.file(name)) for name in lab.names}


def seen(file: Path) -> Seen:
    """One file, as it is now."""
    about = file.stat()
    return Seen(file.read_bytes(), about.st_ino, about.st_mtime_ns)


def put_right(lab: RunningLab, old: bytes) -> bytes:
    """The bytes a careful person would leave: the three values replaced in their lines, every other byte as it was.

    By a regular expression of our own on bytes: the product's reader and writer are what is under test.
    """
    wanted = {
        b"connexion.securisee": b"O",
        b"serveur.authentification": lab.info.authentication_url.encode("ascii"),
        b"serveur.maj": lab.info.update_url.encode("ascii"),
    }
    lines = []
    for line in old.split(b"\n"):
        bare = line.removesuffix(b"\r")
        if found := _LINE.match(bare):
            bare = found["key"] + found["sign"] + wanted[found["key"]]
        lines.append(bare + (b"\r" if line.endswith(b"\r") else b""))
    return b"\n".join(lines)


def left_behind(lab: RunningLab) -> list[Path]:
    """Files that no installation of IEA has."""
    own = {"connexion.properties", "version.properties", "etat.properties", "ImpactEmploi.lock"}
    tree = lab.directory / "workstations"
    files = (path for path in tree.rglob("*") if path.is_file() and path.parent.name != "utilisateurs")
    return [path for path in files if path.name not in own]


def inventory(lab: RunningLab, name: str, *changes: tuple[str, str]) -> Path:
    """A copy of the lab's inventory beside it, with these texts replaced wherever they stand."""
    text = lab.inventory.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"the lab's inventory does not say {old!r}"
        text = text.replace(old, new)
    yaml.safe_load(text)
    path = lab.directory / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return path


def patient_inventory(lab: RunningLab, seconds: int) -> Path:
    """The lab's inventory with so many seconds for each answer; WinRM takes nothing over from defaults of ssh."""
    changes = [("timeout: 10", f"timeout: {seconds}")]
    if any(lab.kind(name).startswith("winrm") for name in lab.names):
        changes.append(("transport: winrm\n", f"transport: winrm\n          timeout: {seconds}\n"))
    return inventory(lab, "patient", *changes)


def port(lab: RunningLab, workstation: str) -> int:
    """Where a workstation is reached."""
    return lab.info.workstation(workstation).port


def playbook(lab: RunningLab, name: str, **rollout: object) -> Path:
    """A playbook beside the lab's inventory that asks for everything declared, with this rollout."""
    path = lab.directory / f"{name}.yml"
    path.write_text(yaml.safe_dump({"version": 1, "name": name, "rollout": rollout}), encoding="utf-8")
    return path
