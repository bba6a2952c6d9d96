"""A transaction of three files, one secret and one not there before, is cut off at every request and settled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from labs import FOUR_KINDS, running_lab
from one_workstation import NEW, RUN, Workstation

from iea_fleet.engine.journal import encode
from iea_fleet.engine.lease import Standing
from iea_fleet.engine.settle import Settled, settle
from iea_fleet.engine.transaction import PutBack
from iea_fleet.errors import BrokenError
from iea_fleet.model.journal import Journal
from iea_fleet.model.matrix import Status
from iea_fleet.model.request import Answer, ReadFile, aside_name, temporary_name
from iea_fleet.resources import Unobserved
from iea_fleet.transports.base import Session

LAST = 300
LONG = "CHAOS_KILLS" in os.environ
CUTS = ("drop-before", "die-after")
"""Over SSH a connection takes what it runs along. Over WinRM that goes on to its end, and dies with the workstation."""


@pytest.fixture(scope="module", params=FOUR_KINDS)
def workstation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    folder = tmp_path_factory.mktemp("sets")
    (folder / "state").mkdir()
    with running_lab(folder, workstations=1, offices=1, kinds=[request.param]) as lab:
        yield Workstation.of(lab, folder / "state")


@pytest.fixture
def there(workstation: Workstation) -> Iterator[Workstation]:
    yield workstation
    workstation.lab.mend(workstation.name)
    workstation.old_again()


def stride(one: Workstation) -> int:
    """How far apart the numbers are at which it is cut off."""
    return 1 if LONG else 4 if one.lab.kind(one.name) == "ssh" else 9


def committed(one: Workstation, session: Session) -> None:
    assert one.written(session).commit(keep_backups=True) == ""


def put_back(one: Workstation, session: Session) -> None:
    transaction = one.written(session)
    assert transaction.put_back() == PutBack()
    assert transaction.commit(keep_backups=False) == ""


def settled(one: Workstation, session: Session) -> None:
    one.settled(session)


def cut_off(one: Workstation, fault: str, do: Callable[[Workstation, Session], None]) -> bool:
    """Do it under a fault; whether it was cut off."""
    one.lab.break_(one.name, fault)
    try:
        with one.session() as session:
            do(one, session)
    except BrokenError:
        return True
    finally:
        one.lab.mend(one.name)
    return False


def assert_settled(one: Workstation) -> None:
    with one.session() as session:
        assert not isinstance(one.settled(session), Unobserved)
    assert one.now() in (one.old, NEW)
    backups = {f"{RUN}-2.bak"} if one.now() == NEW else set()
    assert set(one.left()) <= backups


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("do", [committed, put_back])
def test_cut_off_at_every_request(there: Workstation, do: Callable[[Workstation, Session], None], cut: str) -> None:
    number = 1
    while cut_off(there, f"{cut}={number}", do):
        assert_settled(there)
        there.old_again()
        number += stride(there)
        assert number < LAST
    assert number > 40


@pytest.mark.parametrize("cut_by", CUTS)
@pytest.mark.parametrize("written", [2, 3])
def test_settling_is_cut_off_at_every_request(there: Workstation, written: int, cut_by: str) -> None:
    """With two files of three written it is put back, with all three finished, however often it is cut off."""
    number, cut = 1, True
    while cut:
        with there.session() as session:
            transaction = there.written(session)
            if written == 2:
                there.file("state_file").unlink()
        cut = cut_off(there, f"{cut_by}={number}", settled)
        assert_settled(there)
        assert there.now() == (NEW if written == 3 else there.old)
        assert transaction.files[2].was_absent
        assert there.recorded == ({RUN: transaction.files} if written == 3 else {})
        there.old_again()
        number += stride(there)
        assert number < LAST
    assert number > 10


def half_written(there: Workstation) -> None:
    with there.session() as session:
        there.written(session)
    there.file("state_file").unlink()


def test_a_run_file_that_its_writer_had_moved_away_is_there_again(there: Workstation) -> None:
    """ReplaceFile of Windows moves the old one away first; who dies then leaves a half written set without a lease."""
    half_written(there)
    run_file = there.lab.file(there.name, f"{there.target.files['private']}/run.json")
    token = "0123456789abcdef"
    run_file.with_name(temporary_name("run.json", token)).write_bytes(run_file.read_bytes())
    run_file.rename(run_file.with_name(aside_name("run.json", token)))
    with there.session() as session:
        assert there.settled(session) == Settled(RUN, finished=False)
    assert there.now() == there.old
    assert there.left() == []


@pytest.mark.parametrize("moved_away", [True, False])
@pytest.mark.parametrize("name", ["server_connection", "version_file"])
def test_a_file_that_is_missing_is_put_back_on_windows_alone(there: Workstation, name: str, moved_away: bool) -> None:
    """There the dead run may have moved it away; elsewhere no death leaves it missing, so somebody has removed it."""
    half_written(there)
    file, private = there.file(name), there.lab.file(there.name, there.target.files["private"])
    if moved_away:
        file.write_bytes(there.old[name] or b"")
        file.rename(private / aside_name(file.name, "0123456789abcdef"))
    else:
        file.unlink()
    with there.session() as session:
        said = there.settled(session)
    removed = there.lab.kind(there.name) == "ssh"
    assert said == Settled(RUN, finished=False, left_alone=(there.target.files[name],) if removed else ())
    assert there.now() == (there.old | {name: None} if removed else there.old)
    assert there.left() == []


@pytest.mark.parametrize("damaged", [None, b"", b"other"])
def test_a_backup_that_is_missing_or_damaged(there: Workstation, damaged: bytes | None) -> None:
    half_written(there)
    backup = there.lab.file(there.name, f"{there.target.files['private']}/{RUN}-1.bak")
    backup.unlink()
    if damaged is not None:
        backup.write_bytes(damaged)
    before, left = there.now(), there.left()
    with there.session() as session:
        said = there.settled(session)
    assert isinstance(said, Unobserved)
    assert (said.status, said.reason_code) == (Status.FAILED, "backup_missing")
    assert "missing or damaged" in said.reason
    assert (there.now(), there.left()) == (before, left)


def test_a_file_changed_by_somebody_is_left_alone_and_the_others_put_back(there: Workstation) -> None:
    half_written(there)
    there.file("version_file").write_bytes(b"by hand")
    with there.session() as session:
        said = there.settled(session)
    assert said == Settled(RUN, finished=False, left_alone=(there.target.files["version_file"],))
    assert there.now() == {**there.old, "version_file": b"by hand"}
    assert there.left() == []


def test_what_cannot_be_put_back_is_not_forgotten(there: Workstation) -> None:
    """The disk turns read-only in the middle: run.json and the backups stay, and the next contact settles it."""
    with there.session() as session:
        transaction = there.written(session)
        there.lab.break_(there.name, "read-only")
        back = transaction.put_back()
    assert back.changed == ()
    assert "may not" in back.stuck
    with there.session() as session:
        said = there.settled(session)
    assert isinstance(said, Unobserved)
    assert (said.reason_code, there.now()) == ("not_settled", NEW)
    there.lab.mend(there.name)
    assert "run.json" in there.left()
    with there.session() as session:
        assert there.settled(session) == Settled(RUN, finished=True)
    assert there.now() == NEW
    assert there.left() == [f"{RUN}-2.bak"]


def test_a_secret_that_cannot_be_removed_is_not_forgotten(there: Workstation) -> None:
    with there.session() as session:
        transaction = there.written(session)
        there.lab.break_(there.name, "read-only")
        assert "-1.bak cannot be removed" in transaction.commit(keep_backups=True)
        there.lab.mend(there.name)
    assert "run.json" in there.left()
    assert_settled(there)
    assert there.left() == [f"{RUN}-2.bak"]


def test_a_read_only_disk_keeps_a_half_written_set_for_later(there: Workstation) -> None:
    half_written(there)
    there.lab.break_(there.name, "read-only")
    before = there.now()
    with there.session() as session:
        said = there.settled(session)
    assert isinstance(said, Unobserved)
    assert (said.status, said.reason_code) == (Status.FAILED, "not_settled")
    assert "may not" in said.reason
    assert there.now() == before
    there.lab.mend(there.name)
    assert_settled(there)
    assert there.now() == there.old


def test_a_lease_that_was_taken_over_stops_every_phase(there: Workstation) -> None:
    """Whoever was asleep while somebody else took the workstation writes nothing any more."""
    with there.session() as session:
        transaction = there.written(session)
        run_file = there.lab.file(there.name, f"{there.target.files['private']}/run.json")
        run_file.write_bytes(b"another run")
        back = transaction.put_back()
        assert "not ours any more" in back.stuck
        assert transaction.lost
        assert there.now() == NEW
        assert "another run" in transaction.commit(keep_backups=True)
        assert run_file.read_bytes() == b"another run"


def test_of_two_that_find_the_same_dead_run_one_settles_it(there: Workstation) -> None:
    """Both have read run.json and found its owner dead; the second sees that the first has taken it over."""
    half_written(there)
    with there.session() as first, there.session() as second:
        (answer,) = first.carry_out((there.leases.read(there.target),))
        lease = there.leases.standing(there.target, answer, first)
        there.lab.break_(there.name, "read-only")
        stuck = settle(first, there.target, lease, there.leases, there.record)
        assert isinstance(stuck, Unobserved)
        assert "/iea-fleet/run.json cannot be written" in stuck.reason
        there.lab.mend(there.name)
        assert settle(first, there.target, lease, there.leases, there.record) == Settled(RUN, finished=False)
        assert settle(second, there.target, lease, there.leases, there.record) is None
    assert there.now() == there.old
    assert there.left() == []


def test_whoever_settles_is_the_owner_until_it_is_done(there: Workstation) -> None:
    """Cut off in the middle, it leaves its own run.json, with the files of the dead run."""
    half_written(there)
    with there.session() as session:
        (answer,) = session.carry_out((there.leases.read(there.target),))
        dead = there.leases.standing(there.target, answer, session)
    backup = there.lab.file(there.name, f"{there.target.files['private']}/{RUN}-1.bak")
    kept = backup.read_bytes()
    backup.unlink()
    with there.session() as session:
        assert isinstance(there.settled(session), Unobserved)
        (answer,) = session.carry_out((there.leases.read(there.target),))
        taken = there.leases.standing(there.target, answer, session)
    assert dead.journal is not None
    assert taken.journal is not None
    assert (taken.journal.run, taken.journal.files) == (RUN, dead.journal.files)
    assert taken.journal.begun_at > dead.journal.begun_at
    backup.write_bytes(kept)
    assert_settled(there)
    assert there.now() == there.old


def test_clock_files_of_the_dead_are_swept(there: Workstation) -> None:
    half_written(there)
    private = there.lab.file(there.name, there.target.files["private"])
    for name in ("clock-0123456789abcdef", ".clock-0123456789abcdef.iea-fleet-0123456789abcdef"):
        (private / name).write_bytes(b"")
    (private / "note.txt").write_bytes(b"somebody's")
    with there.session() as session:
        there.settled(session)
    assert there.left() == ["note.txt"]


def replaced_owner(journal: Journal) -> Journal:
    return replace(journal, owner=replace(journal.owner, controller="elsewhere"))


def content_of(session: Session, path: str) -> Answer:
    return session.carry_out((ReadFile(path),))[0]


@pytest.mark.parametrize("fault", ["clock=+3h", "clock=-3h"])
@pytest.mark.parametrize("since", [0, 1000])
def test_the_age_of_another_machine_s_run_is_told_by_its_clock(there: Workstation, fault: str, since: int) -> None:
    """Another controller of the same history: no process to look at, only the age by the workstation's clock."""
    there.lab.break_(there.name, fault)
    with there.session() as session:
        there.written(session)
        run_file = there.lab.file(there.name, f"{there.target.files['private']}/run.json")
        then = run_file.stat().st_mtime - since
        journal = there.leases.standing(
            there.target, content_of(session, f"{there.target.files['private']}/run.json"), session
        ).journal
        assert journal is not None
        elsewhere = replaced_owner(journal)
        run_file.write_bytes(encode(elsewhere, there.leases.key.sign))
        os.utime(run_file, (then, then))
        answer = content_of(session, f"{there.target.files['private']}/run.json")
        lease = there.leases.standing(there.target, answer, session)
    assert lease.standing is (Standing.DEAD if since else Standing.HELD)
    assert [name for name in there.left() if "clock" in name] == []
