"""When a reviewed plan may be carried out, and what is said to have moved where it may not."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from drawn_plans import ADDRESS, FILE, NOW, TICK, changing, saved
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.engine.staleness import ALREADY_DONE, held_against
from iea_fleet.model.matrix import Cell, Difference, Status
from iea_fleet.model.plan import TargetPlan
from iea_fleet.reports import plan_as_json

LATER = "sha256:" + "2" * 64
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters()))


def from_file(plan: TargetPlan) -> TargetPlan:
    """The plan of a workstation after it was in a file."""
    return plan_as_json.saved_plan(plan_as_json.document(saved(plan))).plan.targets[0]


def reason(reviewed: TargetPlan, fresh: TargetPlan) -> str:
    cells = held_against(reviewed, fresh)
    assert cells is not None
    (cell,) = cells
    assert cell.status is Status.STALE
    assert "nothing was written, plan again" in cell.reason
    return cell.reason


@given(st.lists(st.tuples(VALUES, VALUES), max_size=3), st.booleans())
def test_the_same_plan_from_a_file_may_be_carried_out(values: Any, remembered: bool) -> None:
    differences = [Difference(f"s{place}", one, two) for place, (one, two) in enumerate(values)]
    # What the history remembers by now is no part of what is done.
    seen = [replace(one, last_right="x", last_right_at=NOW + dt.timedelta(days=1)) for one in differences]
    assert (
        held_against(from_file(changing("a", *differences)), changing("a", *(seen if remembered else differences)))
        is None
    )


@pytest.mark.parametrize(
    "fresh",
    [
        changing("a", replace(TICK, before=0), ADDRESS),
        changing("a", replace(TICK, after=1), ADDRESS),
        changing("a", TICK),
        changing("a", ADDRESS, TICK),
        changing("a", TICK, ADDRESS, Difference("authentication_url", None, "https://x")),
        changing("a", TICK, replace(ADDRESS, after="https://b.example")),
    ],
)
def test_other_changes_of_the_same_files_are_not_the_plan(fresh: TargetPlan) -> None:
    assert "the plan did not have these changes" in reason(changing("a", TICK, ADDRESS), fresh)


def test_an_edit_that_differs_alone_is_not_the_plan() -> None:
    planned = changing("a", TICK)
    (change,) = planned.changes
    (edit,) = change.edits
    for other in (
        replace(edit, path="/etc/passwd"),
        replace(edit, values={"x": True}),
        replace(edit, values={**edit.values, "iea.secure": 1}),
        replace(edit, private=True),
        replace(edit, encoding=None),
        replace(edit, format="ini"),
        replace(edit, new="x"),
        replace(edit, expected=LATER),
    ):
        assert held_against(replace(planned, changes=(replace(change, edits=(other,)),)), planned) is not None


@pytest.mark.parametrize(
    ("reviewed", "fresh", "moved"),
    [
        ([TICK], [TICK, ADDRESS], "update_url: https://a.example/updates → http://a.example"),
        ([TICK, ADDRESS], [ADDRESS], "secure: false → true"),
        ([], [TICK], "secure: true → false"),
        ([TICK], [replace(TICK, before="N")], "secure: false → N"),
        ([TICK], [replace(TICK, before=None)], "secure: false → absent"),
        ([TICK], [TICK], f"other lines of {FILE}"),
    ],
)
def test_what_moved_is_named_with_what_the_plan_saw(reviewed: Any, fresh: Any, moved: str) -> None:
    now = changing("a", *fresh, read=LATER)
    assert reason(changing("a", *reviewed), now).endswith(f"(moved: {moved})")


def test_what_is_right_by_now_was_done_already() -> None:
    cells = held_against(changing("a", TICK), changing("a", read=LATER))
    assert cells is not None
    assert [(cell.status, cell.reason_code) for cell in cells] == [(Status.IN_SYNC, ALREADY_DONE)]


def test_a_workstation_that_was_held_is_not_written_to_by_that_plan() -> None:
    seen = changing("a", TICK)
    held = replace(seen, changes=(), cells=(replace(seen.cells[0], status=Status.HELD),))
    assert "did not have these changes" in reason(held, seen)
    assert reason(held, changing("a", TICK, read=LATER)).endswith(f"(moved: other lines of {FILE})")


def test_nothing_is_made_up_about_what_the_plan_could_not_see() -> None:
    unread = TargetPlan("a", "nancy", (Cell("server_connection", Status.UNKNOWN, "cannot be read", "garbage"),))
    assert reason(unread, changing("a", TICK)).endswith(f"(moved: other lines of {FILE})")
