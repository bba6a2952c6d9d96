"""The YAML reader: values, places, and bounds on time and memory."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from iea_fleet.engine.load.decoding import MOST_BYTES, decode, read_bytes
from iea_fleet.engine.load.yaml_reader import FASTEST, MOST_NODES, read
from iea_fleet.errors import Mistake

LOADERS = [pytest.param(FASTEST, id="libyaml"), pytest.param(yaml.SafeLoader, id="pure")]


@pytest.mark.parametrize("loader", LOADERS)
def test_scalars_stay_text_unless_they_are_plainly_something_else(loader: type) -> None:
    text = """
{t: true, f: false, n1: null, n2: ~, n3: , zero: 0, int: -12, dec: 3.02,
 no: no, yes: Yes, True: True, time: 12:30, lead: 0123, day: 2026-12-15, exp: 1e5, hex: 0x1F, plus: +1, dot: .5,
 under: 1_000, inf: .inf, q1: '54', q2: "true", q3: "null", minus: -, ip: 10.0.0.1}
"""
    assert read(text.encode(), "f", loader).root == {
        "t": True, "f": False, "n1": None, "n2": None, "n3": None, "zero": 0, "int": -12, "dec": 3.02,
        "no": "no", "yes": "Yes", "True": "True", "time": "12:30", "lead": "0123", "day": "2026-12-15", "exp": "1e5",
        "hex": "0x1F", "plus": "+1", "dot": ".5", "under": "1_000", "inf": ".inf", "q1": "54", "q2": "true",
        "q3": "null", "minus": "-", "ip": "10.0.0.1",
    }  # fmt: skip


@pytest.mark.parametrize("loader", LOADERS)
def test_keys_are_always_text(loader: type) -> None:
    assert read(b"{1: a, true: b, 3.10: c, null: d}", "f", loader).root == {
        "1": "a", "true": "b", "3.10": "c", "null": "d",
    }  # fmt: skip


@pytest.mark.parametrize("loader", LOADERS)
def test_places_of_keys_and_values(loader: type) -> None:
    document = read("\ufeffa:\n  é b:   [x,\n    3.10]\n".encode(), "f", loader)
    assert document.place(("a",), at_key=True) == (1, 1)
    assert document.place(("a",)) == (2, 3)
    assert document.place(("a", "é b"), at_key=True) == (2, 3)
    assert document.place(("a", "é b")) == (2, 10)
    assert document.place(("a", "é b", 1)) == (3, 5)
    assert document.as_written(("a", "é b", 1)) == "3.10"
    # What is not there is shown at the key that should hold it, and union branches are passed over.
    assert document.place(("a", "missing")) == (1, 1)
    assert document.follow(("a", "str", "é b", "tuple", 1, "int")) == ("a", "é b", 1)


@pytest.mark.parametrize("loader", LOADERS)
def test_refused_parts_leave_the_rest(loader: type) -> None:
    document = read(b"a: *x\nb: 1\nc: [1, !t 2, 3]\nb: {deep: [1]}\n? [k]\n: v\nd: &n {e: 1}\n", "f", loader)
    assert document.root == {"b": 1, "c": [1, 3], "d": {"e": 1}}
    assert document.left_out == [("a",), ("c", 1)]
    assert [(mistake.line, mistake.column) for mistake in document.mistakes] == [(1, 4), (3, 8), (4, 1), (5, 3), (7, 4)]


@settings(max_examples=300)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcéß0 ", min_size=1), inner, max_size=4),
        max_leaves=20,
    )
)
def test_what_yaml_writes_is_read_back(value: object) -> None:
    document = read(yaml.safe_dump({"root": value}, allow_unicode=True, sort_keys=False).encode(), "f")
    # PyYAML leaves texts such as 1_000 unquoted only where YAML 1.1 reads them as text; we then do so, too.
    assert document.mistakes == []
    assert document.root == {"root": value}


@settings(max_examples=500)
@given(st.binary(max_size=200) | st.text("ab:-[]{},*&!|>'\"%@`#?\n\t \\0~<", max_size=60).map(str.encode))
def test_no_bytes_make_it_fall_over(data: bytes) -> None:
    fast, pure = read(data, "f"), read(data, "f", yaml.SafeLoader)
    assert (fast.root == {} or fast.root is None or () not in fast.left_out) or fast.mistakes
    if not fast.mistakes and not pure.mistakes:
        assert fast.root == pure.root


BOMBS = {
    "brackets": b"[" * 30_000 + b"]" * 30_000,
    "braces": b"{a: " * 30_000,
    "dashes": b"- " * 30_000,
    "questions": b"? " * 30_000,
    "aliases": b"a: &a [x]\nb: [" + b"*a," * 1_300_000 + b"]",
    "laughs": b"a: &a [x,x]\n" + b"".join(b"k%d: &k%d [*a,*a]\n" % (n, n) for n in range(50_000)),
    "anchors": b"&a " * 1_000_000,
    "tags": b"[" + b"!a b," * 800_000 + b"]",
    "duplicates": b"k: 1\n" * 800_000,
    "one long text": b"a: " + b"x" * 4_000_000,
    "one long key": b"k" * 4_000_000 + b": 1",
    "quotes": b"'" * 4_000_000,
    "escapes": b'"' + b"\\n" * 2_000_000,
    "comments": b"#\n" * 2_000_000,
    "tabs": b"\t" * 4_000_000,
    "merges": b"a: 1\n" + b"<<: {a: 1}\n" * 300_000,
    "digits": b"a: " + b"9" * 4_000_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_quickly(name: str) -> None:
    started = time.process_time()
    read(BOMBS[name], "f")
    assert time.process_time() - started < 1


def test_the_number_of_values_is_bounded() -> None:
    document = read(b"- a\n" * (MOST_NODES + 1), "f")
    assert [mistake.wrong for mistake in document.mistakes] == [f"holds more than {MOST_NODES:,} values"]


MEASURE = """
import resource, sys
from pathlib import Path
from iea_fleet.engine.load import load
from iea_fleet.errors import InvalidFilesError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load(Path(sys.argv[1]))
except InvalidFilesError as error:
    print(error.mistakes[0])
used = resource.getrusage(resource.RUSAGE_SELF)
print((used.ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("content", "most_megabytes", "said"),
    [
        pytest.param(b"a: x\n" * 10_000_000, 8, "is larger than 4 MB", id="50 MB"),
        pytest.param(b"- [a]\n" * 690_000, 400, "holds more than 1,000,000 values", id="4 MB of small lists"),
        pytest.param(BOMBS["laughs"], 64, "a: has a tag or an anchor", id="a billion laughs"),
        pytest.param(BOMBS["brackets"], 32, "nested deeper", id="brackets"),
    ],
)
def test_memory_is_bounded(content: bytes, most_megabytes: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_bytes(content)
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    first, *_, megabytes = ran.stdout.splitlines()
    assert said in first
    assert int(megabytes) < most_megabytes


def words(path: Path) -> str:
    read_data = read_bytes(path, "f.yml")
    assert isinstance(read_data, Mistake)
    return str(read_data)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert words(tmp_path) == "f.yml: is a folder; name a file in it"
    assert words(tmp_path / "nope") == "f.yml: is not there; check the name and the folder you are in"
    assert words(tmp_path / ("x" * 300)) == "f.yml: cannot be read (File name too long); check the name and the disk"
    assert words(Path("a\0b")).startswith("f.yml: cannot be read (its name is no name of a file)")
    assert words(Path("/dev/zero")) == "f.yml: is no regular file; save the text in a file and name that"
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    assert "cannot be read" in words(circle)
    large = tmp_path / "large"
    with large.open("wb") as opened:
        opened.truncate(MOST_BYTES + 1)
    assert words(large) == "f.yml: is larger than 4 MB; is this the file you meant? else split it with include"


def test_a_file_without_rights() -> None:
    # The rights of a file do not bind root, under whom tests may run; a child that gave them up is bound.
    code = (
        "import os, sys, tempfile; from pathlib import Path\n"
        "from iea_fleet.engine.load.decoding import read_bytes\n"
        "path = Path(tempfile.mkstemp()[1]); path.chmod(0)\n"
        "os.geteuid() or os.setuid(65534)\n"
        "print(read_bytes(path, 'f.yml'))\n"
        "os.geteuid() == 65534 or path.unlink()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "may not be read by you" in ran.stdout


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("a: é\n".encode("latin-1"), "f:1:4: is not UTF-8 at this place; save the file as UTF-8"),
        (b"\xef\xbb\xbfa: \xe9", "f:1:4: is not UTF-8 at this place; save the file as UTF-8"),
        ("a: é\n".encode("utf-16"), "f: is UTF-16 text; save it as UTF-8"),
        (b"MZ\x90\0\n", "f:1:4: holds binary data; is this the file you meant? a text file saved as UTF-8 is wanted"),
        (b"\xef\xbb\xbfa: 1\nb: \x1b[31m", "f:2:4: holds a control character (U+001B); delete it"),
    ],
)
def test_what_is_no_text(data: bytes, said: str) -> None:
    assert str(decode(data, "f")) == said
