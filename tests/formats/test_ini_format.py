"""Ini files, byte for byte, by the rules of Windows."""
# ruff: noqa: E501 - a sample and what becomes of it stand side by side

import pytest

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import ini

EXACT = {
    "crlf and comments": (
        b"; IEA\r\n[Serveur]\r\nurl=http://a:80/ ; no comment\r\n\r\n[Autre]\r\nurl=1\r\n",
        None, {"Serveur/url": "https://b/"},
        b"; IEA\r\n[Serveur]\r\nurl=https://b/\r\n\r\n[Autre]\r\nurl=1\r\n",
    ),
    "lone carriage returns": (b"[a]\rx=1\ry=2", None, {"a/x": "3"}, b"[a]\rx=3\ry=2"),
    "bom": (b"\xef\xbb\xbf[a]\nx=1\n", "cp1252", {"a/x": "\xe9"}, b"\xef\xbb\xbf[a]\nx=\xc3\xa9\n"),
    "latin-1": (b"[a]\nx=\xe9\n", "latin-1", {"a/x": "\xe8"}, b"[a]\nx=\xe8\n"),
    "cp1252 guessed": (b"[a]\nx=\xe9\ny=1\n", None, {"a/y": "\u20ac"}, b"[a]\nx=\xe9\ny=\x80\n"),
    "utf-16 with bom": ("[a]\r\nx=é\r\n".encode("utf-16"), None, {"a/x": "€"}, "[a]\r\nx=€\r\n".encode("utf-16")),
    "utf-16 big-endian": (
        b"\xfe\xff" + "[a]\nx=1".encode("utf-16-be"), None, {"a/x": "€"}, b"\xfe\xff" + "[a]\nx=€".encode("utf-16-be")
    ),
    "utf-16 without bom, by the layout": ("[a]\nx=1".encode("utf-16-le"), "utf-16", {"a/x": "é"}, "[a]\nx=é".encode("utf-16-le")),
    "no case": (b"[SERVEUR]\nURL=1\n", None, {"serveur/url": "2"}, b"[SERVEUR]\nURL=2\n"),
    "odd spacing": (b" [ a ] x\n\t x \t=  1 \t\ny=2\n", None, {"a/x": "3"}, b" [ a ] x\n\t x \t=  3 \t\ny=2\n"),
    "double quotes stay": (b'[a]\nx = "1 2"  \n', None, {"a/x": " 3 "}, b'[a]\nx = " 3 "  \n'),
    "single quotes stay": (b"[a]\nx='1'\n", None, {"a/x": 'a"b'}, b"[a]\nx='a\"b'\n"),
    "outer blanks get quotes": (b"[a]\nx=1\n", None, {"a/x": " 2"}, b'[a]\nx=" 2"\n'),
    "outer quotes get quotes": (b"[a]\nx=1\n", None, {"a/x": "'2'"}, b"[a]\nx=\"'2'\"\n"),
    "one quote is no pair": (b'[a]\nx="\n', None, {"a/x": "'"}, b"[a]\nx='\n"),
    "no value yet": (b"[a]\nx=\ny =\nz\n", None, {"a/x": "1", "a/y": "2", "a/z": "3"}, b"[a]\nx=1\ny =2\nz=3\n"),
    "value with equals and semicolon": (b"[a]\nx=1\n", None, {"a/x": "=b;c=#"}, b"[a]\nx==b;c=#\n"),
    "hash is no comment": (b"[a]\n#x=1\n", None, {"a/#x": "2"}, b"[a]\n#x=2\n"),
    "keys before a section": (b"x=0\n[a]\nx=1\n", None, {"a/x": "2"}, b"x=0\n[a]\nx=2\n"),
    "lines that are none": (b"[a]\n=1\n[\n[]\nx=0\nnoise\n[b]\nx=1", None, {"b/x": "2"}, b"[a]\n=1\n[\n[]\nx=0\nnoise\n[b]\nx=2"),
    "slash in a section": (b"[a/b]\nc=1\n", None, {"a/b/c": "2"}, b"[a/b]\nc=2\n"),
    "bracket in a section": (b"[a]b]\nc=1\n", None, {"a]b/c": "2"}, b"[a]b]\nc=2\n"),
    "DEFAULT is a section like any": (b"[DEFAULT]\nx=1\n[a]\ny=1\n", None, {"DEFAULT/x": "2", "a/x": "3"}, b"[DEFAULT]\nx=2\n[a]\ny=1\nx=3\n"),
    "other duplicates stay": (b"[a]\nx=1\nd=1\nd=2\n[b]\n[b]\n", None, {"a/x": "2"}, b"[a]\nx=2\nd=1\nd=2\n[b]\n[b]\n"),
    "indented lines are no continuation": (b"[a]\nx=1\n  y=2\n", None, {"a/y": "3"}, b"[a]\nx=1\n  y=3\n"),
    "end of the section": (
        b"[a]\r\n  x = 1\r\n; about b\r\n\r\n[b]\r\n", None, {"a/y": "2", "b/z": "3"},
        b"[a]\r\n  x = 1\r\n  y = 2\r\n; about b\r\n\r\n[b]\r\nz=3\r\n",
    ),
    "no newline at the end": (b"[a]\nx=1", None, {"a/y": "2"}, b"[a]\nx=1\ny=2"),
    "new section": (b"[a]\r\nx=1\r\n", None, {"B/y": "2"}, b"[a]\r\nx=1\r\n\r\n[B]\r\ny=2\r\n"),
    "new section after a blank line": (b"[a]\nx=1\n\n", None, {"b/y": "2"}, b"[a]\nx=1\n\n[b]\ny=2\n"),
    "new section, no newline": (b"[a]\nx=1", None, {"b/y": "2"}, b"[a]\nx=1\n\n[b]\ny=2"),
    "nothing": (b"", None, {"a/x": "1", "b/y": "", "a/z": "3"}, b"[a]\nx=1\nz=3\n\n[b]\ny=\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_patch_changes_this_and_nothing_else(case):
    before, encoding, values, after = EXACT[case]
    assert ini.patch(before, values, encoding) == after
    assert ini.read(after, values, encoding) == values


def test_read_gives_what_is_there():
    data = b"z=0\n[a]\nx = 1 ; 2 \nq='quoted'\nalone\n[b]\nx=\n"
    keys = ["a/x", "a/q", "a/alone", "a/z", "b/x", "c/x"]
    assert ini.read(data, keys) == {"a/x": "1 ; 2", "a/q": "quoted", "b/x": ""}


@pytest.mark.parametrize(
    ("data", "encoding", "values", "code"),
    [
        (b"[a]\nx=1\nX=2\n", None, {"a/x": "3"}, "duplicate_key"),
        (b"[a]\nx=1\nx\n", None, {"a/x": "3"}, "duplicate_key"),
        (b"[a]\nx=1\n[b]\n[A]\ny=2\n", None, {"a/x": "3"}, "duplicate_key"),
        (b"[a]\nx=1\n", "cp1252", {"a/x": "\u65e5"}, "cannot_hold"),
        (b"[a]\nx=1\n", "latin-1", {"\u65e5/x": "1"}, "cannot_hold"),
        (b"[a]\nx=1\n", None, {"a/x": "1\n2"}, "cannot_hold"),
        (b"[a]\nx=1\n", None, {"a/x": "1\r"}, "cannot_hold"),
        (b"[a]\nx=1\n", None, {"a/x": "1\x1a"}, "cannot_hold"),
        (b"[a]\nx=1\n", None, {"a/x": 1}, "cannot_hold"),
        (b"[a]\nx=1\n", None, {"x": "1"}, "bad_key"),
        (b"[a]\nx=1\n", None, {"a/": "1"}, "bad_key"),
        (b"[a]\nx=1\n", None, {"/x": "1"}, "bad_key"),
        (b"[a]\nx=1\n", None, {"a/y=z": "1"}, "bad_key"),
        (b"[a]\nx=1\n", None, {"a/;y": "1"}, "bad_key"),
        (b"[a]\nx=1\n", None, {"a/y": "1", "A/Y": "2"}, "bad_key"),
        (b"[a]\nx=\xff\xfe", "utf-8", {"a/x": "3"}, "unreadable_format"),
        (b"[a]\nx=1\0", None, {"a/x": "3"}, "unreadable_format"),
    ],
)
def test_what_cannot_be_is_refused(data, encoding, values, code):
    with pytest.raises(SettingsFormatError) as caught:
        ini.patch(data, values, encoding)
    assert caught.value.code == code


def test_a_section_that_stands_twice_is_refused_on_reading():
    with pytest.raises(SettingsFormatError, match="its section stands twice"):
        ini.read(b"[a]\nx=1\n[a]\n", ["a/x"])
