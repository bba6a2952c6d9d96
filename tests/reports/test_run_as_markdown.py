import datetime as dt
import re
from dataclasses import replace

from drawn_fleets import NOW, same_as_golden, small
from test_run_as_text import RECORD

from iea_fleet.model.matrix import Cell, Difference, Matrix, Row, Status
from iea_fleet.reports.run_as_markdown import run_markdown

WITH_COMMIT = replace(RECORD, run=replace(RECORD.run, git_commit="c0ffee" * 6 + "abcd"))


def test_a_run_as_a_page():
    same_as_golden("run.md", run_markdown(WITH_COMMIT, small(), {small().rows[0].workstation: 1}))


def test_a_run_that_was_killed_says_so():
    killed = replace(RECORD, run=replace(RECORD.run, ended_at=None, exit_code=None))
    page = run_markdown(killed, Matrix(()), {})

    assert "not ended" in page
    assert "exit code" not in page
    assert "## Settings" not in page


def test_what_a_workstation_says_is_no_markdown():
    evil = Difference("secure", "a|b\n# x", "<img src=x> [y](z) `c` \x1b[1m")
    cells = (Cell("server_connection", Status.CHANGED, "| *loud* |", "changed", NOW + dt.timedelta(1), (evil,)),)
    page = run_markdown(WITH_COMMIT, Matrix((Row("a_b_c", "nancy", cells),)), {"a_b_c": 2})

    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert len(tables) == sum(1 for line in page.splitlines() if line and not line.startswith("#"))
    unescaped = re.sub(r"\\.", "", page)
    assert not re.search(r"[<>`*\[\]_\x1b]", unescaped)
    assert {line.count("|") for line in unescaped.splitlines() if line.startswith("| a")} == {6, 7}
