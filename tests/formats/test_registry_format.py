"""Registry keys in the lines of the agent: kinds stay, numbers stay numbers, everything else stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_format_laws import encoded, good_keys, laws

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import registry

KEY = encoded(
    ("", "String", "défaut"),
    ("Adresse", "ExpandString", "%SystemRoot%\\iea"),
    ("Hôtes", "MultiString", "un\0deux\0"),
    ("Image", "Binary", "\0\1"),
    ("Rien", "None", ""),
    ("Sécurisé", "DWord", "0"),
    ("Taille", "QWord", "18446744073709551615"),
    ("Vide", "MultiString", ""),
)


def changed(name, kind, data):
    lines = [
        line
        for line in KEY.splitlines(keepends=True)
        if not line.startswith(encoded((name, "", "")).split(b" ")[0] + b" ")
    ]
    return b"".join(sorted((*lines, encoded((name, kind, data)))))


def test_every_kind_that_is_a_setting_is_read_as_text():
    keys = ["@", "adresse", "hôtes", "SÉCURISÉ", "Taille", "Vide", "missing"]
    assert registry.read(KEY, keys) == {
        "@": "défaut",
        "adresse": "%SystemRoot%\\iea",
        "hôtes": "un\ndeux",
        "SÉCURISÉ": "0",
        "Taille": "18446744073709551615",
        "Vide": "",
    }


@pytest.mark.parametrize(
    ("key", "value", "after"),
    [
        ("@", "x", changed("", "String", "x")),
        ("ADRESSE", "%TEMP%", changed("Adresse", "ExpandString", "%TEMP%")),
        ("Hôtes", "trois\nquatre", changed("Hôtes", "MultiString", "trois\0quatre\0")),
        ("Hôtes", "", changed("Hôtes", "MultiString", "")),
        ("sécurisé", "1", changed("Sécurisé", "DWord", "1")),
        ("sécurisé", "4294967295", changed("Sécurisé", "DWord", "4294967295")),
        ("Taille", "0", changed("Taille", "QWord", "0")),
        ("Neuf", "1", changed("Neuf", "String", "1")),
        ("a/b\\c", "", changed("a/b\\c", "String", "")),
    ],
)
def test_a_value_keeps_its_kind_and_its_name(key, value, after):
    assert registry.patch(KEY, {key: value}) == after
    assert registry.read(after, [key]) == {key: value}
    assert registry.patch(after, {key: value}) == after


@pytest.mark.parametrize(
    ("data", "values", "code", "said"),
    [
        (KEY, {"Sécurisé": "oui"}, "cannot_hold", "it is a DWord in the registry: a whole number from 0 to 4294967295"),
        (KEY, {"Sécurisé": "4294967296"}, "cannot_hold", "DWord"),
        (KEY, {"Sécurisé": "-1"}, "cannot_hold", "DWord"),
        (KEY, {"Sécurisé": "01"}, "cannot_hold", "DWord"),
        (KEY, {"Sécurisé": "１"}, "cannot_hold", "DWord"),
        (KEY, {"Sécurisé": ""}, "cannot_hold", "DWord"),
        (KEY, {"Taille": "18446744073709551616"}, "cannot_hold", "QWord"),
        (KEY, {"Taille": "9" * 5000}, "cannot_hold", "QWord"),
        (KEY, {"Hôtes": "un\n\ndeux"}, "cannot_hold", "which holds no empty lines"),
        (KEY, {"Adresse": "a\0b"}, "cannot_hold", "NUL"),
        (KEY, {"Neuf": "a\0b"}, "cannot_hold", "NUL"),
        (KEY, {"Neuf": True}, "cannot_hold", "registry files hold text"),
        (KEY, {"Image": "1"}, "not_a_value", "a value of the kind Binary"),
        (KEY, {"Rien": "1"}, "not_a_value", "a value of the kind None"),
        (encoded(("a", "MultiString", "x\ny\0")), {"a": "1"}, "not_a_value", "told apart by lines"),
        (encoded(("a", "MultiString", "\0")), {"a": "1"}, "not_a_value", "told apart by lines"),
        (KEY, {"Adresse": "1", "ADRESSE": "2"}, "bad_key", "in nothing but case"),
        (encoded(("a", "String", "1"), ("A", "String", "2")), {"a": "3"}, "duplicate_key", "stands twice"),
    ],
)
def test_what_cannot_be_written_is_refused_in_words(data, values, code, said):
    with pytest.raises(SettingsFormatError) as caught:
        registry.patch(data, values)
    assert (caught.value.code, said in caught.value.sentence) == (code, True)


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"YQ== String MQ==",
        b"YQ== String MQ==\n\n",
        b"YQ== String MQ==\r\n",
        b"YQ==  String MQ==\n",
        b"YQ String MQ==\n",
        b"YR== String MQ==\n",
        b"/w== String MQ==\n",
        b"YQ== String /w==\n",
        b"YQ== Odd MQ==\n",
        b"YQ== DWord MDE=\n",
        b"YQ== DWord \n",
        b"YQ== MultiString eA==\n",
        b"Yg== String MQ==\nYQ== String MQ==\n",
        b"\xff\xfe",
        "HKLM\r\n".encode("utf-16"),
    ],
)
def test_only_what_the_agent_writes_is_taken(data):
    with pytest.raises(SettingsFormatError) as caught:
        registry.read(data, ["a"])
    assert caught.value.code == "unreadable_format"


@laws
@given(good_keys(), st.text("abé", max_size=3))
def test_no_other_line_of_the_key_changes(before, value):
    after = registry.patch(before, {"a": value})
    ours = b"YQ== "
    assert [line for line in after.splitlines() if not line.startswith(ours)] == [
        line for line in before.splitlines() if not line.startswith(ours)
    ]
    assert after.splitlines() == sorted(after.splitlines())
