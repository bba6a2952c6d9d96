from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bastion import Bastion
from canaries import Watched
from labs import RunningLab, running_lab
from login_secrets import PASSWORD
from openbao import OpenBao, openbao


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(six: RunningLab) -> Iterator[RunningLab]:
    with six.restored() as restored:
        yield restored


@pytest.fixture
def bastion() -> Iterator[Bastion]:
    with Bastion(PASSWORD) as running:
        yield running


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[OpenBao]:
    folder = tmp_path / "openbao"
    folder.mkdir()
    with openbao(folder) as server:
        yield server


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    home = tmp_path / "home"
    home.mkdir()
    return Watched(home)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where the operator keeps secrets: the one place that is not searched."""
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    return folder
