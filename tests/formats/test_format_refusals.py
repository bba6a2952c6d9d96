"""Refusals tell no value, and no file takes the tool down."""

import base64
import subprocess
import sys

import pytest

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import format_named

CANARY = "K4n4ri-S3cret"
IN_LINES = base64.b64encode(CANARY.encode())
MEGABYTE = 1024 * 1024
LEAKS = [
    ("properties", f"a={CANARY}\na={CANARY}\n".encode(), {"a": CANARY}, None),
    ("properties", f"a={CANARY}\nb=\\u{CANARY}\n".encode(), {"a": CANARY}, None),
    ("properties", f"a={CANARY}é".encode("latin-1"), {"a": CANARY}, "utf-8"),
    ("properties", f"a={CANARY}".encode("utf-16-le"), {"a": CANARY}, None),
    ("properties", b"\xff\xfe" + f"{CANARY}x".encode("utf-16-le")[:-1], {"a": CANARY}, None),
    ("properties", f"a={CANARY}".encode(), {"a": CANARY + "\ud800"}, None),
    ("properties", f"a={CANARY}\\".encode(), {"a": CANARY, "b": CANARY + "\ud800"}, None),
    ("ini", f"[s]\na={CANARY}\na={CANARY}".encode(), {"s/a": CANARY}, None),
    ("ini", f"[s]\na={CANARY}".encode(), {"s/a": CANARY + "日"}, "cp1252"),
    ("ini", f"[s]\na={CANARY}".encode(), {"s/a": CANARY + "\n"}, None),
    ("ini", f"[s]\na={CANARY}".encode(), {"s/b=c": CANARY}, None),
    ("xml", f"<r><a>{CANARY}</a><a>{CANARY}</a></r>".encode(), {"a": CANARY}, None),
    ("xml", f"<r><a>{CANARY}</b></r>".encode(), {"a": CANARY}, None),
    ("xml", f"<r><a>{CANARY}&{CANARY};</a></r>".encode(), {"a": CANARY}, None),
    ("xml", f"<!DOCTYPE r [<!ENTITY x '{CANARY}'>]><r><a>&x;</a></r>".encode(), {"a": CANARY}, None),
    ("xml", f"<r><a>{CANARY}</a></r>".encode(), {"a": CANARY + "\x01"}, None),
    ("xml", f"<r><a>{CANARY}</a></r>".encode(), {"a/b": CANARY}, None),
    ("xml", f"<r><a>{CANARY}<!-- {CANARY} --></a></r>".encode(), {"a": "x"}, None),
    ("properties", f"a={CANARY}\na={CANARY}\n".encode(), {"a": None}, None),
    ("xml", f"<r><a>{CANARY}<!-- {CANARY} --></a></r>".encode(), {"a": None}, None),
    ("xml", f"<r>{CANARY}<a/></r>".encode(), {"a": None}, None),
    ("json", f'{{"a": "{CANARY}"}}'.encode(), {"a/b": None}, None),
    ("json", f'{{"a": "{CANARY}", "a": 1}}'.encode(), {"a": CANARY}, None),
    ("json", f'{{"a": "{CANARY}}}'.encode(), {"a": CANARY}, None),
    ("json", f'{{"a": "{CANARY}"'.encode(), {"a": CANARY}, None),
    ("json", f'{{"a": "\\{CANARY}"}}'.encode(), {"a": CANARY}, None),
    ("json", f'{{"a": {CANARY}}}'.encode(), {"a": CANARY}, None),
    ("json", f'{{"b": "{CANARY}", "a": NaN}}'.encode(), {"a": CANARY}, None),
    ("json", f'{{"a": "{CANARY}"}}'.encode(), {"a": CANARY + "\ud800"}, None),
    ("json", f'{{"a": "{CANARY}"}}'.encode(), {"a/b": CANARY}, None),
    ("json", f'["{CANARY}"]'.encode(), {"a": CANARY}, None),
    ("registry", b"YQ== DWord " + IN_LINES + b"\n", {"a": CANARY}, None),
    ("registry", b"YQ== String " + IN_LINES[:-1] + b"\n", {"a": CANARY}, None),
    ("registry", b"YQ== String /" + IN_LINES + b"===\n", {"a": CANARY}, None),
    ("registry", b"YQ== DWord MQ==\n", {"a": CANARY}, None),
    ("registry", b"YQ== Binary " + IN_LINES + b"\n", {"a": CANARY}, None),
    ("registry", b"", {"a": CANARY + "\0"}, None),
]


def chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(("name", "data", "values", "encoding"), LEAKS)
def test_no_refusal_holds_a_value(name, data, values, encoding):
    with pytest.raises(SettingsFormatError) as caught:
        format_named(name).patch(data, values, encoding)
    for error in chain(caught.value):
        told = f"{error!s} {error!r} {error.args} {vars(error)}"
        assert CANARY not in told
        assert isinstance(error, SettingsFormatError), "a library's error carries the text it read"


def test_a_refusal_names_the_key():
    with pytest.raises(SettingsFormatError, match=r"^s/motdepasse: the value cannot be written: .*cp1252"):
        format_named("ini").patch(b"[s]\n", {"s/motdepasse": "日"}, "cp1252")


def test_text_with_no_place_for_a_value_in_it_shows_nothing_in_its_repr():
    from iea_fleet.formats.text import read_text  # noqa: PLC0415 - the only test of this class

    assert CANARY not in repr(read_text(CANARY.encode(), None))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("json", b"[" * 4 * MEGABYTE),
        ("json", b'{"a":' * 90_000 + b"1" + b"}" * 90_000),
        ("json", b'{"a":' * 101 + b"1" + b"}" * 101),
        ("xml", b"<r>" + b"<a>" * MEGABYTE),
        ("properties", b"a=b\\\n" * 800_000),
        ("properties", b"k\\\n" * 7_000),
        ("properties", b"\n" * 4 * MEGABYTE),
        ("ini", b"[s]\n" * MEGABYTE),
    ],
)
def test_bombs_are_refused(name, data):
    with pytest.raises(SettingsFormatError) as caught:
        format_named(name).read(data, ["s/a"])
    assert caught.value.code == "unreadable_format"


@pytest.mark.parametrize(
    ("name", "data", "key"),
    [
        ("json", b'{"n": ' + b"1" * 4 * MEGABYTE + b', "a": "1"}', "a"),
        ("json", b'{"n": "' + b"\\u00e9" * 600_000 + b'", "a": "1"}', "a"),
        ("json", b'{"a":' * 99 + b'"1"' + b"}" * 99, "/".join("a" * 99)),
        ("xml", b"<r>" + b"&amp;<!---->" * 100_000 + b"<a>1</a></r>", "a"),
        ("xml", b"<r><a>1</a><b " + b" ".join(b"a%d='1'" % i for i in range(50_000)) + b"/></r>", "a"),
        ("xml", b"<r><a>1</a>" + b"<b>1</b>\n" * 60_000 + b"</r>", "a"),
        ("properties", b"\\" * 4 * MEGABYTE + b"\na=1\n", "a"),
        ("properties", b"b=" + b" " * 4 * MEGABYTE + b"\na=1\n", "a"),
        ("properties", b"k\\\n" * 2_000 + b"\na=1\n", "a"),
        ("ini", b"[s]\n" + b" " * MEGABYTE + b"x" + b" " * MEGABYTE + b"y\na=1\n", "s/a"),
        ("ini", b"[s]\na=1\n" + b"[" * 4 * MEGABYTE, "s/a"),
        ("ini", b"[s]\na=1\n" + b"b=2\n" * 60_000, "s/a"),
    ],
)
def test_large_files_are_patched(name, data, key):
    after = format_named(name).patch(data, {key: "2"})
    assert len(after) == len(data)
    assert format_named(name).read(after, [key]) == {key: "2"}


def test_a_format_is_imported_when_it_is_asked_for():
    program = "import sys, iea_fleet.formats; print([m for m in sys.modules if m.startswith('iea_fleet.formats.')])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
