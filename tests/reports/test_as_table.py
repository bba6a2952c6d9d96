import datetime as dt
from dataclasses import replace
from io import StringIO

import pytest
from drawn_fleets import (
    ADDRESSES,
    ASSISTANCE,
    BAD,
    NOW,
    OFFICES,
    drawn,
    large,
    offline,
    row,
    same_as_golden,
    small,
)
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from iea_fleet.model.matrix import Cell, Difference, Matrix, Row, Seen, Status
from iea_fleet.reports.as_table import table
from iea_fleet.reports.wording import LOOKS, MEANINGS, word


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("fleet", [small, large])
def test_the_matrix(fleet, width: int):
    text = drawn(table(fleet(), zone=dt.UTC), width)

    same_as_golden(f"{fleet.__name__}-{width}.txt", text)
    assert all(cell_len(line) <= width and line == line.rstrip() for line in text.splitlines())


def test_the_last_known_state_shows_ages():
    seen = Seen(Status.IN_SYNC, NOW - dt.timedelta(days=2))
    never = Cell("state", Status.UNKNOWN, "never looked at so far; run iea-fleet drift or status", "never_seen")
    matrix = Matrix(
        (
            row("nancy-01", at=NOW - dt.timedelta(hours=3)),
            offline("nancy-02", seen=seen),
            row("toul-01", "toul", at=NOW - dt.timedelta(seconds=20), a=never),
        ),
        OFFICES,
    )

    same_as_golden("last-80.txt", drawn(table(matrix, now=NOW, zone=dt.UTC)))
    same_as_golden("last-120.txt", drawn(table(matrix, now=NOW, zone=dt.UTC), 120))


def test_every_workstation_has_its_line_when_verbose():
    text = drawn(table(large(), verbose=True, zone=dt.UTC), 100)

    names = {one.workstation for one in large().rows}
    assert {
        line.split()[0] for line in text.splitlines() if line.startswith("  ") and line.split()[0] in names
    } == names


def test_many_accounts_share_a_column_where_they_do_not_fit():
    accounts = tuple(Cell(f"net_entreprises.user{number}", Status.IN_SYNC, observed_at=NOW) for number in range(1, 9))
    refused = replace(accounts[3], status=Status.BAD, reason="the portal refuses this account")
    matrix = Matrix(
        (Row("nancy-01", "nancy", (*accounts[:3], refused, *accounts[4:])), Row("nancy-02", "nancy", accounts))
    )

    narrow, wide = drawn(table(matrix), 80), drawn(table(matrix), 200)

    assert "accounts\n" in narrow
    assert "⊘ bad 1/8\n" in narrow
    assert "account user4: the portal refuses this account" in narrow
    assert "account user1" in wide.splitlines()[1]
    assert "account user8" in wide.splitlines()[1]


def test_an_empty_matrix_and_a_workstation_without_cells():
    assert drawn(table(Matrix(()))) == "No workstation.\n"
    assert "nancy-01" in drawn(table(Matrix((Row("nancy-01", "nancy", ()),))))


def test_a_long_name_keeps_its_cells_in_the_columns():
    name = "poste-de-l-accueil-du-premier-etage-a-droite"
    lines = drawn(table(Matrix((row(name), row("b")))), 100).splitlines()

    at = lines.index(f"  {name}")
    assert lines[at + 1].startswith(" " * 28 + "✓ in sync")


def test_symbols_are_one_cell_wide_and_every_status_has_its_own():
    assert set(LOOKS) == set(MEANINGS) == set(Status)
    assert {cell_len(look.symbol) for look in LOOKS.values()} == {1}
    assert len({look.symbol for look in LOOKS.values()}) == len(Status)


@pytest.mark.parametrize("status", Status)
def test_no_status_is_told_by_colour_alone(status: Status):
    text = drawn(table(Matrix((Row("w", "o", (Cell("software", status, "why"),)),))))

    assert f"{LOOKS[status].symbol} {word(status)}" in text.splitlines()[2]
    assert f"  {LOOKS[status].symbol} {word(status)}: {MEANINGS[status]}" in text.splitlines()
    assert f"1 workstation: 1 {word(status)}" in text.splitlines()


def test_colour_repeats_the_word_on_a_terminal():
    file = StringIO()
    Console(file=file, width=80, force_terminal=True, color_system="standard").print(table(Matrix((row("w", a=BAD),))))

    assert "\x1b[31m⊘ bad" in file.getvalue()


@given(st.text(max_size=60))
def test_nothing_that_a_terminal_obeys_gets_through(evil: str):
    told = f"[bold]{evil}\x1b]0;owned\x07\x9b31m\u202e:smile:"
    cell = Cell("state", Status.FAILED, told)
    pending = Cell("server_connection", Status.PENDING, "", differences=(Difference(told, told, told, told),))
    matrix = Matrix((Row("w" + told, "o" + told, (cell, pending)), Row("v", "p", (ASSISTANCE,))), {"p": told})

    for width in (40, 200):
        text = drawn(table(matrix, zone=dt.UTC), width)
        assert not [character for character in text if character != "\n" and ord(character) < 32]
        assert not {"\x7f", "\x9b", "\x85", "\u202e", "\u2028"} & set(text)
    # As it stands, neither read as markup nor as an emoji.
    assert "[bold]" in text
    assert ":smile:" in text


def test_300_workstations_of_which_nothing_is_to_be_said_need_a_line_for_each_office():
    matrix = Matrix(tuple(row(f"{office}-{number:03}", office) for office in "abc" for number in range(100)))

    lines = drawn(table(matrix)).splitlines()

    assert [line for line in lines if "100 in sync: " in line] == [
        f"  ✓ 100 in sync: {office}-[000:099]" for office in "abc"
    ]
    assert len(lines) < 20
    assert ADDRESSES[0] not in lines
