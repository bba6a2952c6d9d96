"""Keys that go away: their line, comma or element goes along, every other byte stays."""
# ruff: noqa: E501 - a sample and what becomes of it stand side by side

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from test_format_laws import FORMATS, KEYS, OTHER_READERS, good_files, laws

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import format_named

EXACT = {
    "properties": {
        "a line": (b"# c\r\na=1\r\nb=2\r\n", ["a"], b"# c\r\nb=2\r\n"),
        "its comment stays": (b"# about a\na=1\n\nb=2\n", ["a"], b"# about a\n\nb=2\n"),
        "continued lines": (b"a=1\\\n   2\\\r\n\t3\nb=4\n", ["a"], b"b=4\n"),
        "continued by a blank line": (b"a=1\\\n\nb=4\n", ["a"], b"b=4\n"),
        "a key that goes on over lines": (b"long\\\n  key : 1\nb=2\n", ["longkey"], b"b=2\n"),
        "the last one, unended": (b"a=1\nb=2", ["b"], b"a=1\n"),
        "the last one, open": (b"a=1\nb=2\\", ["b"], b"a=1\n"),
        "escaped keys": (b"a\\ b=1\n\\u00e9:2\nc 3\n", ["a b", "é", "c"], b""),
        "a comment that ends like a continuation": (b"# c \\\na=1\nb=2\n", ["a"], b"# c \\\nb=2\n"),
        "no value": (b"a\nb=2\n", ["a"], b"b=2\n"),
        "bom": (b"\xef\xbb\xbfa=1\nb=\xc3\xa9\n", ["a"], b"\xef\xbb\xbfb=\xc3\xa9\n"),
        "latin-1": (b"a=\xe9\nb=\xe8\n", ["a"], b"b=\xe8\n"),
        "utf-16": ("a=1\r\nb=é\r\n".encode("utf-16"), ["a"], "b=é\r\n".encode("utf-16")),
        "not there": (b"a=1\n\n", ["b"], b"a=1\n\n"),
        "nothing": (b"", ["b"], b""),
    },
    "ini": {
        "a line": (b"[s]\r\na=1\r\nb=2\r\n", ["s/a"], b"[s]\r\nb=2\r\n"),
        "the section stays": (b"; c\n[s]\na=1\n[t]\na=1\n", ["s/a"], b"; c\n[s]\n[t]\na=1\n"),
        "odd spacing": (b"[ S ]\n\t a = ' 1 '\t\n;c\n\n", ["s/a"], b"[ S ]\n;c\n\n"),
        "the last one, unended": (b"[s]\na=1\nb=2", ["s/b"], b"[s]\na=1\n"),
        "both of two": (b"[s]\na=1\nb=2\nc=3\n", ["s/a", "s/b"], b"[s]\nc=3\n"),
        "empty": (b"[s]\na=\n", ["s/a"], b"[s]\n"),
        "old line ends": (b"[s]\ra=1\rb=2\r", ["s/a"], b"[s]\rb=2\r"),
        "the end of a dos file": (b"[s]\na=1\nb=2\n\x1a", ["s/b"], b"[s]\na=1\n\x1a"),
        "other duplicates stay": (b"[s]\nd=1\na=1\nd=2\n", ["s/a"], b"[s]\nd=1\nd=2\n"),
        "utf-16": ("[s]\r\na=1\r\nb=é\r\n".encode("utf-16"), ["s/a"], "[s]\r\nb=é\r\n".encode("utf-16")),
        "not there": (b"[s]\na=1\n", ["s/b", "t/a"], b"[s]\na=1\n"),
        "a name without a value is none": (b"[s]\na\n", ["s/a"], b"[s]\na\n"),
    },
    "xml": {
        "a line": (b"<r>\r\n\t<a>1</a>\r\n\t<b/>\r\n</r>\r\n", ["a"], b"<r>\r\n\t<b/>\r\n</r>\r\n"),
        "what becomes empty stays": (b"<r>\n  <b>\n    <c>1</c>\n  </b>\n</r>", ["b/c"], b"<r>\n  <b>\n  </b>\n</r>"),
        "in one line": (b"<r><a>1</a><b/></r>", ["a"], b"<r><b/></r>"),
        "in one line, with blanks": (b"<r> <a>1</a> <b/> </r>", ["b"], b"<r> <a>1</a></r>"),
        "blank lines of others stay": (b"<r>\n\n  <a/>\n\n  <b/>\n</r>", ["a"], b"<r>\n\n\n  <b/>\n</r>"),
        "something behind it": (b"<r>\n  <a>1</a> <!-- c -->\n  <b/>\n</r>", ["a"], b"<r>\n  <!-- c -->\n  <b/>\n</r>"),
        "something before it": (b"<r>\n  <b/> <a>1</a>\n</r>", ["a"], b"<r>\n  <b/>\n</r>"),
        "the end of its parent behind it": (b"<r>\n  <b/>\n  <a>1</a></r>", ["a"], b"<r>\n  <b/></r>"),
        "with its attributes": (b"<r>\n  <a x='1' y=\"/>\">2</a>\n</r>", ["a"], b"<r>\n</r>"),
        "empty tag": (b"<r><a x='1' /><b/></r>", ["a"], b"<r><b/></r>"),
        "odd end tag": (b"<r><a>1</a \n><b/></r>", ["a"], b"<r><b/></r>"),
        "cdata": (b"<r><a><![CDATA[<a>]]></a><b/></r>", ["a"], b"<r><b/></r>"),
        "several lines": (b"<r>\n  <a>\n 1\n  </a>\n  <b/>\n</r>", ["a"], b"<r>\n  <b/>\n</r>"),
        "an attribute": (b"<r a = '1'  b='2'\n c='3' />", ["@b"], b"<r a = '1'\n c='3' />"),
        "the first attribute": (b"<r  a='@b=1' b='2'></r>", ["@a"], b"<r b='2'></r>"),
        "an attribute and its element": (b"<r><a x='1'>2</a></r>", ["a/@x", "a"], b"<r></r>"),
        "an element and its attribute": (b"<r><a x='1'>2</a></r>", ["a", "a/@x"], b"<r></r>"),
        "comments and accents elsewhere": ("<é><!-- <a>0</a> --><à>ß</à><a>1</a><?p?></é>".encode(), ["a"], "<é><!-- <a>0</a> --><à>ß</à><?p?></é>".encode()),
        "all of an account": (
            b"<u>\n  <n>\n    <siret>1</siret>\n    <nom>\xc3\xa9</nom>\n  </n>\n  <x/>\n</u>\n", ["n/siret", "n/nom", "n/service"],
            b"<u>\n  <n>\n  </n>\n  <x/>\n</u>\n",
        ),
        "not there": (b"<r><a/></r>", ["b", "a/@x", "@y", "c/d"], b"<r><a/></r>"),
    },
    "json": {
        "a line": (b'{\r\n\t"a": 1,\r\n\t"b": 2\r\n}\r\n', ["a"], b'{\r\n\t"b": 2\r\n}\r\n'),
        "the last one": (b'{\n  "a": 1,\n  "b": 2\n}', ["b"], b'{\n  "a": 1\n}'),
        "one in between": (b'{"a":1 , "b":2 , "c":3}', ["b"], b'{"a":1 , "c":3}'),
        "the only one": (b'{"o": { "a": 1 }, "b": 2}', ["o/a"], b'{"o": { }, "b": 2}'),
        "what becomes empty stays": (b'{\n  "a": 1\n}', ["a"], b"{\n}"),
        "all of them": (b'{"a":1,"b":{"c":2,"d":null}}', ["a", "b/c", "b/d"], b'{"b":{}}'),
        "null": (b'{"a": null, "b": 1}', ["a"], b'{"b": 1}'),
        "numbers as they were": (b'{"z": [1.0, 1e5, -0], "a": 1, "y": 1E400}', ["a"], b'{"z": [1.0, 1e5, -0], "y": 1E400}'),
        "escaped names": (b'{"\\u0061": 1, "b/c": "}"}', ["a", "b~1c"], b"{}"),
        "other duplicates stay": (b'{"d":1,"a":2,"d":3}', ["a"], b'{"d":1,"d":3}'),
        "not there": (b'{"a": {}}', ["b", "a/c", "d/e"], b'{"a": {}}'),
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in EXACT for case in EXACT[name]])
def test_this_goes_and_nothing_else(name, case):
    before, keys, after = EXACT[name][case]
    module = format_named(name)
    assert module.patch(before, dict.fromkeys(keys)) == after
    assert module.read(after, keys) == {}
    assert module.patch(after, dict.fromkeys(keys)) == after


@pytest.mark.parametrize(
    ("name", "before", "key", "code"),
    [
        ("properties", b"a=1\na=2\n", "a", "duplicate_key"),
        ("ini", b"[s]\na=1\nA=2\n", "s/a", "duplicate_key"),
        ("xml", b"<r><a/><a/></r>", "a", "duplicate_key"),
        ("xml", b"<r><a><b/></a></r>", "a", "not_a_value"),
        ("xml", b"<r><a>1<!-- c --></a></r>", "a", "not_a_value"),
        ("xml", b"<r>t<a>1</a>u</r>", "a", "not_a_value"),
        ("json", b'{"a":1,"a":2}', "a", "duplicate_key"),
        ("json", b'{"a":{}}', "a", "not_a_value"),
        ("json", b'{"a":1}', "a/b", "not_a_value"),
        ("registry", b"YQ== Binary AA==\n", "a", "not_a_value"),
    ],
)
def test_what_cannot_go_is_refused(name, before, key, code):
    with pytest.raises(SettingsFormatError) as caught:
        format_named(name).patch(before, {key: None})
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "before", "values", "after"),
    [
        ("properties", b"a=1\nb=2", {"b": None, "c": "3"}, b"a=1\nc=3\n"),
        ("ini", b"[s]\na=1\nb=2\n", {"s/b": None, "s/a": "3", "t/c": "4"}, b"[s]\na=3\n\n[t]\nc=4\n"),
        ("xml", b"<r>\n  <a>1</a>\n</r>", {"a": None, "b": "2"}, b"<r>\n  <b>2</b>\n</r>"),
        ("json", b'{\n  "a": 1\n}', {"a": None, "b": 2}, b'{\n  "b": 2\n}'),
        ("registry", b"YQ== DWord MQ==\nYg== None \n", {"a": None, "c": "2"}, b"Yg== None \nYw== String Mg==\n"),
    ],
)
def test_one_goes_and_another_comes(name, before, values, after):
    assert format_named(name).patch(before, values) == after


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_one_piece_is_cut_out(name, data):
    module, before = format_named(name), data.draw(good_files(name))
    key = data.draw(st.sampled_from(KEYS[name]))
    after = module.patch(before, {key: None})
    if key not in module.read(before, [key]):
        assert after == before
        return
    assert module.read(after, [key]) == {}
    prefix = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(after))
    assert before.endswith(after[prefix:])


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_other_readers_miss_one_key(name, data):
    module, before = format_named(name), data.draw(good_files(name))
    key = data.draw(st.sampled_from(KEYS[name][:2]))
    assume(key in module.read(before, [key]))
    encoding = "utf-16" if before[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    old = dict(OTHER_READERS[name](before.decode(encoding)))
    new = OTHER_READERS[name](module.patch(before, {key: None}).decode(encoding))
    del old[key if name in ("properties", "registry") else tuple(key.split("/"))]
    assert new == old
