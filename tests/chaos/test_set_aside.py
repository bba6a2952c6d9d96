"""What the agent could not remove after Replace is no sign of a run that died: an antivirus held it for a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from labs import running_lab
from one_workstation import NEW, Workstation

from iea_fleet.model.request import aside_name


@pytest.fixture(params=["ssh-windows", "winrm"])
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    folder = tmp_path_factory.mktemp("aside")
    (folder / "state").mkdir()
    with running_lab(folder, workstations=1, offices=1, kinds=[request.param]) as lab:
        yield Workstation.of(lab, folder / "state")


def test_the_run_file_of_a_run_that_ended_well_does_not_come_back(there: Workstation) -> None:
    with there.session() as session:
        transaction = there.written(session)
        assert transaction.commit(keep_backups=True) == ""
    aside = there.lab.file(there.name, f"{there.target.files['private']}/{aside_name('run.json', '0123456789abcdef')}")
    aside.write_bytes(transaction.run_file.content)
    aside.chmod(0o600)
    there.file("state_file").write_bytes(b"by hand")
    with there.session() as session:
        assert there.settled(session) is None
    assert there.now() == {**NEW, "state_file": b"by hand"}
    assert not aside.exists()
    assert there.recorded == {}
