"""Properties files, byte for byte."""

import pytest

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import properties

EXACT = {
    "crlf and comments": (
        b"# serveurs\r\n! IEA\r\n\r\nurl=http://a:80/\r\nautre=1\r\n",
        None, {"url": "https://b/"},
        b"# serveurs\r\n! IEA\r\n\r\nurl=https://b/\r\nautre=1\r\n",
    ),
    "lone carriage returns": (b"a=1\rb=2\rc=3", None, {"b": "x"}, b"a=1\rb=x\rc=3"),
    "mixed line ends": (b"a=1\r\nb=2\nc=3\r\n", None, {"d": "4"}, b"a=1\r\nb=2\nc=3\r\nd=4\r\n"),
    "bom": (b"\xef\xbb\xbfa=1\n", "latin-1", {"a": "\xe9"}, b"\xef\xbb\xbfa=\xc3\xa9\n"),
    "latin-1 raw": (b"nom=Ren\xe9\n", "latin-1", {"nom": "Zo\xeb"}, b"nom=Zo\xeb\n"),
    "latin-1 without the character": (b"a=1", "latin-1", {"a": "5\u20ac \U0001f600"}, b"a=5\\u20ac \\ud83d\\ude00"),
    "cp1252 has the euro": (b"p=\x80\nq=1\n", "cp1252", {"q": "5\u20ac"}, b"p=\x80\nq=5\x80\n"),
    "utf-8 proven by accents": (b"p=\xc3\xa9\nq=1\n", None, {"q": "\u20ac"}, b"p=\xc3\xa9\nq=\xe2\x82\xac\n"),
    "utf-8 by the layout": (b"q=1\n", "utf-8", {"q": "\u20ac"}, b"q=\xe2\x82\xac\n"),
    "nothing tells the encoding": (b"q=1\n", None, {"q": "\xe9"}, b"q=\\u00e9\n"),
    "guessed cp1252": (b"p=\xe9\nq=1\n", None, {"q": "\xe8"}, b"p=\xe9\nq=\\u00e8\n"),
    "utf-16": ("a=1\r\nb=é\r\n".encode("utf-16"), None, {"a": "€"}, "a=€\r\nb=é\r\n".encode("utf-16")),
    "odd spacing": (b"  a \t: \f 1  \nb=2\n", None, {"a": "x"}, b"  a \t: \f x\nb=2\n"),
    "blank as separator": (b"a one\nb two\n", None, {"a": "= x"}, b"a \\= x\nb two\n"),
    "key alone": (b"a\nb", None, {"b": "1", "a": "2"}, b"a=2\nb=1"),
    "continued value": (b"a = one, \\\r\n   two, \\\r\n   three\r\nb=1\r\n", None, {"a": "x"}, b"a = x\r\nb=1\r\n"),
    "continued key": (b"lo\\\n   ng = 1\nb=2", None, {"long": "3"}, b"lo\\\n   ng = 3\nb=2"),
    "continuation before the value": (b"a=\\\n   1\n", None, {"a": "2"}, b"a=\\\n   2\n"),
    "comments do not go on": (b"# c \\\na=1\n", None, {"a": "2", "b": "3"}, b"# c \\\na=2\nb=3\n"),
    "escapes in keys": (b"a\\ b\\:c=1\n\\u0061=2\n", None, {"a b:c": "3", "a": "4"}, b"a\\ b\\:c=3\n\\u0061=4\n"),
    "escapes elsewhere stay": (b"p=C\\:\\\\IEA\\u00E9\nq=1\n", None, {"q": "2"}, b"p=C\\:\\\\IEA\\u00E9\nq=2\n"),
    "other duplicates stay": (b"d=1\nd=2\na=1\n", None, {"a": "2"}, b"d=1\nd=2\na=2\n"),
    "slash in a key": (b"a/b=1\n", None, {"a/b": "2"}, b"a/b=2\n"),
    "no newline at the end": (b"a=1", None, {"b": "2"}, b"a=1\nb=2"),
    "ends in a lone backslash": (b"a=1\\", None, {"b": "2"}, b"a=1\\\n\nb=2"),
    "ends in an open continuation": (b"a=1\\\r\n", None, {"b": "2"}, b"a=1\\\r\n\r\nb=2\r\n"),
    "ends in an escaped backslash": (b"a=1\\\\\n", None, {"b": "2"}, b"a=1\\\\\nb=2\n"),
    "spaced like its neighbours": (b"a = 1\n", None, {"b": "2"}, b"a = 1\nb = 2\n"),
    "nothing": (b"", None, {"a": "1", "b": "2"}, b"a=1\nb=2\n"),
    "nothing, utf-16 by the layout": (b"", "utf-16", {"a": "1"}, b"\xff\xfea\0=\x001\0\n\0"),
    "only comments": (b"#c", None, {"a": "1"}, b"#c\na=1"),
    "awkward values": (
        b"", None, {"a": "  x ", "b": "#x", "c": "!=:", "d": "\\\t\n\r\f", "e f": "\0", "#g": ""},
        b"a=\\  x \nb=\\#x\nc=\\!=:\nd=\\\\\\t\\n\\r\\f\ne\\ f=\\u0000\n\\#g=\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_patch_changes_this_and_nothing_else(case):
    before, encoding, values, after = EXACT[case]
    assert properties.patch(before, values, encoding) == after
    assert properties.read(after, values, encoding) == values


def test_read_gives_what_is_there():
    data = b"a: caf\\u00e9\nb=C\\:\\\\x \nc\n"
    assert properties.read(data, ["a", "b", "c", "d"]) == {"a": "café", "b": "C:\\x ", "c": ""}


@pytest.mark.parametrize(
    ("data", "encoding", "values", "code"),
    [
        (b"a=1\na=2\n", None, {"a": "3"}, "duplicate_key"),
        (b"a=1\n\\u0061=1\n", None, {"a": "1"}, "duplicate_key"),
        (b"a=1\nb=\\u00g1\n", None, {"a": "3"}, "unreadable_format"),
        (b"a=\xff", "utf-8", {"a": "3"}, "unreadable_format"),
        (b"\xff\xfea", None, {"a": "3"}, "unreadable_format"),
        ("a=1".encode("utf-16-le"), None, {"a": "3"}, "unreadable_format"),
        (b"a=1", "rot13", {"a": "3"}, "unreadable_format"),
        (b"a=1", "utf-7", {"a": "3"}, "unreadable_format"),
        (b"a=1", "unicode_escape", {"a": "3"}, "unreadable_format"),
        (b"a=\x1b$B\x1b(B1", "iso2022_jp", {"a": "3"}, "unreadable_format"),  # reads well, and is written differently
        (b"a\\", None, {"a": "3"}, "not_exact"),
        (b"a=1", None, {"a": True}, "cannot_hold"),
        (b"a=1", None, {"a": 1}, "cannot_hold"),
        (b"a=1", None, {"a": "\ud800"}, "cannot_hold"),
    ],
)
def test_what_cannot_be_is_refused(data, encoding, values, code):
    with pytest.raises(SettingsFormatError) as caught:
        properties.patch(data, values, encoding)
    assert caught.value.code == code


def test_a_bad_escape_is_told_with_its_line():
    with pytest.raises(SettingsFormatError, match="line 2, column 1"):
        properties.read(b"a=1\r\nb=\\u00g1\r\n", ["a"])


def test_a_duplicate_is_refused_on_reading_only_when_asked_for():
    assert properties.read(b"a=1\na=2\nb=3\n", ["b"]) == {"b": "3"}
    with pytest.raises(SettingsFormatError, match="twice"):
        properties.read(b"a=1\na=2\nb=3\n", ["a"])
