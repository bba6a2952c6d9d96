from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from labs import RunningLab, running_lab


@pytest.fixture(scope="session")
def session_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with running_lab(tmp_path_factory.mktemp("labs")) as running:
        yield running


@pytest.fixture
def office(session_lab: RunningLab) -> Iterator[RunningLab]:
    """The one lab of these tests; what a test did to it is undone after."""
    kept = session_lab.directory / "kept"
    tree = session_lab.directory / "workstations"
    shutil.copytree(tree, kept)
    yield session_lab
    session_lab.mend("servers")
    for name in session_lab.names:
        session_lab.mend(name)
        shutil.rmtree(tree / name)
    shutil.copytree(kept, tree, dirs_exist_ok=True)
    shutil.rmtree(kept)
