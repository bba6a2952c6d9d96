"""JSON files, byte for byte."""
# ruff: noqa: E501 - a sample and what becomes of it stand side by side

import pytest

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import json

EXACT = {
    "crlf and tabs": (b'{\r\n\t"a" : "1",\r\n\t"b":2\r\n}\r\n', None, {"a": "x"}, b'{\r\n\t"a" : "x",\r\n\t"b":2\r\n}\r\n'),
    "types": (
        b'{"a":1,"b":2,"c":3,"d":4,"e":5}', None, {"a": True, "b": False, "c": 1.5, "d": -7, "e": "1"},
        b'{"a":true,"b":false,"c":1.5,"d":-7,"e":"1"}',
    ),
    "true is not one": (b'{"a": 1}', None, {"a": True}, b'{"a": true}'),
    "one is not one point nought": (b'{"a": 1}', None, {"a": 1.0}, b'{"a": 1.0}'),
    "numbers elsewhere": (b'{"n":[1.0,1e5,-0,1E400,0.10],"a":1}', None, {"a": 2}, b'{"n":[1.0,1e5,-0,1E400,0.10],"a":2}'),
    "escapes elsewhere": (b'{"\\u0061\\/":"\\u00e9\\/","b":1}', None, {"b": 2}, b'{"\\u0061\\/":"\\u00e9\\/","b":2}'),
    "escapes in the name": (b'{"\\u0061":1}', None, {"a": 2}, b'{"\\u0061":2}'),
    "escapes in the value": (b'{"a":"\\u00e9\\"}{"}', None, {"a": '\\"\n'}, b'{"a":"\\\\\\"\\n"}'),
    "nesting": (b'{"a":{"a":{"a":1}},"b":{"a":2}}', None, {"a/a/a": 3}, b'{"a":{"a":{"a":3}},"b":{"a":2}}'),
    "slash and tilde in a name": (b'{"a/b":{"c~d":1}}', None, {"a~1b/c~0d": 2}, b'{"a/b":{"c~d":2}}'),
    "empty name": (b'{"":{"":1}}', None, {"/": 2}, b'{"":{"":2}}'),
    "bom": (b'\xef\xbb\xbf{"a":1}', "latin-1", {"a": "\u20ac"}, b'\xef\xbb\xbf{"a":"\xe2\x82\xac"}'),
    "latin-1": (b'{"b":"\xe9","a":1}', "latin-1", {"a": "\xe8\u20ac\U0001f600"}, b'{"b":"\xe9","a":"\xe8\\u20ac\\ud83d\\ude00"}'),
    "cp1252": (b'{"b":"\x80","a":1}', None, {"a": "\u20ac"}, b'{"b":"\x80","a":"\x80"}'),
    "utf-16": ('{"a":"é"}'.encode("utf-16"), None, {"a": "€"}, '{"a":"€"}'.encode("utf-16")),
    "no newline at the end": (b'{\n "a": 1\n}', None, {"b": 2}, b'{\n "a": 1,\n "b": 2\n}'),
    "other duplicates stay": (b'{"d":1,"d":2,"a":1}', None, {"a": 2}, b'{"d":1,"d":2,"a":2}'),
    "added, two members": (b'{"a":1, "b":2}', None, {"c": 3}, b'{"a":1, "b":2, "c":3}'),
    "added, one member": (b'{"a": 1}', None, {"c": 3}, b'{"a": 1, "c": 3}'),
    "added, one tight member": (b'{"a":1}', None, {"c": 3}, b'{"a":1,"c":3}'),
    "added, padded": (b'{ "a": 1 }', None, {"c": 3}, b'{ "a": 1, "c": 3 }'),
    "added to an empty object": (b'{\r\n    "o": {},\r\n    "a": 1\r\n}', None, {"o/x": 1}, b'{\r\n    "o": {\r\n        "x": 1\r\n    },\r\n    "a": 1\r\n}'),
    "added to an open empty object": (b'{\n "o": {\n }\n}', None, {"o/x": 1}, b'{\n "o": {\n  "x": 1\n }\n}'),
    "added to an empty object in one line": (b'{"o": {}}', None, {"o/x": 1}, b'{"o": {"x": 1}}'),
    "added to a blank object": (b'{ }', None, {"x": 1}, b'{ "x": 1 }'),
    "nothing but an object": (b"{}", None, {"a/b": "1", "a/c": True, "d": 0}, b'{\n  "a": {\n    "b": "1",\n    "c": true\n  },\n  "d": 0\n}'),
    "nothing but an object and a line end": (b"{}\r\n", None, {"a": "1"}, b'{\r\n  "a": "1"\r\n}\r\n'),
    "blanks around": (b' \n{"a"\n:\t1\n}\n ', None, {"a": 2}, b' \n{"a"\n:\t2\n}\n '),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_patch_changes_this_and_nothing_else(case):
    before, encoding, values, after = EXACT[case]
    assert json.patch(before, values, encoding) == after
    read = json.read(after, values, encoding)
    assert [(key, type(read[key]), read[key]) for key in values] == [(key, type(v), v) for key, v in values.items()]


def test_read_gives_what_is_there():
    data = b'{"s":"1","i":1,"f":1.0,"e":1e2,"t":true,"n":null,"o":{"x":"y"},"l":[1]}'
    read = json.read(data, ["s", "i", "f", "e", "t", "n", "o/x", "o/z", "zz/z"])
    assert repr(read) == "{'s': '1', 'i': 1, 'f': 1.0, 'e': 100.0, 't': True, 'n': None, 'o/x': 'y'}"


@pytest.mark.parametrize(
    ("data", "values", "code"),
    [
        (b'{"a":1,"a":2}', {"a": 3}, "duplicate_key"),
        (b'{"a":{"b":1},"a":{}}', {"a/b": 3}, "duplicate_key"),
        (b'{"a":{"b":1}}', {"a": 3}, "not_a_value"),
        (b'{"a":[1]}', {"a": 3}, "not_a_value"),
        (b'{"a":[1]}', {"a/0": 3}, "not_a_value"),
        (b'{"a":"b"}', {"a/b": 3}, "not_a_value"),
        (b'{"a":null}', {"a/b": 3}, "not_a_value"),
        (b'{"a":1e999}', {"a": 3}, "not_a_value"),
        (b'{"a":' + b"1" * 5000 + b"}", {"a": 3}, "not_a_value"),
        (b"{}", {"a": 1, "a/b": 3}, "not_a_value"),
        (b"{}", {"a/b": 1, "a": 3}, "not_a_value"),
        (b"{}", {"a~b": 3}, "bad_key"),
        (b"{}", {"a": float("nan")}, "cannot_hold"),
        (b"{}", {"a": float("inf")}, "cannot_hold"),
        (b"{}", {"a": 10**5000}, "cannot_hold"),
        (b"{}", {"a": "\udc80"}, "cannot_hold"),
        (b"", {"a": 3}, "unreadable_format"),
        (b"[]", {"a": 3}, "unreadable_format"),
        (b'{"a":1} x', {"a": 3}, "unreadable_format"),
        (b'{"a":1,}', {"a": 3}, "unreadable_format"),
        (b'{"a":NaN}', {"a": 3}, "unreadable_format"),
        (b'{"a":1} // c', {"a": 3}, "unreadable_format"),
        (b'{/* c */"a":1}', {"a": 3}, "unreadable_format"),
        (b"{'a':1}", {"a": 3}, "unreadable_format"),
        (b'{"a":"\n"}', {"a": 3}, "unreadable_format"),
        (b'{"a":1}\0', {"a": 3}, "unreadable_format"),
    ],
)
def test_what_cannot_be_is_refused(data, values, code):
    with pytest.raises(SettingsFormatError) as caught:
        json.patch(data, values)
    assert caught.value.code == code


def test_a_mistake_is_told_with_its_place():
    with pytest.raises(SettingsFormatError, match="delimiter at line 3, column 3"):
        json.read(b'{\r\n  "a": 1\r\n  "b": 2\r\n}', ["a"])
