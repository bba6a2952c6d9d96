"""Inheritance: its examples and its laws."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from iea_fleet.core.inheritance import Layer, layer, merge, settle
from iea_fleet.model.inventory import ConnectionPart, Jump, Settings


def inherited(*levels: dict[str, Any]) -> dict[str, Any]:
    merged = Layer()
    for level in levels:
        merged = merge(merged, layer(level))
    return settle(merged)


def test_maps_merge_by_key_lists_replace_and_null_removes() -> None:
    assert inherited(
        {"layout": "a", "vars": {"site": 1, "rack": 2, "gone": 3}, "tags": ["a", "b"]},
        {"layout": "b", "vars": {"site": 54, "gone": None}, "tags": ["c"], "software": {"wanted": "V72"}},
        {"software": None},
    ) == {"layout": "b", "vars": {"site": 54, "rack": 2}, "tags": ["c"]}


def test_a_map_after_null_begins_anew() -> None:
    assert inherited({"vars": {"a": 1}}, {"vars": None}, {"vars": {"b": 2}}) == {"vars": {"b": 2}}


def test_another_transport_inherits_nothing() -> None:
    ssh = {"connection": {"transport": "ssh", "user": "u", "port": 22}}
    assert inherited(ssh, {"connection": {"transport": "winrm", "password": "age:x"}}) == {
        "connection": {"transport": "winrm", "password": "age:x"}
    }
    assert inherited(ssh, {"connection": {"transport": "ssh", "port": 2222}}) == {
        "connection": {"transport": "ssh", "user": "u", "port": 2222}
    }
    # Back to the first transport, two levels below: what was left is not found again.
    back = {"connection": {"transport": "ssh", "agent": True}}
    assert inherited(ssh, {"connection": {"transport": "none"}}, back) == {
        "connection": {"transport": "ssh", "agent": True}
    }
    assert inherited(ssh, {"connection": {"transport": None, "timeout": 5}}) == {"connection": {"timeout": 5}}


def test_a_level_without_a_transport_adds_to_the_inherited_one() -> None:
    assert inherited(
        {"connection": {"timeout": 5}},
        {"connection": {"transport": "ssh", "user": "u"}},
        {"connection": {"port": 2222}},
    ) == {"connection": {"transport": "ssh", "timeout": 5, "user": "u", "port": 2222}}


def test_models_count_what_is_written_in_them_alone() -> None:
    jump = Jump(address="b", user="u", host_keys=("ssh-ed25519 AAAA",))
    upper = Settings(connection=ConnectionPart(transport="ssh", user="u", timeout=5))
    lower = Settings(connection=ConnectionPart(jump=jump, timeout=None))
    assert settle(merge(layer(upper), layer(lower))) == {
        "connection": {
            "transport": "ssh",
            "user": "u",
            "jump": {"address": "b", "user": "u", "host_keys": ("ssh-ed25519 AAAA",)},
        }
    }


scalars = st.none() | st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=2)
connections = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "transport": st.sampled_from(["ssh", "winrm", "none", None]),
        "user": scalars,
        "port": scalars,
        "jump": st.none() | st.dictionaries(st.sampled_from("ab"), scalars, max_size=2),
    },
)
maps = st.dictionaries(st.sampled_from("abc"), scalars | st.dictionaries(st.sampled_from("ab"), scalars), max_size=3)
levels = st.fixed_dictionaries({}, optional={"connection": connections, "vars": st.none() | maps, "layout": scalars})


@settings(max_examples=1000)
@given(levels, levels, levels)
def test_merge_is_associative(first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]) -> None:
    a, b, c = layer(first), layer(second), layer(third)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(levels)
def test_an_empty_level_changes_nothing(level: dict[str, Any]) -> None:
    assert merge(Layer(), layer(level)) == layer(level)
    assert settle(merge(layer(level), Layer())) == settle(layer(level))


@given(levels, levels)
def test_the_lower_level_wins_and_null_never_stays(upper: dict[str, Any], lower: dict[str, Any]) -> None:
    result = settle(merge(layer(upper), layer(lower)))
    assert None not in result.values()
    if lower.get("layout") is not None:
        assert result["layout"] == lower["layout"]
    transport = (lower.get("connection") or {}).get("transport")
    if transport is not None:
        assert result["connection"]["transport"] == transport
