"""What Net-Entreprises takes as an account: every character that is refused is named with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.core.credential_rules import (
    field_faults,
    password_fault,
    service_fault,
    service_warning,
    siret_warning,
)
from iea_fleet.model.inventory import Identity


def identity(**changes: str) -> Identity:
    fields = {"siret": "73282932000074", "nom": "DUPONT", "prenom": "Marie", "service": "25"}
    return Identity.model_validate({**fields, "password": "age:a", **changes})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty"),
        (" hunter2", "has a leading blank at place 1"),
        ("hunter2 ", "has a trailing blank at place 8"),
        ("hunter  2", "has a doubled blank at place 8"),
        ("   ", "has a leading blank at place 1"),
        ("hunter\u00a02", "has a no-break space (U+00A0) at place 7"),
        ("hunter\u202f2", "has a narrow no-break space (U+202F) at place 7"),
        ("hunter\u20032", "has an em space (U+2003) at place 7"),
        ("hunter2\n", "has a line end at place 8"),
        ("hunter2\r\n", "has a line end at place 8"),
        ("hunter\u20282", "has a line end at place 7"),
        ("hunter\t2", "has a tab at place 7"),
        ("hunter\x002", "has a control character (U+0000) at place 7"),
        ("\ufeffhunter2", "has a zero width no-break space (U+FEFF) at place 1"),
        ("hunter\u200b2", "has a zero width space (U+200B) at place 7"),
        ("hunter\u00ad2", "has a soft hyphen (U+00AD) at place 7"),
        ("hunter\u202e2", "has a right-to-left override (U+202E) at place 7"),
        ("hunter\ufe0f2", "has a variation selector-16 (U+FE0F) at place 7"),
        ("hunter\u31642", "has a hangul filler (U+3164) at place 7"),
        ("hunter\ud8002", "has a character without a meaning (U+D800) at place 7"),
        ("hunter\u03782", "has a character without a meaning (U+0378) at place 7"),
        ("hunter\ue0002", "has a character without a meaning (U+E000) at place 7"),
        ("x" * 31, "has 31 characters, and Net-Entreprises takes 30 at most"),
        ("x" * 30 + "\n", "has a line end at place 31"),
        ("x" * 30, None),
        ("é&<>\"' Œ€ ñ", None),
        ("😀", None),
    ],
)
def test_passwords(text: str, fault: str | None) -> None:
    assert password_fault(text) == fault


@given(st.text(max_size=40))
def test_no_password_is_in_its_fault(text: str) -> None:
    fault = password_fault(text)
    assert fault is None or not (len(text) > 3 and text in fault)
    if fault is None:
        assert text == " ".join(text.split())
        assert text.isprintable()


def test_fields_of_an_identity() -> None:
    wrong = identity(nom="DU  PONT", prenom="Marie\u00a0Lou", service="2 ", siret="73282932000074")
    assert list(field_faults(wrong)) == [
        ("nom", "has a doubled blank at place 4"),
        ("prenom", "has a no-break space (U+00A0) at place 6"),
        ("service", "has a trailing blank at place 2"),
    ]
    assert list(field_faults(identity(nom="D'ÉON DE BEAUMONT-Œuf"))) == []


def test_digits_of_another_script_are_none_of_a_siret() -> None:
    other = identity().model_copy(update={"siret": "٧3282932000074"})
    assert list(field_faults(other)) == [("siret", "is not 14 digits")]


@pytest.mark.parametrize(
    ("service", "environment", "remedy"),
    [
        ("97", "production", 'write service: "25" here, or environment: test there'),
        ("94", "production", 'write service: "26" here, or environment: test there'),
        ("25", "test", 'write service: "97" here, or environment: production there'),
        ("98", "test", 'write service: "97" here, or environment: production there'),
    ],
)
def test_a_mix_up_of_environments_names_both(service: str, environment: str, remedy: str) -> None:
    fault = service_fault(service, environment)  # type: ignore[arg-type]
    assert fault is not None
    wrong, said = fault
    assert {service, "test", "production"} <= set(wrong.replace("`", "").split())
    assert said == remedy


@pytest.mark.parametrize("service", ["25", "26", "98", "31"])
def test_codes_of_production_and_unknown_ones_pass_there(service: str) -> None:
    assert service_fault(service, "production") is None
    assert (service_warning(service) is None) == (service != "31")


@pytest.mark.parametrize(
    ("siret", "right"),
    [
        ("73282932000074", True),
        ("73282932000075", False),
        ("35600000000048", True),  # La Poste's head office has Luhn's key
        ("35600000009075", True),  # its offices have a sum of digits that 5 divides
        ("35600000009076", False),
        ("73282932000070", False),
    ],
)
def test_the_key_of_a_siret(siret: str, right: bool) -> None:
    assert (siret_warning(siret) is None) == right
