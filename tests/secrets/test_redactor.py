"""The last net finds a value in whatever form others write it, and leaves everything else as it was."""

from __future__ import annotations

import base64
import json
import re
import shlex
import threading
import unicodedata
import urllib.parse
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax import saxutils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.model.inventory import EnvBackend
from iea_fleet.secrets import Secrets
from iea_fleet.secrets.redactor import MARK, SHARED, SHORTEST, Redactor, forms

CANARY = "CANARY-é&<'\"7f3a/%+ß"
PLAIN = "Jeudi-Nancy54"

# Whatever an operator can type; marks of the net itself and line ends have tests of their own.
VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn"], exclude_characters="[]"), min_size=SHORTEST
)


def knowing(*values: str) -> Redactor:
    redactor = Redactor()
    for value in values:
        redactor.remember(value)
    return redactor


def in_xml(value: str, encoding: str) -> str:
    element = ET.Element("motdepasse", {"ancien": value})
    element.text = value
    return ET.tostring(element, encoding).decode(encoding)


WRITTEN = {
    "as it stands": str,
    "json": json.dumps,
    "json, readable": lambda value: json.dumps(value, ensure_ascii=False),
    "json in a web page": lambda value: json.dumps(value).replace("&", "\\u0026").replace("<", "\\u003c"),
    "json in json": lambda value: json.dumps({"said": json.dumps({"password": value})}),
    "xml": saxutils.escape,
    "xml attribute": lambda value: saxutils.escape(value, {'"': "&quot;", "'": "&apos;"}),
    "xml element, ascii": lambda value: in_xml(value, "us-ascii"),
    "xml element, utf-8": lambda value: in_xml(value, "utf-8"),
    "url": urllib.parse.quote,
    "url, all": lambda value: urllib.parse.quote(value, safe=""),
    "form": lambda value: urllib.parse.urlencode({"motdepasse": value}),
    "url, lower": lambda value: re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote(value, safe="")),
    "repr": repr,
    "repr in a dict": lambda value: repr({"password": value}),
    "repr of bytes": lambda value: repr(value.encode()),
    "ascii": ascii,
    "unicode_escape": lambda value: value.encode("unicode_escape").decode(),
    "backslashreplace": lambda value: value.encode("ascii", "backslashreplace").decode(),
    "shell": shlex.quote,
    "hexadecimal": lambda value: value.encode().hex(),
    "hexadecimal, upper": lambda value: value.encode().hex().upper(),
    "utf-16 with its NULs": lambda value: value.encode("utf-16-le").decode("latin-1"),
    "utf-16, big end first": lambda value: value.encode("utf-16-be").decode("latin-1"),
    "repr of utf-16": lambda value: repr(value.encode("utf-16-le")),
    "json of utf-16": lambda value: json.dumps(value.encode("utf-16-le").decode("latin-1")),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 of utf-16": lambda value: base64.b64encode(value.encode("utf-16-le")).decode(),
    "composed": lambda value: unicodedata.normalize("NFC", value),
    "decomposed": lambda value: unicodedata.normalize("NFD", value),
    "utf-8 as latin-1": lambda value: value.encode().decode("latin-1"),
}


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("value", [CANARY, PLAIN, "Pass'word", 'Pass"word', "été à Toul", "😀-émoji", "a b c d"])
def test_each_way_of_writing_a_value_is_found(way: str, value: str) -> None:
    written = WRITTEN[way](value)
    told = f"failed: {written}, run it again"
    cleaned = knowing(value).clean(told)
    assert MARK in cleaned
    assert not any(form in cleaned for form in forms(value))
    assert cleaned.startswith("failed: ")
    assert cleaned.endswith(", run it again")


@given(value=VALUES, before=st.binary(max_size=7), after=st.binary(max_size=7), url=st.booleans())
def test_base64_is_found_in_whatever_stands_around_it(value: str, before: bytes, after: bytes, url: bool) -> None:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    written = encode(before + value.encode() + after).decode()
    cleaned = knowing(value).clean(f"Basic {written}")
    assert MARK in cleaned
    # The letters that are left belong to what stands around it, and to one byte of the value on either side.
    assert len(cleaned) - len(f"Basic {MARK}") <= len(encode(before + b"xx")) + len(encode(after + b"xx"))


@given(value=VALUES, before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_form_of_a_value_is_left(value: str, before: str, after: str) -> None:
    redactor = knowing(value)
    for form in forms(value):
        assert form not in redactor.clean(before + form + after)


@given(values=st.lists(VALUES | st.sampled_from(["secret", "[secret", "secret]"]), max_size=4), text=st.text())
def test_cleaning_twice_is_cleaning_once(values: list[str], text: str) -> None:
    redactor = knowing(*values)
    once = redactor.clean(" ".join([text, *values]))
    assert redactor.clean(once) == once


@given(value=VALUES, text=st.text())
def test_what_holds_no_value_stays_as_it_is(value: str, text: str) -> None:
    if not any(form in text for form in forms(value)):
        assert knowing(value).clean(text) == text


def test_nothing_is_replaced_before_a_value_is_known() -> None:
    assert Redactor().clean(CANARY) == CANARY


def test_short_values_are_not_replaced() -> None:
    assert knowing("paye1").clean("paye1, paye12") == "paye1, paye12"
    assert knowing("paye12").clean("paye1, paye12") == f"paye1, {MARK}"
    assert forms("paye1") == frozenset()


def test_the_longer_of_two_values_goes_first() -> None:
    redactor = knowing("Nancy-54", "Nancy-54-Toul")
    assert redactor.clean("Nancy-54-Toul Nancy-54") == f"{MARK} {MARK}"


def test_each_line_of_a_value_is_a_value() -> None:
    redactor = knowing("premier vers\nsecond vers\r\ncourt")
    assert redactor.clean("premier vers | second vers | court") == f"{MARK} | {MARK} | court"


def test_a_value_with_an_escape_in_front() -> None:
    assert knowing(PLAIN).clean(f"C:\\{PLAIN}\\n{PLAIN}") == f"C:\\{MARK}\\n{MARK}"


def test_values_are_remembered_while_others_are_told() -> None:
    redactor, values = Redactor(), [f"Valeur-{number:03}-é" for number in range(60)]
    leaked: list[str] = []

    def tell(mine: list[str]) -> None:
        for value in mine:
            redactor.remember(value)
            if value in redactor.clean(f"« {value} »"):
                leaked.append(value)

    threads = [threading.Thread(target=tell, args=(values[first::4],)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert leaked == []
    assert redactor.clean(" ".join(values)) == " ".join([MARK] * len(values))


def test_every_value_that_is_read_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IEA_TEST_REDACTOR", "Lu-dans-cet-essai-0815")
    secrets = Secrets({"env": EnvBackend(kind="env", names=("IEA_TEST_REDACTOR",))}, Path())
    assert SHARED.clean("Lu-dans-cet-essai-0815") == "Lu-dans-cet-essai-0815"
    secrets.get("env:IEA_TEST_REDACTOR")
    assert SHARED.clean("Lu-dans-cet-essai-0815") == MARK
