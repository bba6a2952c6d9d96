"""A back-end of every kind, filled by other hands than ours: real files, programs and servers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keyring
import pykeepass
import pyrage
import pytest
from keepass_files import put
from keyrings.alt.file import PlaintextKeyring
from openbao import ROOT_TOKEN, OpenBao

from iea_fleet.model.inventory import AgeBackend, EnvBackend, KeepassBackend, KeyringBackend, VaultBackend
from iea_fleet.model.operator import AnyBackend, CommandBackend
from iea_fleet.secrets import Secrets

KEEPASS_PASSWORD = "CANARY-coffre"


@dataclass(frozen=True, slots=True)
class Keeper:
    """A back-end of one kind, and a way to put secrets into it that is not ours."""

    kind: str
    declared: Mapping[str, AnyBackend]
    folder: Path
    put: Callable[[str, str], None]

    def secrets(self) -> Secrets:
        """The secrets of a new run."""
        return Secrets(self.declared, self.folder)

    def reference(self, path: str) -> str:
        """The reference to a secret of this back-end."""
        return f"kept:{path}"


def _age(request: pytest.FixtureRequest, folder: Path) -> Keeper:
    identity: pyrage.x25519.Identity = request.getfixturevalue("identity")

    def put_age(path: str, value: str) -> None:
        file = folder / "secrets" / f"{path}.age"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pyrage.encrypt(value.encode(), [identity.to_public()]))

    declared = AgeBackend(kind="age", recipients=(str(identity.to_public()),))
    return Keeper("age", {"kept": declared}, folder, put_age)


def _env(request: pytest.FixtureRequest, folder: Path) -> Keeper:
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    declared = EnvBackend(kind="env", names=("net/ligue", "net/other", "net/none"))
    return Keeper("env", {"kept": declared}, folder, monkeypatch.setenv)


def _command(request: pytest.FixtureRequest, folder: Path) -> Keeper:
    def put_file(path: str, value: str) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(f"{value}\n".encode())

    return Keeper(
        "command", {"kept": CommandBackend(kind="command", run=("cat", f"{folder}/{{path}}"))}, folder, put_file
    )


def _keepass(request: pytest.FixtureRequest, folder: Path) -> Keeper:
    request.getfixturevalue("monkeypatch").setenv("IEA_TEST_COFFRE", KEEPASS_PASSWORD)
    shutil.copyfile(request.getfixturevalue("empty_coffre"), folder / "coffre.kdbx")
    opened = pykeepass.PyKeePass(str(folder / "coffre.kdbx"), KEEPASS_PASSWORD)
    declared = {
        "kept": KeepassBackend(kind="keepass", file="coffre.kdbx", password="env:IEA_TEST_COFFRE"),
        "env": EnvBackend(kind="env", names=("IEA_TEST_COFFRE",)),
    }
    return Keeper("keepass", declared, folder, lambda path, value: put(opened, path, value))


def _vault(request: pytest.FixtureRequest, folder: Path) -> Keeper:
    server: OpenBao = request.getfixturevalue("vault")
    request.getfixturevalue("monkeypatch").setenv("IEA_TEST_TOKEN", ROOT_TOKEN)
    declared = {
        "kept": VaultBackend(kind="vault", url=server.url, token="env:IEA_TEST_TOKEN"),
        "env": EnvBackend(kind="env", names=("IEA_TEST_TOKEN",)),
    }
    return Keeper("vault", declared, folder, lambda path, value: server.put(path, password=value))


def _keyring(request: pytest.FixtureRequest, folder: Path) -> Keeper:
    before, made = keyring.get_keyring(), PlaintextKeyring()
    made.file_path = str(folder / "keyring.cfg")
    keyring.set_keyring(made)
    request.addfinalizer(lambda: keyring.set_keyring(before))
    declared = {"kept": KeyringBackend(kind="keyring", service="iea-test")}
    return Keeper("keyring", declared, folder, lambda path, value: made.set_password("iea-test", path, value))


KINDS: Mapping[str, Callable[[pytest.FixtureRequest, Path], Keeper]] = {
    "age": _age,
    "env": _env,
    "command": _command,
    "keepass": _keepass,
    "vault": _vault,
    "keyring": _keyring,
}
