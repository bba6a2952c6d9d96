"""Budgets: what counts, over whom, rounded which way, and in which words."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.core import budget
from iea_fleet.core.budget import Budget, allowed
from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.model.playbook import Rollout


def row(name: str, status: Status, probe: Status = Status.IN_SYNC) -> Row:
    return Row(name, "nancy", (Cell("server_connection", status), Cell("state.tray", probe)))


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(budget).failed == 0


@pytest.mark.parametrize(
    ("share", "selected", "expected"),
    [("5%", 19, 0), ("5%", 20, 1), ("5%", 39, 1), ("5%", 40, 2), ("100%", 7, 7), ("0%", 1000, 0), (0, 9, 0), (9, 3, 9)],
)
def test_percentages_round_down(share: int | str, selected: int, expected: int) -> None:
    assert allowed(share, selected) == expected


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("written", [True, False])
def test_what_counts_as_failed(status: Status, written: bool) -> None:
    after = Budget(Rollout(max_failed=0), 10).after(row("a", status), written=written)
    counts = status in (Status.FAILED, Status.ROLLED_BACK) or (status is Status.BAD and written)
    assert bool(after.spent) is counts
    assert after.failed == (frozenset("a") if counts else frozenset())
    assert after.stale == (frozenset("a") if status is Status.STALE else frozenset())


def test_a_failure_below_a_worse_cell_counts_too() -> None:
    after = Budget(Rollout(max_failed=0), 10).after(row("a", Status.ROLLED_BACK, Status.BAD), written=False)
    assert after.spent == "1 failed of 10 selected; max_failed 0"


def test_what_is_stale_uses_the_budget_up_and_stops_nothing_by_itself() -> None:
    now = Budget(Rollout(max_failed=2), 10)
    for name in "abc":
        now = now.after(row(name, Status.STALE), written=False)
        assert now.spent == ""
    assert now.failed_in_words == (
        "0 failed and 3 stale of 10 selected; max_failed 2; it goes on, as nothing has failed"
    )
    spent = now.after(row("d", Status.FAILED), written=False)
    assert spent.spent == "1 failed and 3 stale of 10 selected; max_failed 2"
    assert now.after(row("a", Status.CHANGED), written=True).after(row("b", Status.FAILED), written=True).spent == ""


@given(selected=st.integers(1, 400), percent=st.integers(0, 100))
def test_it_is_spent_by_the_first_failure_beyond_the_limit(selected: int, percent: int) -> None:
    now = Budget(Rollout(max_failed=f"{percent}%"), selected)
    for number in range(selected):
        assert bool(now.spent) is (number * 100 > percent * selected)
        now = now.after(row(f"w{number}", Status.FAILED), written=False)
        # Told again, it is still one.
        now = now.after(row(f"w{number}", Status.FAILED), written=False)
    assert bool(now.spent) is (percent < 100)


def test_offline_ones_count_only_against_their_own_limit() -> None:
    none, some = Budget(Rollout(), 4), Budget(Rollout(max_offline="50%"), 4)
    for name in "abc":
        assert some.spent == ""
        none, some = (one.after(row(name, Status.OFFLINE), written=False) for one in (none, some))
    assert none.spent == ""
    assert none.offline_in_words == "3 offline of 4 selected"
    assert some.spent == "3 offline of 4 selected; max_offline 50% = 2"


def test_one_that_answers_later_is_not_offline_any_more() -> None:
    spent = Budget(Rollout(max_offline=0), 4).after(row("a", Status.OFFLINE), written=False)
    assert spent.spent
    assert spent.after(row("a", Status.CHANGED), written=True).spent == ""


def test_the_denominator_is_said() -> None:
    after = Budget(Rollout(), 40).after(row("a", Status.FAILED), written=False)
    assert after.failed_in_words == "1 failed of 40 selected; max_failed 5% = 2"
    assert after.spent == ""
