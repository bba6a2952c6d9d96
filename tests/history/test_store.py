import datetime as dt
import itertools
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_runs import DAY, NOW, cell, memory, row, run, target

from iea_fleet.errors import HistoryError, UsageError
from iea_fleet.history import History, default_state_dir, new_run_id
from iea_fleet.history.last_state import TELLING
from iea_fleet.model.matrix import Cell, Difference, Row, Seen, Status

GRAND_EST = "Réseau Grand Est"
RUN_ID = run().id


@pytest.fixture
def history(tmp_path: Path):
    with History.open(tmp_path / "state") as opened:
        yield opened


def test_a_run_comes_back_as_it_was_kept(history: History):
    started = replace(run(), started_at=NOW.astimezone(dt.timezone(dt.timedelta(hours=2))))
    history.begin(started, {"nancy": "Maison des associations"})
    going_on = history.run(RUN_ID)
    history.record(RUN_ID, row("b", cell(Status.DRIFTED), cell(Status.OFFLINE, address="state")))
    history.record(RUN_ID, row("a", cell(Status.IN_SYNC), office="toul"))
    history.finish(RUN_ID, NOW + DAY, 3)

    kept = history.run(RUN_ID)
    assert going_on.run == run()
    assert kept.run == replace(run(), ended_at=NOW + DAY, exit_code=3)
    assert kept.run.started_at.utcoffset() == dt.timedelta(0)
    assert list(kept.summary.items()) == [(Status.DRIFTED, 1), (Status.IN_SYNC, 1)]
    assert kept.offices == {"nancy": "Maison des associations"}
    assert history.rows(RUN_ID) == (
        row("b", cell(Status.DRIFTED), cell(Status.OFFLINE, address="state")),
        row("a", cell(Status.IN_SYNC), office="toul"),
    )


def test_a_second_outcome_takes_the_place_of_the_first(history: History):
    history.begin(run())
    history.record(RUN_ID, row("a", cell(Status.OFFLINE)))
    history.record(RUN_ID, row("a", cell(Status.CHANGED)))

    assert history.rows(RUN_ID) == (row("a", cell(Status.CHANGED)),)


def test_a_row_without_cells_is_kept(history: History):
    history.begin(run())
    history.record(RUN_ID, row("a"))

    assert history.rows(RUN_ID) == (row("a"),)


VALUES = st.one_of(
    st.text(st.characters(codec=None)), st.booleans(), st.integers(), st.floats(allow_nan=False), st.none()
)
TIMES = st.none() | st.datetimes(timezones=st.just(dt.UTC)).map(lambda time: time.replace(fold=0))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory):
    with History.open(tmp_path_factory.mktemp("long")) as opened:
        yield opened


@given(VALUES, VALUES, TIMES, ANY_TEXT, st.sampled_from(Status))
def test_any_cell_and_memory_come_back(long_history: History, before, after, when, reason, status):
    difference = Difference("secure", before, after, reason, before, when)
    kept = Row("w", "o", (Cell("state", status, reason, "code", when, (difference,), 0.5),))
    started = run(f"run-{next(NUMBERS)}")
    long_history.begin(started)
    long_history.record(started.id, kept, {"state": memory(secure=after)})

    # 1, 1.0 and True are equal; the history must not turn one into another.
    assert repr(long_history.rows(started.id)) == repr((kept,))
    assert repr(long_history.memories(GRAND_EST)["w"]["state"].values) == repr({"secure": after})


def test_the_chain_holds_over_any_cell(long_history: History):
    assert long_history.verify().broken == ""


def test_reasons_that_no_database_takes_are_kept_as_far_as_they_go(history: History):
    history.begin(replace(run(), user="cla\udce9re"))
    history.record(RUN_ID, row("a", Cell("state", Status.FAILED, "nul \0 and half \ud83d", "odd")))

    assert history.run(RUN_ID).run.user == "cla?re"
    assert history.rows(RUN_ID)[0].cells[0].status is Status.FAILED


def test_the_name_of_a_run_may_be_shortened_while_it_is_clear(history: History):
    for name in ("20261120-080000-0001", "20261121-101502-a3f9", "20261121-101502-a3f9-2", "20261121-110000-0002"):
        history.begin(run(name))

    assert history.run("20261120").run.id == "20261120-080000-0001"
    assert history.run("20261121-101502-a3f9").run.id == "20261121-101502-a3f9"
    with pytest.raises(UsageError, match=r"several runs .*20261121-110000-0002, 20261121-101502-a3f9-2") as several:
        history.run("20261121")
    assert several.value.code == "several_runs"
    with pytest.raises(UsageError, match="nearest: 20261120-080000-0001") as none:
        history.run("20261120-080000-0007")
    assert none.value.code == "no_such_run"


@pytest.mark.parametrize("name", ["%", "_", "", "2026112_"])
def test_what_is_no_name_of_a_run_finds_none(history: History, name: str):
    history.begin(run())

    with pytest.raises(UsageError, match="nearest"):
        history.run(name)


def test_an_empty_history_says_so(history: History):
    assert history.runs() == ()
    with pytest.raises(UsageError, match="knows no run yet"):
        history.run("2026")


def test_runs_are_listed_newest_first_and_by_inventory(history: History):
    for day in range(1, 8):
        history.begin(run(f"202611{day:02}-101502-a3f9", "lab" if day % 2 else GRAND_EST))
    history.record("20261107-101502-a3f9", row("a", cell(Status.OFFLINE)))

    assert [one.run.id[6:8] for one in history.runs(3)] == ["07", "06", "05"]
    assert [one.run.id[6:8] for one in history.runs(10, GRAND_EST)] == ["06", "04", "02"]
    assert history.runs(1)[0].summary == {Status.OFFLINE: 1}


def test_an_outcome_of_no_run_is_refused_and_the_others_are_kept(history: History):
    history.begin(run())
    with pytest.raises(HistoryError, match="knows no run 20200101"):
        history.record("20200101", row("a"))
    with pytest.raises(HistoryError, match="knows no run 20200101"):
        history.finish("20200101", NOW, 0)
    history.record(RUN_ID, row("a"))

    assert len(history.rows(RUN_ID)) == 1


def test_the_same_run_cannot_begin_twice_and_others_go_on_meanwhile(history: History):
    def begin(number: int) -> bool:
        try:
            history.begin(run(f"run-{number % 30:02}"))
        except HistoryError:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        begun = list(threads.map(begin, range(60)))

    assert begun.count(True) == 30
    assert len(history.runs(100)) == 30


def test_an_outcome_that_cannot_be_kept_leaves_the_others_alone(history: History):
    history.begin(run())

    def record(number: int) -> None:
        right_at = NOW.replace(tzinfo=None) if number % 10 == 0 else NOW
        history.record(RUN_ID, row(f"w{number}"), {"server_connection": memory(right_at, secure=True)})

    with ThreadPoolExecutor(16) as threads:
        outcomes = [threads.submit(record, number).exception for number in range(40)]
        told = [str(outcome()) for outcome in outcomes]
    assert sum("without a time zone" in words for words in told) == 4
    assert told.count("None") == 36
    assert {one.workstation for one in history.rows(RUN_ID)} == {f"w{n}" for n in range(40) if n % 10}
    assert set(history.memories(GRAND_EST)) == {f"w{n}" for n in range(40) if n % 10}


def test_many_threads_at_once_lose_nothing(history: History):
    history.begin(run(selected=300))

    def record(number: int) -> None:
        history.record(
            RUN_ID, row(f"w{number}", cell(Status.IN_SYNC)), {"server_connection": memory(secure=True, place=number)}
        )

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(record, range(300)))

    assert history.run(RUN_ID).summary == {Status.IN_SYNC: 300}
    remembered = history.memories(GRAND_EST)
    assert {remembered[f"w{number}"]["server_connection"].values["place"] for number in range(300)} == set(range(300))


def test_after_close_nothing_is_taken_and_nobody_waits(tmp_path: Path):
    before = threading.active_count()
    history = History.open(tmp_path)
    history.begin(run())
    history.close()
    history.close()

    with pytest.raises(HistoryError, match="is closed"):
        history.record(RUN_ID, row("a"))
    assert threading.active_count() == before


def test_memories_are_those_of_the_inventory_and_the_latest(history: History):
    history.begin(run())
    history.begin(run("other", "another inventory"))
    history.record(RUN_ID, row("a"), {"server_connection": memory(secure=False), "software": memory(version="3.02")})
    history.record(RUN_ID, row("a"), {"server_connection": memory(NOW + DAY, secure=True)})
    history.record("other", row("a"), {"server_connection": memory(secure=False)})

    assert history.memories(GRAND_EST) == {
        "a": {"server_connection": memory(NOW + DAY, secure=True), "software": memory(version="3.02")}
    }
    assert history.memories("unheard of") == {}


@pytest.mark.parametrize("blind", sorted(set(Status) - TELLING))
def test_a_status_that_says_nothing_leaves_what_was_seen(history: History, blind: Status):
    history.begin(run())
    history.record(RUN_ID, row("a", cell(Status.IN_SYNC, NOW - 3 * DAY)))
    history.begin(run("20261122-101502-0001"))
    history.record("20261122-101502-0001", row("a", cell(blind)))
    history.record("20261122-101502-0001", row("a", cell(blind, NOW + DAY)))

    (kept,) = history.last_rows(GRAND_EST, [target("a", "server_connection")])

    assert kept.status is blind
    assert kept.cells[0].observed_at == NOW + DAY
    assert kept.cells[0].last_seen == Seen(Status.IN_SYNC, NOW - 3 * DAY)


@pytest.mark.parametrize("telling", sorted(TELLING))
def test_a_status_that_says_what_is_there_takes_its_place(history: History, telling: Status):
    history.begin(run())
    history.record(RUN_ID, row("a", cell(Status.IN_SYNC, NOW - 3 * DAY)))
    history.record(RUN_ID, row("a", cell(telling)))
    (kept,) = history.last_rows(GRAND_EST, [target("a", "server_connection")])
    assert kept.cells == (cell(telling),)

    history.record(RUN_ID, row("a", cell(Status.OFFLINE, NOW + DAY)))
    (later,) = history.last_rows(GRAND_EST, [target("a", "server_connection")])
    # What was changed was read back and right.
    seen = Status.IN_SYNC if telling is Status.CHANGED else telling
    assert later.cells[0].last_seen == Seen(seen, NOW)


def test_a_cell_without_a_time_has_that_of_its_outcome(history: History):
    before = dt.datetime.now(dt.UTC)
    history.begin(run())
    history.record(RUN_ID, row("a", cell(Status.OFFLINE, None)))

    (kept,) = history.last_rows(GRAND_EST, [target("a", "server_connection")])

    assert kept.cells[0].observed_at is not None
    assert before <= kept.cells[0].observed_at <= dt.datetime.now(dt.UTC)
    assert kept.cells[0].last_seen is None


def test_the_last_state_is_that_of_what_the_inventory_declares_today(history: History):
    history.begin(run())
    gone = cell(Status.DRIFTED, address="net_entreprises.parti")
    state = cell(Status.IN_SYNC, address="state")
    history.record(RUN_ID, row("a", cell(Status.IN_SYNC), gone, state))
    history.record(RUN_ID, row("removed", cell(Status.FAILED)))

    first, second = history.last_rows(
        GRAND_EST, [target("new", "server_connection"), target("a", "server_connection", "software", office="toul")]
    )

    assert [(one.address, one.status, one.reason_code) for one in first.cells] == [
        ("server_connection", Status.UNKNOWN, "never_seen")
    ]
    assert (second.workstation, second.office) == ("a", "toul")
    assert [(one.address, one.status) for one in second.cells] == [
        ("server_connection", Status.IN_SYNC),
        ("software", Status.UNKNOWN),
        ("state", Status.IN_SYNC),
    ]


def test_run_ids_sort_by_time_and_differ_within_a_second():
    early = new_run_id(dt.datetime(2026, 11, 21, 11, 15, 2, tzinfo=dt.timezone(dt.timedelta(hours=1))))

    assert early.startswith("20261121-101502-")
    assert early < new_run_id(NOW + DAY)
    assert len({new_run_id(NOW) for _ in range(20)}) > 15


def test_the_package_loads_no_database_library_by_itself():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, iea_fleet.history; print('sqlalchemy' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "False\n"


def test_the_default_place_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert default_state_dir() == tmp_path / "iea-fleet"
