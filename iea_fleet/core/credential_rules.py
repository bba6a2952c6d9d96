"""What Net-Entreprises takes as an account, and what a person mistypes or pastes by accident; values are never changed.

Sources: the form checks of the DSN API's development kit (lengths, 14 digits); public clients of that API (service
codes); the fiche of 3 July 2019 (« erreur de saisie: espace, majuscule »); INSEE for the key of a SIRET.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from iea_fleet.model.account import Environment
from iea_fleet.model.inventory import Identity

LONGEST: Mapping[str, int] = {"nom": 64, "prenom": 39, "password": 30, "service": 2}
"""Characters that each field takes at most."""

_ENVIRONMENTS: Mapping[str, Environment] = {
    "25": "production",
    "26": "production",
    "98": "production",
    "97": "test",
    "94": "test",
}
_COUNTERPARTS: Mapping[str, str] = {"25": "97", "97": "25", "26": "94", "94": "26", "98": "97"}
_LA_POSTE = "356000000"
_LINE_ENDS = "\n\r\v\f\x85\u2028\u2029"
# Letters, marks and symbols by their category, and yet nothing to see (Unicode's Default_Ignorable_Code_Point, and the
# blank pattern of Braille).
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def password_fault(text: str) -> str | None:
    r"""Why a password is not taken, as « has a no-break space (U+00A0) at place 7 »; None when it is.

    Places count from 1. The value is never part of the answer.

    >>> password_fault("secret\n")
    'has a line end at place 7'
    """
    return _text_fault("password", text)


def secret_fault(text: str) -> str | None:
    """Why a secret is not taken whatever it is for, in the words of ``password_fault``; its length is not looked at."""
    if not text:
        return "is empty"
    for place, character in enumerate(text, start=1):
        if fault := _character_fault(text, place, character):
            return f"has {fault} at place {place}"
    return None


def field_faults(identity: Identity) -> Iterator[tuple[str, str]]:
    """The fields of an identity that are not taken, each with why; the password is a reference and not looked at."""
    if not re.fullmatch("[0-9]{14}", identity.siret):
        yield "siret", "is not 14 digits"
    for field in ("nom", "prenom", "service"):
        if fault := _text_fault(field, getattr(identity, field)):
            yield field, fault


def service_fault(service: str, environment: Environment) -> tuple[str, str] | None:
    """Why a service code does not go with an environment, and what to do; None when it may.

    A code that is not known is let through: the list comes from public clients, the guide was not seen.
    """
    meant = _ENVIRONMENTS.get(service, environment)
    if meant == environment:
        return None
    return (
        f"`{service}` is a service code of the {meant} environment, and net_entreprises_service says {environment}",
        f'write service: "{_COUNTERPARTS[service]}" here, or environment: {meant} there',
    )


def service_warning(service: str) -> str | None:
    """What is odd about a service code that no public client uses; None for a known one."""
    if service in _ENVIRONMENTS:
        return None
    known = "25 (general regime), 26 (agricultural), 98 (concentrator), and 97, 94 for tests"
    return f"`{service}` is no service code that is known: {known}"


def siret_warning(siret: str) -> str | None:
    """What is odd about the key of a SIRET of 14 digits; None when it is right. Test accounts have wrong keys.

    Every SIRET has Luhn's key but those of La Poste's offices, whose digits add up to a multiple of 5.

    >>> siret_warning("73282932000074") is None, siret_warning("35600000009075") is None
    (True, True)
    """
    digits = [int(digit) for digit in siret]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[::2]]
    if (sum(doubled) + sum(digits[1::2])) % 10 == 0:
        return None
    if siret.startswith(_LA_POSTE) and sum(digits) % 5 == 0:
        return None
    return "has a wrong key: a digit is mistyped, unless it is a test account"


def _text_fault(field: str, text: str) -> str | None:
    if fault := secret_fault(text):
        return fault
    if len(text) > LONGEST[field]:
        return f"has {len(text)} characters, and Net-Entreprises takes {LONGEST[field]} at most"
    return None


def _character_fault(text: str, place: int, character: str) -> str | None:
    if character == " ":
        return _blank_fault(text, place)
    category = unicodedata.category(character)
    if category[0] not in "ZC" and not _UNSEEN.match(character):
        return None
    if character in _LINE_ENDS:
        return "a line end"
    if character == "\t":
        return "a tab"
    named = unicodedata.name(
        character, "control character" if category == "Cc" else "character without a meaning"
    ).lower()
    return f"{'an' if named[0] in 'aeiou' else 'a'} {named} (U+{ord(character):04X})"


def _blank_fault(text: str, place: int) -> str | None:
    if place == 1:
        return "a leading blank"
    if place == len(text):
        return "a trailing blank"
    return "a doubled blank" if text[place - 2] == " " else None
