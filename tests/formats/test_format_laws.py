"""What holds for every format, file and value: the outcome is exact, or a SettingsFormatError and nothing else."""
# ruff: noqa: E501 - a sample and what becomes of it stand side by side

import base64
import configparser
import json
from typing import get_args
from xml.etree import ElementTree as ET

import javaproperties
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import REGISTRY, format_named
from iea_fleet.model.layout import FormatName

FORMATS = sorted(REGISTRY)
KEYS = {
    "properties": ["a", "b.c", "d e", "é", "new"],
    "ini": ["s/a", "s/b", "t/u/a", "t/é", "new/x"],
    "xml": ["a", "b/c", "b/@d", "@e", "new/é"],
    "json": ["a", "b/c", "b/é", "d~1e", "new/x"],
    "registry": ["a", "b/c", "é", "@", "new"],
}
STARTS = {"properties": b"", "ini": b"", "xml": b'<?xml version="1.0"?>\n<r/>\n', "json": b"{}", "registry": b""}
# What a file is made of, piece by piece: with these, chance finds the awkward neighbourhoods.
PIECES = {
    "properties": ["a", "b.c", "d\\ e", "=", ":", " ", "\t", "\f", "\\", "\\\n", "\\\r\n  ", "\n", "\r\n", "\r", "#", "!", "x", "é", "\\u00e9", "1"],
    "ini": ["[s]", "[S ]", "[t/u]", "[t", "]", "a", "A", "b", "é", "=", " = ", '"', "'", ";", "#", " ", "\t", "\n", "\r\n", "\r", "x", "\x1a"],
    "xml": ["<a>", "</a>", "<a/>", "<b>", "</b>", "<b d='1'>", "<b  d = \"2\" />", "<c>", "</c>", "<c/>", "<x>", "</x>", "<!-- é -->", "<?p?>", "<![CDATA[", "]]>", "&amp;", "&#233;", "t", "é", " ", "\n", "\r\n", "\t"],
}  # fmt: skip
PIECES["registry"] = [
    "YQ==", "QQ==", "Yi9j", "", "\n", " ", " String ", " DWord ", " QWord ", " MultiString ", " Binary ", " None ", " Odd ",
    "MQ==", "eA==", "/w==", "eQB6AA==", "AA==", "YQ== String MQ==\n", "Yi9j DWord MQ==\n", " String MQ==\n", "w6k= MultiString eQB6AA==\n",
]  # fmt: skip
WRAPPED = {"registry": "{}", "properties": "{}", "ini": "[s]\n{}", "xml": "<r>{}</r>"}
ENCODINGS = st.sampled_from([None, "utf-8", "latin-1", "cp1252", "utf-16"])
AWKWARD = st.one_of(
    st.sampled_from(["", " ", " x ", "=", ":x", "#x", "!x", ";x", "\\", "x\\", '"x"', "'x'", '"', "]]>", "<&>", "\n", "\r\n", "\t", "\0", "\x85", "\u2028", "\xa0x\xa0", "é", "€", "日本", "\U0001f600", "\ud800", "https://a.fr:443/x?y=1&z=2"]),
    st.text(max_size=8),
)  # fmt: skip
laws = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def values_for(name):
    if name == "json":
        numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
        return st.one_of(AWKWARD, st.booleans(), st.none(), numbers)
    return st.one_of(AWKWARD, st.none())


def json_texts():
    """JSON with odd blanks, names that stand twice, and escapes where none are needed."""
    blank = st.sampled_from(["", " ", "\n", "\r\n\t"])
    name = st.sampled_from(['"a"', '"\\u0061"', '"b"', '"c"', '"é"', '"d/e"', '"z"', '""'])
    leaf = st.sampled_from(["1", "1.0", "-0", "1E400", "true", "null", '"é"', '"\\u00e9\\/\\n"', '"{"', "{}", "[]"])

    def grown(inner):
        item = st.tuples(blank, inner, blank).map("".join)
        member = st.tuples(blank, name, blank, st.just(":"), item).map("".join)
        lists = st.lists(item, max_size=3).map(lambda items: f"[{','.join(items)}]")
        return st.one_of(lists, st.lists(member, max_size=4).map(lambda members: f"{{{','.join(members)}}}"))

    return grown(st.one_of(leaf, grown(st.one_of(leaf, grown(leaf)))))


@st.composite
def files(draw, name):
    """Bytes that may be a file of this format: made of its pieces in some encoding."""
    if name == "json":
        text = draw(json_texts())
    else:
        pieces = "".join(draw(st.lists(st.sampled_from(PIECES[name]), max_size=14)))
        text = pieces if name != "xml" and draw(st.booleans()) else WRAPPED[name].format(pieces)
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"])))


def encoded(*values):
    """A key of the registry as the agent hands it out."""
    lines = (
        b" ".join((base64.b64encode(name.encode()), kind.encode(), base64.b64encode(data.encode())))
        for name, kind, data in values
    )
    return b"".join(sorted(line + b"\n" for line in lines))


def good_keys():
    """Registry keys in which every value that is asked for holds text."""
    texts = st.sampled_from(["String", "ExpandString"])
    asked = [
        st.tuples(st.just(name), texts, st.sampled_from(["", "1", "é", "x\ty"])) for name in ("a", "B/C", "É", "", "á")
    ]
    numbers = st.tuples(st.just("n"), st.sampled_from(["DWord", "QWord"]), st.sampled_from(["0", "4294967295"]))
    others = [st.just(("m", "MultiString", "x\0y\0")), st.just(("b", "Binary", "\0")), st.just(("o", "None", ""))]
    kept = st.lists(
        st.sampled_from([*asked, numbers, *others]).flatmap(lambda value: value), unique_by=lambda one: one[0]
    )
    return kept.map(lambda values: encoded(*values))


@st.composite
def good_files(draw, name):
    """Bytes that are a file of this format, with some of its keys in it, as awkward as a person would write it."""
    if name == "registry":
        return draw(good_keys())
    end = draw(st.sampled_from(["\n", "\r\n"]))
    blank = draw(st.sampled_from(["", " ", "\t"]))
    one, two = draw(st.sampled_from(["1", "é", "x y"])), draw(st.sampled_from(["2", "à"]))
    lines = {
        "properties": [f"a{blank}={blank}{one}", "# é", "", f"b.c:{two}", "z=\\u00e9 \\", "   more", "z2\\:=1"],
        "ini": ["; é", "x=0", "[s]", f"a{blank}={blank}{one}{blank}", f'"q"={two}', "", "[T/U]", "A='z'", ";"],
        "xml": ["<r e='0'>", f"{blank}<a{blank}>{one}</a>", f"<b d=\"{two}\"{blank}/>", "<!-- é --><z><![CDATA[<]]>&#233;</z>", "</r>"],
        "json": ["{", f'{blank}"a"{blank}:{blank}"{one}",', f'"z": [1.0, 1e5, "\\u00e9", {{}}],{blank}"b": {{"c":"{two}"}}', "}"],
    }[name]  # fmt: skip
    if name in ("properties", "ini") and draw(st.booleans()):
        lines = lines[: draw(st.integers(0, len(lines)))]
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))


def same(one, other):
    return {key: (type(v), v) for key, v in one.items()} == {key: (type(v), v) for key, v in other.items()}


def test_every_format_is_under_these_laws():
    assert sorted(get_args(FormatName)) == FORMATS == sorted(KEYS)


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_any_file_is_patched_exactly_or_refused(name, data):
    module = format_named(name)
    before = data.draw(st.one_of(files(name), good_files(name), st.binary(max_size=30)))
    values = data.draw(st.dictionaries(st.sampled_from(KEYS[name]), values_for(name), max_size=3))
    encoding = data.draw(ENCODINGS)
    try:
        after = module.patch(before, values, encoding)
    except SettingsFormatError:
        return
    others = [key for key in KEYS[name] if key not in values and is_readable(module, before, key, encoding)]
    assert same(
        module.read(after, values, encoding), {key: value for key, value in values.items() if value is not None}
    )
    assert same(module.read(after, others, encoding), module.read(before, others, encoding))
    assert module.patch(after, values, encoding) == after


def is_readable(module, data, key, encoding):
    try:
        module.read(data, [key], encoding)
    except SettingsFormatError:
        return False
    return True


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_good_files_are_not_refused(name, data):
    before, value = data.draw(good_files(name)), data.draw(st.text("abé €:/=<&", min_size=1, max_size=8))
    for key in KEYS[name]:
        assert format_named(name).read(format_named(name).patch(before, {key: value}), [key]) == {key: value}


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_values_that_are_there_change_nothing(name, data):
    module, before = format_named(name), data.draw(good_files(name))
    assert module.patch(before, module.read(before, KEYS[name])) == before


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_there_and_back_gives_the_same_bytes(name, data):
    """So every other byte has stayed: the values of these files are written plainly."""
    module, before = format_named(name), data.draw(good_files(name))
    there = module.read(before, KEYS[name])
    key = data.draw(st.sampled_from(KEYS[name]))
    assume(key in there)
    after = module.patch(before, {key: data.draw(st.text("abé", min_size=1))}, "utf-8")
    assert module.patch(after, {key: there[key]}, "utf-8") == before


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_an_absent_key_is_put_in_between(name, data):
    """What is added stands in one piece, and the file stays around it (an empty tag has to be opened for it)."""
    module, before = format_named(name), data.draw(good_files(name))
    key = {"properties": "new", "ini": "new/x", "xml": "new/é", "json": "new/x", "registry": "new"}[name]
    after = module.patch(before, {key: data.draw(st.text("abé", max_size=5))})
    prefix = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
    assert after.endswith(before[prefix:])


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_one_after_the_other_is_both_at_once(name, data):
    module = format_named(name)
    before = data.draw(st.one_of(good_files(name), st.just(STARTS[name])))
    values = data.draw(
        st.dictionaries(st.sampled_from(KEYS[name]), st.text("abé €=:", min_size=1), min_size=2, max_size=4)
    )
    step_by_step = before
    for key, value in values.items():
        step_by_step = module.patch(step_by_step, {key: value}, "utf-8")
    assert module.patch(before, values, "utf-8") == step_by_step


def by_configparser(text):
    reader = configparser.RawConfigParser(delimiters="=", comment_prefixes=";", allow_no_value=True)
    reader.read_string("[before]\n" + text.replace("\t", "").replace(" =", "="))
    return {(section, option): reader[section][option] for section in reader for option in reader[section]}


def flat(element, path=()):
    yield from (((*path, name), value) for name, value in element.items())
    yield path, (element.text or "").strip()
    for child in element:
        yield from flat(child, (*path, child.tag))


def by_lines(text):
    fields = (line.split(" ") for line in text.splitlines())
    return {base64.b64decode(name).decode().lower(): base64.b64decode(data).decode() for name, _, data in fields}


OTHER_READERS = {
    "registry": by_lines,
    "properties": javaproperties.loads,
    "ini": by_configparser,
    "xml": lambda text: dict(flat(ET.fromstring(text))),
    "json": lambda text: dict(flat_json(json.loads(text))),
}


def flat_json(value, path=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat_json(inner, (*path, name))
    else:
        yield path, value


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(st.data())
def test_other_readers_see_one_value_change(name, data):
    module, before = format_named(name), data.draw(good_files(name))
    key, value = data.draw(st.sampled_from(KEYS[name][:2])), data.draw(st.text("abé", min_size=1))
    assume(key in module.read(before, [key]))
    encoding = "utf-16" if before[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    old = OTHER_READERS[name](before.decode(encoding))
    new = OTHER_READERS[name](module.patch(before, {key: value}).decode(encoding))
    path = key if name in ("properties", "registry") else tuple(key.split("/"))
    assert new == old | {path: value}
