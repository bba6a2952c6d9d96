"""The canary test can fail: what is planted is found, in every form and every kind of place."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from canaries import Said, Watched, canary, leaks, traces

from iea_fleet.secrets.redactor import forms

SECRET = canary("deadbeef01234567")


def test_every_form_is_found_in_a_file(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for number, form in enumerate(sorted(forms(SECRET))):
        file = tmp_path / f"{number}.log"
        file.write_bytes(b"before " + form.encode("utf-8", "surrogateescape") + b" after")
        assert leaks(watched.places(), SECRET) == [str(file)], ascii(form)
        file.unlink()
    assert leaks(watched.places(), SECRET) == []


def test_it_is_found_in_what_was_said(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.said += [Said(("drift",), 0, "nothing", f"failed: {SECRET!r}"), Said(("show",), 0, "CANARY", "")]
    assert leaks(watched.places(), SECRET) == ["stderr of drift"]


@pytest.mark.parametrize("closed", [True, False])
def test_it_is_found_in_a_database_and_its_log(tmp_path: Path, closed: bool) -> None:
    file = tmp_path / "history.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE cells (reason TEXT)")
    connection.commit()
    connection.execute("INSERT INTO cells VALUES (?)", (SECRET,))
    connection.commit()
    if closed:
        connection.close()
    found = leaks(Watched(tmp_path).places(), SECRET)
    assert found == [str(file) if closed else f"{file}-wal"]
    connection.close()


@pytest.mark.parametrize("leak", ["argument", "environment"])
def test_it_is_found_in_what_a_child_got(tmp_path: Path, leak: str) -> None:
    child = [sys.executable, "-c", "import time; time.sleep(1)", *([SECRET] if leak == "argument" else [])]
    given = {"THE_SECRET": SECRET} if leak == "environment" else {}
    mother = tmp_path / "mother.py"
    mother.write_text(f"import subprocess\nsubprocess.run({child!r}, env={given!r})\n")
    watched = Watched(tmp_path)
    with subprocess.Popen([sys.executable, mother]) as process, watched.watching(process.pid):
        process.wait(20)
    assert [where for where in leaks(watched.places(), SECRET) if where.startswith("process ")] != []


def test_a_secret_that_is_nowhere_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a CANAR and a mark: [secret]")
    assert leaks(Watched(tmp_path).places(), SECRET) == []
    assert len(traces(SECRET)) > 100
