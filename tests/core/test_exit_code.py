import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.core.exit_code import exit_code
from iea_fleet.model.matrix import Cell, Matrix, Row, Status
from iea_fleet.model.run import Command


def matrix(*cells: tuple[Status, str]) -> Matrix:
    """One workstation for each cell, and a last one with all of them."""
    rows = [Row(f"w{place}", "o", (Cell("state", status, "", code),)) for place, (status, code) in enumerate(cells)]
    return Matrix((*rows, Row("all", "o", tuple(Cell(f"a{n}", s, "", c) for n, (s, c) in enumerate(cells)))))


@pytest.mark.parametrize("command", ["plan", "apply", "drift", "status"])
@pytest.mark.parametrize(
    ("status", "reason_code", "code"),
    [
        (Status.FAILED, "", 1),
        (Status.ROLLED_BACK, "", 1),
        (Status.BAD, "", 1),
        (Status.STALE, "", 1),
        (Status.WAITING, "", 4),
        (Status.UNKNOWN, "", 4),
        (Status.OFFLINE, "no_answer", 4),
        (Status.HELD, "held_by_run", 4),
        (Status.HELD, "held", 0),
        (Status.SKIPPED, "test_first_failed", 1),
        (Status.SKIPPED, "budget_spent", 1),
        (Status.SKIPPED, "some_code_of_tomorrow", 1),
        (Status.SKIPPED, "not_built", 0),
        (Status.SKIPPED, "not_selected", 0),
        (Status.WARN, "", 0),
        (Status.CHANGED, "", 0),
        (Status.IN_SYNC, "", 0),
    ],
)
def test_one_cell(command: Command, status: Status, reason_code: str, code: int):
    assert exit_code(matrix((status, reason_code)), command, interrupted=False) == code


@pytest.mark.parametrize("status", [Status.PENDING, Status.DRIFTED])
@pytest.mark.parametrize(("command", "code"), [("plan", 3), ("drift", 3), ("status", 3), ("apply", 1)])
def test_differences_are_no_success_of_an_apply(status: Status, command: Command, code: int):
    assert exit_code(matrix((status, "")), command, interrupted=False) == code


def test_a_cell_behind_a_worse_one_counts_too():
    # The row's own status is drifted; the budget that stopped it decides all the same.
    row = Row("w", "o", (Cell("a", Status.DRIFTED), Cell("b", Status.SKIPPED, "", "budget_spent")))

    assert row.status is Status.DRIFTED
    assert exit_code(Matrix((row,)), "drift", interrupted=False) == 1


CELLS = st.lists(
    st.tuples(st.sampled_from(Status), st.sampled_from(["", "not_built", "held_by_run", "budget_spent"])), max_size=5
)
COMMANDS = st.sampled_from(["plan", "apply", "drift", "status"])


@given(CELLS, CELLS, COMMANDS)
def test_the_more_is_there_the_sooner_applies_the_code(some, others, command: Command):
    order = [1, 3, 4, 0]
    together = exit_code(matrix(*some, *others), command, interrupted=False)

    apart = [exit_code(matrix(*part), command, interrupted=False) for part in (some, others)]
    assert together == min(apart, key=order.index)


@given(CELLS, COMMANDS)
def test_an_interruption_comes_first(cells, command: Command):
    assert exit_code(matrix(*cells), command, interrupted=True) == 130


def test_nobody_selected_is_no_fault():
    assert exit_code(Matrix(()), "apply", interrupted=False) == 0
