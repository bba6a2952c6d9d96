from __future__ import annotations

import datetime as dt

import pytest
from targets import PlainMarks, target

from iea_fleet.core import planner
from iea_fleet.model.matrix import Status
from iea_fleet.model.request import FileContent, ReadFile
from iea_fleet.model.run import Memory
from iea_fleet.resources import Knowledge

THEN = dt.datetime(2026, 11, 1, 9, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC)
OLD, RIGHT, HAND = "http://impact-emploi.urssaf.fr", "https://impact-emploi.urssaf.fr", "https://autre.example.org"
UPDATES = "https://impact-emploi.urssaf.fr/updates"


def cell(observed: str, last_right: str | None):
    one = target()
    content = f"connexion.securisee=O\nserveur.authentification={observed}\nserveur.maj={UPDATES}\n".encode("latin-1")
    known = {"secure": True, "authentication_url": last_right, "update_url": UPDATES}
    memories = {"server_connection": Memory(known, THEN)} if last_right else {}
    answers = {ReadFile("/iea/connexion.properties"): FileContent.of(content)}
    reading = planner.observe(one, answers.__getitem__, Knowledge(memories, PlainMarks()), NOW)
    return planner.plan(one, reading).cells[0]


@pytest.mark.parametrize(
    ("observed", "last_right", "status"),
    [
        (RIGHT, None, Status.IN_SYNC),
        (RIGHT, OLD, Status.IN_SYNC),
        (OLD, None, Status.PENDING),
        (OLD, OLD, Status.PENDING),
        (HAND, RIGHT, Status.DRIFTED),
        (HAND, OLD, Status.DRIFTED),
        ("https://IMPACT-EMPLOI.urssaf.fr:443", RIGHT, Status.IN_SYNC),
        (OLD, "HTTP://impact-emploi.urssaf.fr", Status.DRIFTED),
    ],
)
def test_pending_is_ours_and_drifted_is_somebodys(observed: str, last_right: str | None, status: Status) -> None:
    assert cell(observed, last_right).status is status


def test_a_drifted_cell_says_what_was_last_right_and_when() -> None:
    (difference,) = cell(HAND, RIGHT).differences
    assert (difference.before, difference.after) == (HAND, RIGHT)
    assert (difference.last_right, difference.last_right_at) == (RIGHT, THEN)
