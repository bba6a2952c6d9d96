from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from keepass_files import keepass_file
from keepers import KEEPASS_PASSWORD, KINDS, Keeper
from openbao import OpenBao, openbao

from iea_fleet.secrets.age_identity import IDENTITY_VARIABLE


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with openbao(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="session")
def empty_coffre(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A KeePass file to copy: making one takes seconds."""
    path = tmp_path_factory.mktemp("coffre") / "empty.kdbx"
    keepass_file(path, KEEPASS_PASSWORD)
    return path


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pyrage.x25519.Identity:
    """The operator's identity, in a file of its own."""
    made = pyrage.x25519.Identity.generate()
    file = tmp_path / "identity.txt"
    file.write_text(f"# created: today\n# public key: {made.to_public()}\n{made}\n")
    file.chmod(0o600)
    monkeypatch.setenv(IDENTITY_VARIABLE, str(file))
    return made


@pytest.fixture(params=KINDS)
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Keeper:
    """A back-end of every kind, one after the other: real files, programs and servers."""
    return KINDS[request.param](request, tmp_path)
