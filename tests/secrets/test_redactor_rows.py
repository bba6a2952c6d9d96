"""What is recorded of a workstation is cleaned before, and its names, codes and edits are left as they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.redaction import cleaned_document, cleaned_outcome, cleaned_plan
from iea_fleet.model.matrix import Cell, Difference, Row, Status
from iea_fleet.model.plan import Change, Edit, Plan, TargetPlan
from iea_fleet.model.run import Memory
from iea_fleet.secrets.redactor import SHARED, Redactor

VALUE = "poste-01-é"
AT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def remembered() -> Iterator[Redactor]:
    """The one of this process: other tests do not have this value in anything that they look at."""
    SHARED.remember(VALUE)
    return SHARED


def difference() -> Difference:
    return Difference("update_url", f"https://{VALUE}@x", f"https://y/{VALUE}", f"was {VALUE}", f"<{VALUE}>", AT)


def cell() -> Cell:
    return Cell(f"servers.{VALUE}", Status.BAD, f"said {VALUE!a}", VALUE, AT, (difference(),))


def test_a_row_keeps_its_names_and_loses_the_value() -> None:
    row = Row(VALUE, VALUE, (cell(),))
    cleaned = cleaned_outcome(Outcome(row, {VALUE: Memory({"url": f"//{VALUE}", "secure": True}, AT)}))
    (found,) = cleaned.row.cells
    assert (cleaned.row.workstation, found.address, found.reason_code) == (VALUE, f"servers.{VALUE}", VALUE)
    assert found.reason == "said '[secret]'"
    (one,) = found.differences
    assert (one.before, one.after, one.note, one.last_right) == (
        "https://[secret]@x",
        "https://y/[secret]",
        "was [secret]",
        "<[secret]>",
    )
    assert cleaned.memories == {VALUE: Memory({"url": "//[secret]", "secure": True}, AT)}


def test_a_plan_to_carry_out_is_left_whole_and_one_to_show_is_not() -> None:
    edit = Edit("/f", "properties", None, {"maj": f"https://y/{VALUE}"}, "sha256:0")
    plan = TargetPlan("poste", "nancy", (cell(),), (Change("server_connection", (difference(),), (edit,)),))
    kept = cleaned_outcome(Outcome(Row("poste", "nancy", ()), {}, plan))
    assert kept.plan == plan
    (shown,) = cleaned_plan(Plan("lab", AT, (plan,))).targets
    assert VALUE not in repr((shown.cells[0].reason, shown.cells[0].differences, shown.changes[0].differences))
    assert shown.changes[0].edits == (edit,)


def test_a_document_keeps_its_keys() -> None:
    document = {VALUE: [VALUE, (1, None, True, {"a": f"b{VALUE}"})]}
    assert cleaned_document(document) == {VALUE: ["[secret]", [1, None, True, {"a": "b[secret]"}]]}
