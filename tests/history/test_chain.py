import datetime as dt
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_runs import DAY, NOW, cell, memory, row, run

from iea_fleet.errors import HistoryError
from iea_fleet.history import History
from iea_fleet.model.journal import JournalFile
from iea_fleet.model.matrix import Status

HERE = str(Path(__file__).parent)
FILE = JournalFile("/iea/connexion.properties", "sha256:old", "sha256:new", "/iea/.private/x-1.bak")


def kept(folder: Path) -> str:
    """Two runs with three outcomes and one replaced file; the head."""
    with History.open(folder) as history:
        for number, name in enumerate(("20261120-080000-0001", "20261121-080000-0002")):
            history.begin(replace(run(name), started_at=NOW + (number - 1) * DAY, git_commit="a" * 40), {"nancy": "N"})
            history.record(name, row("a", cell(Status.CHANGED)), {"server_connection": memory(secure=True)}, [FILE])
            history.record(name, row("b", cell(Status.OFFLINE)))
            history.record(name, row("b", cell(Status.IN_SYNC)))
            history.finish(name, NOW + number * DAY, 0)
        return history.verify().head.hash


def broken(folder: Path, *statements: str, head: str = "") -> str:
    """What verify finds after these changes by another program."""
    with closing(sqlite3.connect(folder / "history.sqlite")) as database, database:
        for statement in statements:
            assert database.execute(statement).rowcount
    with History.open(folder) as history:
        return history.verify(head).broken


def test_a_history_that_nobody_touched_holds(tmp_path: Path):
    head = kept(tmp_path)
    with History.open(tmp_path) as history:
        found = history.verify()
        assert (found.broken, found.records, found.head.number, found.closed) == ("", 12, 12, 0)
        assert history.verify(head).broken == ""
        history.begin(run("later"))
        assert history.verify(head).broken == ""
        assert history.verify().head.hash != head
        assert history.verify("0" * 64).broken.startswith("no record has the hash 0000")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE outcomes SET status = 'in_sync' WHERE run_id LIKE '20261120%' AND workstation = 'a'",
            "record 2 (outc",
        ),
        (
            "UPDATE outcomes SET cells = replace(cells, 'secure', 'port') WHERE run_id LIKE '%2' AND workstation = 'a'",
            "record 8 (outcome of a in run 20261121-080000-0002) was changed",
        ),
        ("UPDATE runs SET user_name = 'nobody' WHERE id LIKE '%2'", "record 7 (begin of run 20261121-080000-0002)"),
        ("UPDATE runs SET git_commit = NULL WHERE id LIKE '%1'", "record 1 (begin"),
        ("UPDATE runs SET exit_code = 4 WHERE id LIKE '%2'", "record 12 (end of run 20261121-080000-0002)"),
        ("UPDATE runs SET ended_at = NULL, exit_code = NULL WHERE id LIKE '%2'", "record 12 (end of run"),
        ("UPDATE replacements SET after = 'sha256:other' WHERE run_id LIKE '%1'", "record 3 (/iea/connexion.prop"),
        ("DELETE FROM outcomes WHERE run_id LIKE '%1' AND workstation = 'b'", "record 5 (outcome of b in run 2026"),
        ("DELETE FROM replacements WHERE run_id LIKE '%2'", "record 9 (/iea/connexion.properties of a in run"),
        ("DELETE FROM runs WHERE id LIKE '%2'", "record 7 (begin of run 20261121-080000-0002) was removed"),
        (
            "INSERT INTO outcomes SELECT run_id, 'c', '', 'bad', '', '', ended_at, cells, 1 FROM outcomes LIMIT 1",
            "the outcome of c in run 20261120-080000-0001 has no record",
        ),
        ("DELETE FROM chain WHERE number = 4", "record 4 is missing"),
        ("DELETE FROM chain WHERE number = 1", "record 1 is missing"),
        ("UPDATE chain SET content = 'x' WHERE number = 5", "record 5 (outcome of b in run 20261120-080000-0001) is"),
        ("UPDATE chain SET hash = 'x' WHERE number = 5", "record 5 (outcome"),
        ("UPDATE chain SET workstation = 'c' WHERE number = 5", "record 5 (outcome of c"),
        ("UPDATE chain SET number = 99 WHERE number = 12", "record 12 is missing"),
    ],
)
def test_a_partial_edit_is_found_and_the_first_bad_record_named(tmp_path: Path, statement: str, said: str):
    kept(tmp_path)

    assert said in broken(tmp_path, statement)


def test_the_end_cut_off_needs_the_head_that_was_kept_elsewhere(tmp_path: Path):
    head = kept(tmp_path)
    rows = ("outcomes WHERE run_id", "replacements WHERE run_id", "runs WHERE id")
    cut = ("DELETE FROM chain WHERE number > 6", *(f"DELETE FROM {which} LIKE '%2'" for which in rows))

    assert broken(tmp_path, *cut) == ""
    with History.open(tmp_path) as history:
        assert "no record has the hash" in history.verify(head).broken


def test_a_history_from_before_the_chain_is_taken_in_once(tmp_path: Path):
    kept(tmp_path)
    before = "DELETE FROM facts WHERE name = 'the chain was begun'"
    assert broken(tmp_path, "DELETE FROM chain", before) == ""
    assert "has no record" in broken(tmp_path, "DELETE FROM chain")


def test_pruning_closes_the_chain_and_keeps_what_is_known_of_today(tmp_path: Path):
    kept(tmp_path)
    with History.open(tmp_path) as history:
        pruned = history.prune(NOW - DAY / 2, "claire@pc-claire")
        found = history.verify()
        assert (pruned.runs, pruned.kept_back) == (1, 0)
        assert (found.broken, found.closed, found.head.number) == ("", 6, 13)
        assert [record.run.id for record in history.runs()] == ["20261121-080000-0002"]
        assert history.memories(run().inventory)["a"]["server_connection"].values == {"secure": True}
        assert history.prune(NOW - DAY / 2, "claire@pc-claire").runs == 0
        assert history.verify() == found
        history.begin(replace(run("later"), started_at=NOW + 3 * DAY))
        assert history.prune(NOW + 2 * DAY, "claire@pc-claire").runs == 1
        assert history.verify(found.head.hash).broken == ""
    assert "outcome of a" not in broken(tmp_path, "UPDATE chain SET hash = 'x' WHERE kind = 'closed'")
    assert broken(tmp_path).startswith("record")


def test_what_was_changed_is_not_pruned_away(tmp_path: Path):
    kept(tmp_path)
    assert broken(tmp_path, "UPDATE outcomes SET status = 'bad' WHERE run_id LIKE '%1'")
    with History.open(tmp_path) as history:
        with pytest.raises(HistoryError, match="nothing was pruned") as refused:
            history.prune(NOW - DAY / 2, "claire")
        assert (refused.value.code, len(history.runs())) == ("history_changed", 2)


def test_records_that_were_cut_off_at_the_beginning_are_missed(tmp_path: Path):
    kept(tmp_path)
    rows = ("outcomes WHERE run_id", "replacements WHERE run_id", "runs WHERE id")

    said = broken(
        tmp_path,
        "DELETE FROM chain WHERE number < 6",
        "UPDATE chain SET kind = 'closed', run_id = '', content = '' WHERE number = 6",
        *(f"DELETE FROM {which} LIKE '%1'" for which in rows),
    )
    assert said == "the records to 6 are gone, and no record says who pruned them"


def test_who_pruned_is_a_record_that_cannot_be_changed(tmp_path: Path):
    kept(tmp_path)
    with History.open(tmp_path) as history:
        history.prune(NOW + 2 * DAY, "claire@pc-claire")
        assert history.runs() == ()
        assert history.verify().broken == ""

    edit = "UPDATE chain SET content = replace(content, 'claire@', 'marc@') WHERE kind = 'prune'"
    assert "(prune) is not the one that was written" in broken(tmp_path, edit)


def test_an_old_run_that_ended_after_a_kept_one_began_stays_whole(tmp_path: Path):
    with History.open(tmp_path) as history:
        for name, days in (("first", 9), ("long", 8), ("kept", 1)):
            history.begin(replace(run(name), started_at=NOW - days * DAY))
            if name == "first":
                history.finish(name, NOW, 0)
        history.record("long", row("a", cell(Status.CHANGED)))
        history.finish("long", NOW, 0)

        assert history.prune(NOW - 2 * DAY, "claire").runs == 1
        assert history.prune(NOW - 2 * DAY, "claire").kept_back == 1
        assert {record.run.id for record in history.runs()} == {"long", "kept"}
        assert history.verify().broken == ""


def test_a_run_that_may_be_going_on_is_not_pruned(tmp_path: Path):
    now = dt.datetime.now(dt.UTC)
    with History.open(tmp_path) as history:
        history.begin(replace(run("died"), started_at=now - 8 * DAY))
        history.begin(replace(run("going on"), started_at=now - DAY))

        history.prune(now, "claire")
        assert [record.run.id for record in history.runs()] == ["going on"]


STATUSES = st.sampled_from(Status)
STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), STATUSES, st.booleans()), max_size=12)


@settings(max_examples=25)
@given(STEPS, st.integers(0, 5))
def test_whatever_was_kept_and_pruned_the_chain_holds(tmp_path_factory: pytest.TempPathFactory, steps, day: int):
    with History.open(tmp_path_factory.mktemp("drawn")) as history:
        begun = set()
        for number, workstation, status, ends in steps:
            name = f"run-{number}"
            if name not in begun:
                history.begin(replace(run(name), started_at=NOW - (4 - number) * DAY))
                begun.add(name)
            history.record(name, row(workstation, cell(status)), {}, [FILE] if status is Status.CHANGED else ())
            if ends:
                history.finish(name, NOW, 0)
        assert history.verify().broken == ""
        history.prune(NOW - day * DAY, "claire")
        assert history.verify().broken == ""


APPEND = """
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from kept_runs import cell, row, run
from iea_fleet.history import History
from iea_fleet.model.matrix import Status
with History.open(Path(sys.argv[1])) as history:
    history.begin(run(sys.argv[2]))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: history.record(sys.argv[2], row(f"w{n}", cell(Status.CHANGED))), range(150)))
"""


def test_two_processes_at_once_do_not_fork_the_chain(tmp_path: Path):
    program = f"import sys; sys.path.insert(0, {HERE!r})\n{APPEND}"
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    for process in processes:
        complaint = process.communicate(timeout=60)[1]
        assert process.returncode == 0, complaint

    with History.open(tmp_path) as history:
        found = history.verify()
    assert (found.broken, found.records) == ("", 302)


def test_a_record_that_the_history_refused_leaves_no_gap(tmp_path: Path):
    with History.open(tmp_path) as history:
        history.begin(run("one"))
        with pytest.raises(HistoryError):
            history.begin(run("one"))
        history.record("one", row("a", cell(Status.CHANGED)))
        assert history.verify().broken == ""
        assert re.fullmatch("[0-9a-f]{64}", history.verify().head.hash)
