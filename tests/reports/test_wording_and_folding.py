import datetime as dt
import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.reports import folding, safe, wording

MODULES = [folding, safe, wording]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings(module):
    assert doctest.testmod(module).failed == 0


def unfolded(text: str) -> list[str]:
    names = []
    for piece in text.split(", "):
        found = re.fullmatch(r"(.*)\[(\d+):(\d+)\](.*)", piece)
        if found:
            width = len(found[2]) if found[2].startswith("0") else 0
            names += [f"{found[1]}{n:0{width}}{found[4]}" for n in range(int(found[2]), int(found[3]) + 1)]
        else:
            names.append(piece)
    return names


NAMES = st.from_regex(r"[a-c]{0,2}-?[0-9]{0,3}[xy]?", fullmatch=True).filter(bool)


@given(st.sets(NAMES, min_size=1, max_size=40))
def test_folded_names_are_those_names_once(names: set[str]):
    told = unfolded(folding.folded(names))

    assert sorted(told) == sorted(names)


def test_padded_names_fold_over_the_tens():
    assert folding.folded([f"nancy-{number:02}" for number in range(1, 13)]) == "nancy-[01:12]"
    assert folding.folded([f"p{number}" for number in range(8, 12)] + ["p-accueil"]) == "p[8:11], p-accueil"
    assert folding.folded(["b", "a2", "a10", "a1"]) == "a1, a2, a10, b"


@given(st.text())
def test_printable_text_is_one_line_without_control_characters(text: str):
    safe_text = safe.printable(text)

    assert len(safe_text) == len(text)
    assert all(character.isprintable() or character.isspace() for character in safe_text)
    assert not [character for character in safe_text if ord(character) < 32 or 0x7F <= ord(character) < 0xA0]
    assert safe.printable(safe_text) == safe_text


def test_values_show_what_the_eye_would_miss():
    assert safe.value("https://x\u00a0") == '"https://x\\xa0"'
    assert safe.value("a\x1b[31m") == '"a\\x1b[31m"'
    assert safe.value("") == '""'
    assert safe.value(False) == "false"
    assert safe.value(0) == "0"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "now"), (59, "now"), (60, "1min"), (3599, "59min"), (3600, "1h"), (86399, "23h"), (10 * 86400, "10d")],
)
def test_ages(seconds: int, said: str):
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    assert wording.age(now - dt.timedelta(seconds=seconds), now) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (7440, "2 h 04 min")],
)
def test_durations(seconds: float, said: str):
    assert wording.duration(dt.timedelta(seconds=seconds)) == said
