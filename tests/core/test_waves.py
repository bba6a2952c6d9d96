"""Waves: everybody once, sizes as said, the same every time, spread over offices and transports."""

from __future__ import annotations

import doctest
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from targets import target

from iea_fleet.core import patience, waves
from iea_fleet.model.matrix import Cell, Row, Status
from iea_fleet.model.target import SshConnection, Target, WinrmConnection

SHARES = st.lists(
    st.integers(0, 300) | st.integers(0, 100).map(lambda percent: f"{percent}%"), min_size=1, max_size=6
).map(tuple)


@st.composite
def networks(draw: st.DrawFn) -> list[Target]:
    kinds = (SshConnection(user="u", key_file="/k"), WinrmConnection(user="u", password="a:b"))
    drawn = draw(st.lists(st.tuples(st.sampled_from(["nancy", "toul", "metz"]), st.sampled_from(kinds)), max_size=40))
    return [
        target(f"{office}-{number:02}", office=office, connection=kind) for number, (office, kind) in enumerate(drawn)
    ]


@pytest.mark.parametrize("module", [waves, patience])
def test_the_examples_of_the_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shares", "total", "expected"),
    [
        ((1, "10%", "100%"), 1, (1,)),
        ((1, "10%", "100%"), 6, (1, 5)),
        ((1, "10%", "100%"), 11, (1, 1, 9)),
        ((1, "10%", "100%"), 200, (1, 19, 180)),
        ((1, "10%", "100%"), 0, ()),
        (("33%", "66%", "100%"), 10, (4, 3, 3)),
        (("50%", "10%"), 10, (5, 5)),
        ((0, "0%", 500), 7, (7,)),
        (("1%",), 200, (2, 198)),
    ],
)
def test_sizes(shares: tuple[int | str, ...], total: int, expected: tuple[int, ...]) -> None:
    assert waves.sizes(shares, total) == expected


@given(shares=SHARES, total=st.integers(0, 500))
def test_each_share_is_reached_rounded_up_and_everybody_has_a_turn(shares: tuple[int | str, ...], total: int) -> None:
    found = waves.sizes(shares, total)
    assert sum(found) == total
    assert all(size > 0 for size in found)
    ends = {sum(found[: number + 1]) for number in range(len(found))} | {0}
    furthest = 0
    for share in shares:
        exact = share if isinstance(share, int) else math.ceil(Fraction(int(share[:-1]) * total, 100))
        furthest = max(furthest, min(exact, total))
        assert furthest in ends, "a wave ends where the share says"


@given(network=networks())
def test_spreading_keeps_everybody_and_is_the_same_every_time(network: list[Target]) -> None:
    ordered = waves.spread(network)
    assert Counter(one.name for one in ordered) == Counter(one.name for one in network)
    assert waves.spread(list(network)) == ordered


@given(network=networks(), first=st.integers(0, 40))
def test_the_first_ones_are_spread_over_offices(network: list[Target], first: int) -> None:
    ordered = waves.spread(network)
    begun, left = ordered[:first], ordered[first:]
    turns = Counter(one.office for one in begun)
    for office in {one.office for one in left}:
        assert turns[office] >= max(turns.values(), default=0) - 1, "an office that has more to give had its turn"


@given(network=networks())
def test_one_office_is_spread_over_its_transports(network: list[Target]) -> None:
    alone = [one for one in network if one.office == "nancy"]
    kinds = {one.connection.transport for one in alone}
    assert {one.connection.transport for one in waves.spread(alone)[: len(kinds)]} == kinds


@given(network=networks())
def test_within_an_office_and_a_transport_the_inventory_decides(network: list[Target]) -> None:
    ordered = waves.spread(network)
    for office in ("nancy", "toul", "metz"):
        for kind in ("ssh", "winrm"):
            alike = [one for one in network if (one.office, one.connection.transport) == (office, kind)]
            assert [one for one in ordered if one in alike] == alike


@pytest.mark.parametrize("status", Status)
def test_who_says_something_about_a_push(status: Status) -> None:
    row = Row("a", "o", (Cell("server_connection", status), Cell("state.tray", Status.BAD)))
    assert waves.is_canary(row) is (status not in (Status.OFFLINE, Status.WAITING, Status.STALE))


@given(attempt=st.integers(0, 10_000), chance=st.floats(0, 1))
def test_pauses_begin_early_grow_and_stay_calm(attempt: int, chance: float) -> None:
    pause = patience.pause_before(attempt, chance)
    assert 4 <= round(pause, 6) <= 360
    if attempt == 0:
        assert round(pause, 6) <= 6
    if attempt >= 6:
        assert pause >= 240
    assert patience.pause_before(attempt + 1, chance) >= pause
