import datetime as dt
from dataclasses import replace

from drawn_fleets import NOW, drawn, same_as_golden, small

from iea_fleet.model.matrix import Status
from iea_fleet.model.run import Run, RunRecord
from iea_fleet.reports.run_as_text import run_text, runs_text

RUN = Run(
    id="20261121-101500-a3f9",
    command="apply",
    inventory="Réseau Grand Est",
    playbook="everything declared",
    started_at=NOW,
    user="claire",
    host="pc-claire",
    selected=6,
    files={"inventory.yml": "sha256:" + "0123456789abcdef" * 4, "impact-emploi-3.yml": "sha256:" + "f" * 64},
    ended_at=NOW + dt.timedelta(seconds=185),
    exit_code=1,
)
RECORD = RunRecord(RUN, small().summary())
KILLED = RunRecord(
    replace(RUN, id="20261120-090000-00b1", command="drift", ended_at=None, exit_code=None), {Status.IN_SYNC: 2}
)


def test_the_list_of_runs():
    same_as_golden("runs-80.txt", drawn(runs_text([RECORD, KILLED], zone=dt.UTC)))
    assert drawn(runs_text([])) == "No run yet.\n"


def test_one_run():
    same_as_golden("run-80.txt", drawn(run_text(RECORD, small(), zone=dt.UTC)))


def test_a_killed_run_says_what_it_has_not_told():
    text = drawn(run_text(KILLED, small(), zone=dt.UTC), 120)

    assert "not ended (going on, or killed)" in text
    assert "6 workstations, 4 without an outcome" in text
    assert "exit code" not in text


def test_names_of_users_and_files_are_made_harmless():
    evil = RunRecord(replace(RUN, user="\x1b[1mroot", files={"a\x1b]0;x\x07.yml": "\x1b"}), {})

    for text in (drawn(run_text(evil, small())), drawn(runs_text([evil]))):
        assert not [character for character in text if character != "\n" and not character.isprintable()]
