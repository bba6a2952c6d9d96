"""Every back-end of secrets as an operator would fill it: what the inventory says of it, and its environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keyrings.alt.file
import pykeepass
import pyrage
import yaml
from canaries import canary, owner_only
from openbao import ROOT_TOKEN, OpenBao

MASTER = canary("5e1f08a3c47db926")
"""What opens a back-end that is locked by a password of its own."""


@dataclass(frozen=True, slots=True)
class Kept:
    """``declared`` stands in the inventory under ``secrets:``, ``reference`` leads to a secret by its name.

    ``environment`` is the operator's.
    """

    declared: Mapping[str, Any]
    reference: Callable[[str], str]
    environment: dict[str, str] = field(default_factory=dict)


def _env(_folder: Path, secrets: Mapping[str, str]) -> Kept:
    names = {name: f"THE_{name.upper()}" for name in secrets}
    return Kept(
        {"env": {"kind": "env", "names": list(names.values())}},
        lambda name: f"env:{names[name]}",
        {names[name]: value for name, value in secrets.items()},
    )


def _age(folder: Path, secrets: Mapping[str, str], passphrase: str | None = None) -> Kept:
    identity = pyrage.x25519.Identity.generate()
    recipient = identity.to_public()
    content = f"# public key: {recipient}\n{identity}\n".encode()
    if passphrase is not None:
        content = pyrage.passphrase.encrypt(content, passphrase)
    file = folder / "identity"
    file.write_bytes(content)
    file.chmod(0o600)
    for name, value in secrets.items():
        place = folder / "secrets" / f"{name}.age"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(pyrage.encrypt(value.encode(), [recipient]))
    environment = {"IEA_FLEET_AGE_IDENTITY": str(file)}
    if passphrase is not None:
        environment["IEA_FLEET_AGE_PASSPHRASE"] = passphrase
    declared = {"kind": "age", "folder": str(folder / "secrets"), "recipients": [str(recipient)]}
    return Kept({"mine": declared}, lambda name: f"mine:{name}", environment)


def _age_with_passphrase(folder: Path, secrets: Mapping[str, str]) -> Kept:
    return _age(folder, secrets, MASTER)


_PRINT_SECRET = """#!{python}
import os, sys
# What it was given stands where it is searched.
with open(os.environ["HOME"] + "/given", "a") as given:
    print(sys.argv, dict(os.environ), file=given)
print(open("{folder}/" + sys.argv[1]).read(), end="")
"""


def _command(folder: Path, secrets: Mapping[str, str]) -> Kept:
    for name, value in secrets.items():
        owner_only(folder / name, f"{value}\n")
    program = folder / "print-secret"
    program.write_text(_PRINT_SECRET.format(python=sys.executable, folder=folder))
    program.chmod(0o700)
    declared = {"kind": "command", "run": [str(program), "{path}"]}
    file = owner_only(folder / "config.yml", yaml.safe_dump({"secrets": {"pass": declared}}))
    others = {"IEA_FLEET_AGE_PASSPHRASE": MASTER, "OTHER_SECRET": MASTER}
    return Kept(
        {"env": {"kind": "env", "names": ["OTHER_SECRET"]}},
        lambda name: f"pass:{name}",
        {"IEA_FLEET_CONFIG": str(file), "LC_ALL": "C.UTF-8", **others},
    )


def _keepass(folder: Path, secrets: Mapping[str, str]) -> Kept:
    database = pykeepass.create_database(str(folder / "coffre.kdbx"), password=MASTER)
    for name, value in secrets.items():
        database.add_entry(database.root_group, name, "", value)
    database.save()
    declared = {"kind": "keepass", "file": str(folder / "coffre.kdbx"), "password": "env:MASTER"}
    return Kept(
        {"coffre": declared, "env": {"kind": "env", "names": ["MASTER"]}},
        lambda name: f"coffre:{name}",
        {"MASTER": MASTER},
    )


def _keyring(folder: Path, secrets: Mapping[str, str]) -> Kept:
    ring = keyrings.alt.file.PlaintextKeyring()
    ring.file_path = str(folder / "python_keyring" / "keyring_pass.cfg")
    for name, value in secrets.items():
        ring.set_password("iea-fleet", name, value)
    environment = {
        "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
        "XDG_DATA_HOME": str(folder),
    }
    return Kept({"ring": {"kind": "keyring", "service": "iea-fleet"}}, lambda name: f"ring:{name}", environment)


def in_vault(server: OpenBao, secrets: Mapping[str, str]) -> Kept:
    """An OpenBao server, its token in the environment."""
    for name, value in secrets.items():
        server.put(name, password=value)
    declared = {"kind": "vault", "url": server.url, "mount": "secret", "token": "env:VAULT_TOKEN"}
    environment = {"VAULT_TOKEN": ROOT_TOKEN}
    return Kept(
        {"vault": declared, "env": {"kind": "env", "names": ["VAULT_TOKEN"]}}, lambda name: f"vault:{name}", environment
    )


BACKENDS: Mapping[str, Callable[[Path, Mapping[str, str]], Kept]] = {
    "env": _env,
    "age": _age,
    "age, identity with a passphrase": _age_with_passphrase,
    "command": _command,
    "keepass": _keepass,
    "keyring": _keyring,
}
"""Fills a back-end with secrets by name, in a folder that is the operator's own."""
