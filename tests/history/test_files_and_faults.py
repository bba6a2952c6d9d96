import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from kept_runs import NOW, cell, row, run
from sqlalchemy import JSON, Integer, Text, inspect

from iea_fleet.errors import HistoryError
from iea_fleet.history import History
from iea_fleet.history.dialect import open_engine
from iea_fleet.history.migrations import MIGRATIONS, Migration, migrate
from iea_fleet.history.schema import UtcDateTime, metadata
from iea_fleet.model.matrix import Status

RUN_ID = run().id
HERE = str(Path(__file__).parent)


def code_of(folder: Path, **options: float) -> str:
    with pytest.raises(HistoryError) as refused:
        History.open(folder, **options)
    assert refused.value.hint
    assert "history.sqlite" in refused.value.sentence
    return refused.value.code


def python(program: str, *arguments: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {HERE!r})\n{program}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(process: subprocess.Popen[str]) -> str:
    told, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    return told


def test_folder_and_files_are_the_users_alone(tmp_path: Path):
    folder = tmp_path / "a" / "state"
    with History.open(folder) as history:
        history.begin(run())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = ("history.key", "history.sqlite", "history.sqlite-wal", "history.sqlite-shm")
    assert modes == dict.fromkeys(names, 0o600)
    assert sorted(path.name for path in folder.iterdir()) == ["history.key", "history.sqlite"]


def test_commits_are_on_disk_when_they_return(tmp_path: Path):
    engine = open_engine(tmp_path / "x.sqlite")
    with engine.begin() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    engine.dispose()

    assert pragmas == ["wal", 2, 1]


def test_the_migrations_lead_to_the_tables_of_the_schema(tmp_path: Path):
    taken, created = open_engine(tmp_path / "taken.sqlite"), open_engine(tmp_path / "created.sqlite")
    migrate(taken, tmp_path)
    metadata.create_all(created)

    def shape(engine):
        tables = inspect(engine)
        return {
            name: (
                [(column["name"], column["nullable"]) for column in tables.get_columns(name)],
                tables.get_pk_constraint(name)["constrained_columns"],
                [
                    (key["referred_table"], key["constrained_columns"], key["options"])
                    for key in tables.get_foreign_keys(name)
                ],
                [(index["name"], index["column_names"], index["unique"]) for index in tables.get_indexes(name)],
            )
            for name in tables.get_table_names()
        }

    assert shape(taken) == shape(created)
    assert set(shape(taken)) == set(metadata.tables)
    # SQLite keeps the types as they were written; reflection knows only its own.
    types = {"TEXT": Text, "INTEGER": Integer, "JSON": JSON, "TIMESTAMP WITH TIME ZONE": UtcDateTime}
    with taken.begin() as connection:
        for name in set(metadata.tables) - {"migrations"}:
            for column in connection.exec_driver_sql(f"PRAGMA table_info({name})").mappings():
                assert type(metadata.tables[name].c[column["name"]].type) is types[column["type"]]
    taken.dispose()
    created.dispose()


def test_a_migration_that_fails_leaves_nothing_and_is_taken_again(tmp_path: Path):
    engine = open_engine(tmp_path / "x.sqlite")
    first = Migration("1", ("CREATE TABLE one (a TEXT)",))
    broken = Migration("2", ("CREATE TABLE two (a TEXT)", "CREATE NONSENSE"))
    mended = Migration("2", ("CREATE TABLE two (a TEXT)",))

    with pytest.raises(Exception, match="syntax error"):
        migrate(engine, tmp_path, (first, broken))
    assert set(inspect(engine).get_table_names()) == {"migrations", "one"}

    migrate(engine, tmp_path, (first, mended))
    migrate(engine, tmp_path, (first, mended))
    assert set(inspect(engine).get_table_names()) == {"migrations", "one", "two"}
    with engine.begin() as connection:
        names = connection.exec_driver_sql("SELECT name FROM migrations ORDER BY name").scalars().all()
    assert names == ["1", "2"]
    engine.dispose()


def test_a_history_of_a_newer_program_is_left_alone(tmp_path: Path):
    History.open(tmp_path).close()
    database = sqlite3.connect(tmp_path / "history.sqlite")
    database.execute("INSERT INTO migrations VALUES ('9999 the future', '2030-01-01 00:00:00')")
    database.commit()
    database.close()

    with pytest.raises(HistoryError, match="newer iea-fleet; update iea-fleet"):
        History.open(tmp_path)


def test_names_of_migrations_are_in_order_and_differ():
    names = [migration.name for migration in MIGRATIONS]

    assert names == sorted(set(names))


@pytest.mark.parametrize("garbage", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_history(tmp_path: Path, garbage: bytes):
    (tmp_path / "history.sqlite").write_bytes(garbage)

    assert code_of(tmp_path) == "history_corrupt"
    assert (tmp_path / "history.sqlite").read_bytes() == garbage


def test_a_history_that_is_damaged_in_the_middle(tmp_path: Path):
    with History.open(tmp_path) as history:
        history.begin(run())
        for number in range(200):
            history.record(RUN_ID, row(f"w{number}", cell(Status.DRIFTED)))
    path = tmp_path / "history.sqlite"
    content = path.read_bytes()
    # The pages of the tables' beginnings stay, so that it opens.
    path.write_bytes(content[: 24 * 4096] + b"\xa5" * (len(content) - 24 * 4096))

    with History.open(tmp_path) as history, pytest.raises(HistoryError) as refused:
        history.rows(RUN_ID)
    assert refused.value.code == "history_corrupt"


def test_a_history_that_another_program_locks(tmp_path: Path):
    with History.open(tmp_path, busy_seconds=0.2) as history:
        history.begin(run())
        other = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistoryError) as refused:
            history.record(RUN_ID, row("a"))
        # Reading goes on, and a process that only wants to read can open it.
        assert len(history.runs()) == 1
        with History.open(tmp_path, busy_seconds=0.2) as second:
            assert len(second.runs()) == 1
        other.execute("ROLLBACK")
        other.close()
        history.record(RUN_ID, row("a"))

        assert refused.value.code == "history_locked"
        assert len(history.rows(RUN_ID)) == 1


def test_a_new_history_that_another_program_locks_whole(tmp_path: Path):
    other = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    assert code_of(tmp_path, busy_seconds=0.2) == "history_locked"
    other.close()


def test_a_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "file").write_text("")

    assert code_of(tmp_path / "file") == "history_not_writable"
    assert code_of(tmp_path / "file" / "below") == "history_not_writable"


def test_a_database_that_is_a_folder(tmp_path: Path):
    (tmp_path / "history.sqlite").mkdir()

    assert code_of(tmp_path) == "history_not_writable"


OPEN_AS_NOBODY = """
import encodings.ascii
import os
from pathlib import Path
from iea_fleet.history.store import History
from iea_fleet.errors import HistoryError
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    History.open(Path(sys.argv[1])).close()
except HistoryError as error:
    print(error.code)
else:
    print("opened")
"""


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "code"),
    [
        (0o555, None, "history_not_writable"),
        (0o755, 0o444, "history_not_writable"),
        # SQLite needs to put its -wal and -shm files beside.
        (0o555, 0o666, "history_not_writable"),
        (0o777, 0o666, "opened"),
    ],
)
def test_rights_that_are_missing(folder_mode: int, file_mode: int | None, code: str):
    # Root may write everywhere, so the program looks as somebody who may not; below /tmp, which everybody can enter.
    folder = Path(tempfile.mkdtemp())
    try:
        if file_mode is not None:
            History.open(folder).close()
            (folder / "history.sqlite").chmod(file_mode)
            if os.getuid() == 0:
                os.chown(folder / "history.key", 65534, 65534)
        folder.chmod(folder_mode)
        assert finished(python(OPEN_AS_NOBODY, str(folder))).split() == [code]
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


RECORD_MANY = """
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from kept_runs import cell, memory, row, run
from iea_fleet.history import History
from iea_fleet.model.matrix import Status
history = History.open(Path(sys.argv[1]))
name = sys.argv[2]
history.begin(run(name, selected=int(sys.argv[3])))
def record(number):
    history.record(name, row(f"w{number}", cell(Status.IN_SYNC)), {"server_connection": memory(place=number)})
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
with ThreadPoolExecutor(8) as threads:
    list(threads.map(record, range(int(sys.argv[3]))))
history.close()
"""


def test_what_was_reported_survives_a_kill(tmp_path: Path):
    process = python(RECORD_MANY, str(tmp_path), "killed", "100000")
    assert process.stdout is not None
    reported = [process.stdout.readline() for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    reported += process.communicate(timeout=60)[0].splitlines(keepends=True)
    whole = {line.strip() for line in reported if line.endswith("\n")}

    assert process.returncode == -signal.SIGKILL
    with History.open(tmp_path) as history:
        record = history.run("killed")
        rows = {one.workstation for one in history.rows("killed")}
        assert record.run.ended_at is None
        assert {f"w{number}" for number in whole} <= rows
        # An outcome and what is remembered of it are one: both there, or none.
        assert rows == set(history.memories(run().inventory))
        assert record.summary == {Status.IN_SYNC: len(rows)}
        history.begin(run("after"))
        history.finish("after", NOW, 0)
    check = sqlite3.connect(tmp_path / "history.sqlite")
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_several_processes_begin_a_new_history_at_once(tmp_path: Path):
    folder = tmp_path / "state"
    processes = [python(RECORD_MANY, str(folder), f"run-{number}", "40") for number in range(4)]
    for process in processes:
        finished(process)

    with History.open(folder) as history:
        assert [(one.run.id, dict(one.summary)) for one in history.runs()] == [
            (f"run-{number}", {Status.IN_SYNC: 40}) for number in (3, 2, 1, 0)
        ]


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path: Path):
    # A limit on the size of files stands for the disk: SQLite sees the same failing write.
    program = RECORD_MANY.replace(
        "history = History", "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nhistory = History"
    ).replace("name = sys.argv[2]", "name = sys.argv[2]\nresource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000))")
    process = python(program, str(tmp_path), "full", "5000")
    reported, complaint = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "HistoryError: the history" in complaint
    assert "disk" in complaint.rstrip().splitlines()[-1]
    with History.open(tmp_path) as history:
        rows = {one.workstation for one in history.rows("full")}
        assert {f"w{number}" for number in reported.split()} <= rows
