from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from targets import LAYOUT, NOTHING_KNOWN, WANTED, target

from iea_fleet.core import planner
from iea_fleet.engine import clock
from iea_fleet.formats import format_named
from iea_fleet.model.matrix import Status
from iea_fleet.model.request import Absent, Answer, Failed, FileContent, ReadFile
from iea_fleet.model.target import Target
from iea_fleet.resources import server_connection

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "server_connection" / "cases.yml").read_text())
PATH = "/iea/connexion.properties"


def plan(one: Target, answer: Answer) -> tuple[Any, planner.Reading]:
    reading = planner.observe(one, {ReadFile(PATH): answer}.__getitem__, NOTHING_KNOWN, clock.now())
    return planner.plan(one, reading), reading


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_differs_is_named_and_only_that_is_written(case: dict[str, Any]) -> None:
    content = case["file"].encode("latin-1")
    made, _ = plan(target(), FileContent.of(content))
    (cell,) = made.cells
    if case.get("same"):
        assert cell.status is Status.IN_SYNC
        assert made.changes == ()
        return
    assert cell.status is Status.PENDING
    assert {difference.setting: difference.note for difference in cell.differences} == case["notes"]
    (edit,) = made.changes[0].edits
    written = format_named(edit.format).patch(content, edit.values, edit.encoding)
    if "after" in case:
        assert written.decode("latin-1") == case["after"]
    again, _ = plan(target(), FileContent.of(written))
    assert again.changes == ()
    assert again.cells[0].status is Status.IN_SYNC


def test_a_missing_file_waits_for_iea_to_be_opened_once() -> None:
    made, _ = plan(target(), Absent())
    assert (made.cells[0].status, made.cells[0].reason_code) == (Status.WAITING, "settings_absent")
    assert "open IEA once" in made.cells[0].reason
    assert made.changes == ()


def test_a_missing_file_starts_from_the_layouts_new_text() -> None:
    layout = {**LAYOUT, "server_connection": {**LAYOUT["server_connection"], "new": "# IEA\n"}}
    made, _ = plan(target(layout=layout), Absent())
    (edit,) = made.changes[0].edits
    assert (edit.expected, edit.new) == ("absent", "# IEA\n")
    assert edit.values == {
        "connexion.securisee": "O",
        "serveur.authentification": WANTED.authentication_url,
        "serveur.maj": WANTED.update_url,
    }


def test_unreadable_is_unknown_and_plans_nothing() -> None:
    made, _ = plan(target(), Failed("no_rights", "the account may not read it"))
    assert (made.cells[0].status, made.cells[0].reason_code) == (Status.UNKNOWN, "no_rights")
    assert made.changes == ()


def test_only_the_settings_that_the_inventory_asks_for_are_compared() -> None:
    one = target(server_connection=type(WANTED)(secure=True))
    made, _ = plan(one, FileContent.of(b"connexion.securisee=O\nserveur.maj=http://elsewhere.example.org\n"))
    assert made.cells[0].status is Status.IN_SYNC


ADDRESSES = st.sampled_from(
    [
        "https://impact-emploi.urssaf.fr",
        "https://IMPACT-emploi.urssaf.fr:443",
        "http://impact-emploi.urssaf.fr:80",
        "https://impact-emploi.urssaf.fr:80/updates",
        "https://impact-emploi.urssaf.fr/updates",
        "https://impact-emploi.urssaf.fr/updates/",
        " https://impact-emploi.urssaf.fr",
        "https://[::1]/x",
        "https://host:notaport",
        "",
    ]
)


@given(ADDRESSES, ADDRESSES, ADDRESSES)
def test_same_is_an_equivalence(one: str, two: str, three: str) -> None:
    same = server_connection.same
    assert same("update_url", one, one)
    assert same("update_url", one, two) == same("update_url", two, one)
    if same("update_url", one, two) and same("update_url", two, three):
        assert same("update_url", one, three)


@given(ADDRESSES)
def test_port_80_always_is_a_difference(address: str) -> None:
    if ":80" in address:
        assert not server_connection.same("update_url", address, address.replace(":80", ""))
