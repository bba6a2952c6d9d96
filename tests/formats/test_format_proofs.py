"""The last look before bytes are handed out: it sees every change that was not asked for."""

import pytest

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import ini, json, properties, xml


def prove(name, before, after, values):
    wanted = {key: value for key, value in values.items() if value is not None}
    gone = [key for key in values if key not in wanted]
    if name == "properties":
        properties._prove(properties._pieces(before), properties._pieces(after), wanted, gone)
    elif name == "ini":
        ini._prove(before, after, wanted, gone)
    elif name == "json":
        json._prove(json._parsed(before), json._parsed(after), wanted, gone)
    else:
        xml._prove(before, after, {key: xml._steps(key) for key in values}, wanted)


RIGHT = {
    "properties": ("# c\na=1\nb=2\n", "# c\na=3\nb=2\n", {"a": "3"}),
    "ini": ("[s]\na=1\nb=2\n[t]\na=1\n", "[s]\na=3\nb=2\n[t]\na=1\n", {"s/a": "3"}),
    "json": ('{"a": 1, "b": {"c": [1, {}]}}', '{"a": 3, "b": {"c": [1, {}]}}', {"a": 3}),
    "xml": ("<r><a x='1'>1</a><b>2<!--c--><?p?></b></r>", "<r><a x='1'>3</a><b>2<!--c--><?p?></b></r>", {"a": "3"}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_was_asked_for_is_let_through(name):
    prove(name, *RIGHT[name])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("properties", "# c\na=4\nb=2\n"),
        ("properties", "# c\na=3\nb=1\n"),
        ("properties", "# d\na=3\nb=2\n"),
        ("properties", "# c\na=3\n"),
        ("properties", "# c\na=3\nb=2\nb=2\n"),
        ("ini", "[s]\na=4\nb=2\n[t]\na=1\n"),
        ("ini", "[s]\na=3\nb=1\n[t]\na=1\n"),
        ("ini", "[s]\na=3\nb=2\n[t]\na=3\n"),
        ("ini", "[s]\na=3\nb=2\n[t]\na=1\na=1\n"),
        ("ini", "[s]\na=3\n[t]\nb=2\na=1\n"),
        ("json", '{"a": 4, "b": {"c": [1, {}]}}'),
        ("json", '{"a": 3.0, "b": {"c": [1, {}]}}'),
        ("json", '{"a": 3, "b": {"c": [1.0, {}]}}'),
        ("json", '{"a": 3, "b": {"c": ["1", {}]}}'),
        ("json", '{"a": 3, "b": {"c": [1, []]}}'),
        ("json", '{"a": 3, "b": {"c": [1, {}]}, "b": {"c": [1, {}]}}'),
        ("xml", "<r><a x='1'>4</a><b>2<!--c--><?p?></b></r>"),
        ("xml", "<r><a x='2'>3</a><b>2<!--c--><?p?></b></r>"),
        ("xml", "<r><a x='1'>3</a><b>1<!--c--><?p?></b></r>"),
        ("xml", "<r><a x='1'>3</a><b> 2<!--c--><?p?></b></r>"),
        ("xml", "<r><a x='1'>3</a><b>2<!--d--><?p?></b></r>"),
        ("xml", "<r><a x='1'>3</a><b>2<!--c--><?q?></b></r>"),
        ("xml", "<r><a x='1'>3</a><b><![CDATA[2]]><!--c--><?p?></b></r>"),
        ("xml", "<r><a x='1'>3</a><b y=''>2<!--c--><?p?></b></r>"),
        ("xml", "<r><a x='1'>3</a>t<b>2<!--c--><?p?></b></r>"),
        ("xml", "<q><a x='1'>3</a><b>2<!--c--><?p?></b></q>"),
        ("xml", "<?xml version='1.0'?><r><a x='1'>3</a><b>2<!--c--><?p?></b></r>"),
    ],
)
def test_anything_else_is_refused(name, wrong):
    before, _, values = RIGHT[name]
    with pytest.raises(SettingsFormatError) as caught:
        prove(name, before, wrong, values)
    assert caught.value.code == "not_exact"


GONE = {
    "properties": ("# c\na=1\nb=2\n", "# c\nb=2\n", {"a": None}),
    "ini": ("[s]\na=1\nb=2\n[t]\na=1\n", "[s]\nb=2\n[t]\na=1\n", {"s/a": None}),
    "json": ('{"a": 1, "b": {"c": [1, {}]}}', '{"b": {"c": [1, {}]}}', {"a": None}),
    "xml": ("<r><a x='1'>1</a><b y='2'>2<!--c--></b></r>", "<r><b y='2'>2<!--c--></b></r>", {"a": None}),
}


@pytest.mark.parametrize("name", GONE)
def test_a_key_that_is_gone_is_let_through(name):
    prove(name, *GONE[name])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, GONE[name][0]) for name in GONE),
        ("properties", "b=2\n"),
        ("properties", "# c\n"),
        ("properties", "# c\na\nb=2\n"),
        ("ini", "[s]\nb=2\n[t]\n"),
        ("ini", "[t]\na=1\n"),
        ("ini", "[s]\n[t]\nb=2\na=1\n"),
        ("ini", "[s]\na=\nb=2\n[t]\na=1\n"),
        ("json", '{"a": null, "b": {"c": [1, {}]}}'),
        ("json", "{}"),
        ("json", '{"b": {"c": [1]}}'),
        ("xml", "<r><a/><b y='2'>2<!--c--></b></r>"),
        ("xml", "<r><b>2<!--c--></b></r>"),
        ("xml", "<r><b y='2'>2</b></r>"),
        ("xml", "<r/>"),
        ("xml", "<r>1<b y='2'>2<!--c--></b></r>"),
    ],
)
def test_any_other_loss_is_refused(name, wrong):
    before, _, values = GONE[name]
    with pytest.raises(SettingsFormatError) as caught:
        prove(name, before, wrong, values)
    assert caught.value.code == "not_exact"
