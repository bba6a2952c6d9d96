"""Selectors and ranges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.core.ranges import members
from iea_fleet.core.selectors import select
from iea_fleet.errors import UsageError
from iea_fleet.model.inventory import User
from iea_fleet.model.target import GuidedConnection, SshConnection, Target


def target(name: str, office: str = "nancy", tags: tuple[str, ...] = (), identity: str | None = None) -> Target:
    users = {"dupont": User(net_entreprises=identity)} if identity else {}
    connection = SshConnection(user="u") if office == "nancy" else GuidedConnection()
    return Target(name, office, "network", name, connection, None, tags=tags, users=users)


FLEET = [
    target("nancy-03"),
    target("nancy-01", tags=("paie", "accueil")),
    target("nancy-02", tags=("paie",)),
    target("toul-01", "toul", identity="ligue-54"),
    target("all.01", "toul"),
]


@pytest.mark.parametrize(
    ("selectors", "names"),
    [
        ("all", ["nancy-03", "nancy-01", "nancy-02", "toul-01", "all.01"]),
        ("nancy-02", ["nancy-02"]),
        ("nancy-02,nancy-01", ["nancy-01", "nancy-02"]),
        (["nancy-02", "toul-01"], ["nancy-02", "toul-01"]),
        ("nancy-*", ["nancy-03", "nancy-01", "nancy-02"]),
        ("*-0[12]", ["nancy-01", "nancy-02", "toul-01"]),
        ("nancy-[02:09]", ["nancy-03", "nancy-02"]),
        ("office:toul", ["toul-01", "all.01"]),
        ("tag:paie", ["nancy-01", "nancy-02"]),
        ("transport:ssh", ["nancy-03", "nancy-01", "nancy-02"]),
        ("transport:none, tag:accueil", ["nancy-01", "toul-01", "all.01"]),
        ("identity:ligue-54", ["toul-01"]),
        ("!office:nancy", ["toul-01", "all.01"]),
        ("!office:nancy,!toul-01", ["all.01"]),
        (["office:nancy", "!nancy-01"], ["nancy-03", "nancy-02"]),
        (["!nancy-01", "office:nancy"], ["nancy-03", "nancy-02"]),
        ("! nancy-[01:02], tag: paie, nancy-03", ["nancy-03"]),
    ],
)
def test_what_is_selected(selectors: str | list[str], names: list[str]) -> None:
    assert [found.name for found in select(FLEET, selectors)] == names


@pytest.mark.parametrize(
    ("selectors", "said"),
    [
        ("nancy-04", "`nancy-04` matches no workstation; did you mean `nancy-03`?"),
        ("NANCY-01", "`NANCY-01` matches no workstation; did you mean `nancy-01`?"),
        ("zzz", "`zzz` matches no workstation; workstations: nancy-03, nancy-01, nancy-02, toul-01, all.01"),
        ("nancy-[1:3]", "`nancy-[1:3]` matches no workstation; did you mean `nancy-03`?"),
        ("nancy-[3:1]", "`nancy-[3:1]` has a range that runs backwards; write [1:3]"),
        ("toul-0?,x*", "`x*` matches no workstation; workstations: nancy-03, nancy-01, nancy-02, toul-01, all.01"),
        ("office:tool", "`office:tool` matches no workstation; did you mean `toul`?"),
        ("tag:", "`tag:` matches no workstation; known: paie, accueil"),
        ("tags:paie", "`tags:` is no kind of selector; did you mean `tag`?"),
        ("!nobody", "`nobody` matches no workstation; workstations: nancy-03, nancy-01, nancy-02, toul-01, all.01"),
        ("!all", "the selectors leave no workstation; take an excluding one (!) away"),
        (
            "nancy-01,",
            (
                "a selector is empty; write all, a name, nancy-*, nancy-[01:03], "
                "office:, tag:, transport: or identity: and a name"
            ),
        ),
    ],
)
def test_a_selector_that_matches_nothing_is_an_error(selectors: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        select(FLEET, selectors)
    assert str(raised.value) == said


@given(st.integers(0, 12_000), st.integers(0, 300), st.integers(0, 6))
def test_ranges(first: int, more: int, width: int) -> None:
    last = first + more
    found = list(members(f"a-[{first:0{width}}:{last:0{width}}].x"))
    assert [number for _, number in found] == list(range(first, last + 1))
    # Zeros in front on either side make all of them as wide as the wider side.
    wide = max(width, len(str(last))) if width > len(str(first)) else 0
    assert [name for name, _ in found] == [f"a-{number:0{wide}}.x" for number in range(first, last + 1)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x", ["x"]),
        ("[1:2]", ["1", "2"]),
        ("a[09:11]", ["a09", "a10", "a11"]),
        ("a[9:11]", ["a9", "a10", "a11"]),
        ("a[008:8]", ["a008"]),
        ("a[0:1]", ["a0", "a1"]),
    ],
)
def test_zeros_in_front_are_kept(text: str, names: list[str]) -> None:
    assert [name for name, _ in members(text)] == names


@pytest.mark.parametrize("text", ["a[2:1]", "a[1:2][1:2]", "a[0:10000]"])
def test_ranges_that_cannot_be(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        members(text)
    assert len(list(members("a[1:10000]"))) == 10_000
