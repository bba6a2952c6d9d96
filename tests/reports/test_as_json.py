import datetime as dt
import json
from dataclasses import replace

import jsonschema
import pytest
from drawn_fleets import DRIFTED, NOW, OFFICES, large, offline, row, small
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.model.matrix import Cell, Difference, Matrix, Row, Seen, Status
from iea_fleet.model.run import Run, RunRecord
from iea_fleet.reports import as_json, runs_as_json

RUN = Run(
    id="20261121-101502-a3f9",
    command="drift",
    inventory="Réseau Grand Est",
    playbook="everything declared",
    started_at=dt.datetime(2026, 11, 21, 11, 15, 2, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    user="claire",
    host="pc-claire",
    selected=2,
    files={"inventory.yml": "sha256:" + "0" * 64},
    ended_at=dt.datetime(2026, 11, 21, 10, 15, 4, tzinfo=dt.UTC),
    exit_code=3,
)
VALIDATOR = jsonschema.Draft202012Validator(as_json.schema(), format_checker=jsonschema.FormatChecker())


def test_the_whole_document_of_a_run():
    row_ = Row("nancy-02", "nancy", (DRIFTED, Cell("servers.update_url", Status.IN_SYNC, seconds=0.25)))

    document = as_json.document(RUN, Matrix((row_,), OFFICES))

    assert document == {
        "schema": "iea-fleet/run/1",
        "run": {
            "id": "20261121-101502-a3f9",
            "command": "drift",
            "inventory": "Réseau Grand Est",
            "playbook": "everything declared",
            "started_at": "2026-11-21T10:15:02Z",
            "ended_at": "2026-11-21T10:15:04Z",
            "user": "claire",
            "host": "pc-claire",
            "exit_code": 3,
            "selected": 2,
            "files": {"inventory.yml": "sha256:" + "0" * 64},
            "git_commit": None,
            "continues": None,
        },
        "summary": {"drifted": 1},
        "workstations": [
            {
                "name": "nancy-02",
                "office": "nancy",
                "status": "drifted",
                "reason": DRIFTED.reason,
                "reason_code": "drifted",
                "wave": None,
                "cells": [
                    {
                        "address": "server_connection",
                        "status": "drifted",
                        "reason": DRIFTED.reason,
                        "reason_code": "drifted",
                        "observed_at": "2026-11-21T10:15:00Z",
                        "differences": [
                            {
                                "setting": "secure",
                                "before": False,
                                "after": True,
                                "note": "",
                                "last_right": True,
                                "last_right_at": "2026-11-18T10:15:00Z",
                                "secret": False,
                            },
                            {
                                "setting": "authentication_url",
                                "before": "https://impact-emploi.urssaf.fr:80",
                                "after": "https://impact-emploi.urssaf.fr",
                                "note": "a leftover of the fiche of February 2019: :80",
                                "last_right": "https://ancien.urssaf.fr",
                                "last_right_at": "2026-11-18T10:15:00Z",
                                "secret": False,
                            },
                        ],
                        "seconds": None,
                        "last_seen": None,
                    },
                    {
                        "address": "servers.update_url",
                        "status": "in_sync",
                        "reason": "",
                        "reason_code": "",
                        "observed_at": None,
                        "differences": [],
                        "seconds": 0.25,
                        "last_seen": None,
                    },
                ],
            }
        ],
        "follow_up": {"log_in_again": [], "old_credentials": []},
        "accounts": [],
    }


@pytest.mark.parametrize(
    "matrix",
    [
        Matrix(()),
        small(),
        large(),
        Matrix((offline("a", seen=Seen(Status.IN_SYNC, NOW)), Row("empty", "nancy", ()))),
    ],
)
def test_documents_fit_the_schema(matrix: Matrix):
    document = as_json.document(RUN, matrix)

    VALIDATOR.validate(document)
    assert sum(document["summary"].values()) == len(document["workstations"])
    assert json.loads(json.dumps(document)) == document


def test_a_run_that_has_not_ended_fits_the_schema():
    going_on = Run("x", "apply", "i", "", NOW, "u", "h", 0)

    document = as_json.document(going_on, Matrix(()))

    VALIDATOR.validate(document)
    assert document["run"]["ended_at"] is None


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("run", "started_at"), "2026-11-21T10:15:02+00:00"),
        (("schema",), "iea-fleet/run/2"),
        (("workstations", 0, "status"), "fine"),
        (("workstations", 0, "cells", 0, "surprise"), 1),
        (("summary",), {"fine": 1}),
    ],
)
def test_the_schema_refuses_another_shape(path: tuple[str | int, ...], wrong: object):
    document = as_json.document(RUN, Matrix((row("nancy-01"),)))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong

    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(document)


@given(st.one_of(st.text(st.characters(codec=None)), st.booleans(), st.integers(-(2**53), 2**53), st.none()))
def test_any_value_of_a_setting_can_be_written_as_utf8(value: str | bool | int | None):
    cell = Cell("server_connection", Status.PENDING, str(value), differences=(Difference("secure", value, value),))

    document = as_json.document(RUN, Matrix((Row("w", "o", (cell,)),)))

    assert json.dumps(document, ensure_ascii=False).encode("utf-8")
    kept = document["workstations"][0]["cells"][0]["differences"][0]["before"]
    assert type(kept) is type(value)
    if not isinstance(value, str):
        assert kept == value


def test_the_list_of_runs():
    records = [RunRecord(RUN, small().summary()), RunRecord(replace(RUN, ended_at=None, exit_code=None))]

    document = runs_as_json.document(records)

    jsonschema.Draft202012Validator(runs_as_json.schema()).validate(document)
    assert document["schema"] == "iea-fleet/runs/1"
    assert document["runs"][0]["run"] == as_json.document(RUN, Matrix(()))["run"]
    assert document["runs"][0]["summary"] == {
        "failed": 1,
        "bad": 1,
        "drifted": 1,
        "offline": 1,
        "warn": 1,
        "in_sync": 1,
    }
    assert document["runs"][1]["run"]["ended_at"] is None
