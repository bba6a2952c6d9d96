"""The words for what a model refuses: what is wrong, and what to do. No value that might be a secret is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from iea_fleet.core.faults import Steps, nearest
from iea_fleet.engine.load.document import Document
from iea_fleet.model.inventory import BackendName, WorkstationKey
from iea_fleet.model.part import Name, Part

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Words = tuple[str, str]

SECRET_KEYS = frozenset({"password", "key_passphrase", "iea_password", "token"})
"""Keys that hold secret references: whatever stands there by mistake may be the secret itself."""

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_REMEDIES = {
    "a whole number": "write a whole number without quotes",
    "true or false": "write true or false without quotes",
    "a list": "write [one, two], or one line `- one` for each",
    "a mapping": "write `key: value` lines, indented below it",
    "text": "write one text",
}
_REFERENCE = "write where the secret is, like age:net-entreprises/ligue-54"


def _pattern(annotated: object) -> str | None:
    return next((str(part.pattern) for part in get_args(annotated) if isinstance(part, StringConstraints)), None)


_PATTERNS = {
    _pattern(Name): ("is no name", "use letters, digits, `-`, `_` and `.`, with a letter or digit at both ends"),
    _pattern(WorkstationKey): (
        "is no name of a workstation",
        "use letters, digits, `-`, `_` and `.`, and a range like [01:12] for several",
    ),
    _pattern(BackendName): (
        "is no name of a back-end",
        "use small letters, digits, `-` and `_`, beginning with a letter",
    ),
    r"^[0-9]{14}$": ("is no SIRET", "write its 14 digits in quotes"),
}


@dataclass(frozen=True, slots=True)
class _Refused:
    """One error of a model, with what surrounds it."""

    error: ErrorDetails
    steps: Steps
    document: Document
    model: type[Part]

    @property
    def value(self) -> Any:  # noqa: ANN401 - what YAML holds
        return self.document.value(self.steps)

    @property
    def said(self) -> Mapping[str, Any]:
        return self.error.get("ctx", {})


def words(errors: list[ErrorDetails], steps: Steps, document: Document, model: type[Part]) -> Words:
    """What is wrong at one place and what to do. ``errors`` are those of all branches of a union."""
    telling = [error for error in errors if error["type"] not in _WANTED]
    if not telling:
        return _wrong_type([_WANTED[error["type"]] for error in errors], steps, document)
    say = _SENTENCES.get(telling[0]["type"])
    if say is None:
        return "is not what is wanted here", "compare it with the examples in the documentation"
    return say(_Refused(telling[0], steps, document, model))


def _missing(refused: _Refused) -> Words:
    return f"lacks the key `{refused.error['loc'][-1]}`", "add it"


def _unknown_key(refused: _Refused) -> Words:
    parts = _parts_at(refused.model, refused.error["loc"][:-1])
    known = [key for part in parts for key in part.model_fields]
    return f"unknown key `{refused.steps[-1]}`", nearest(str(refused.steps[-1]), known)


def _form(refused: _Refused) -> Words:
    pattern = str(refused.said["pattern"])
    return _PATTERNS.get(pattern, ("has the wrong form", f"it has to match {pattern}"))


def _no_kind(refused: _Refused) -> Words:
    known = [tag for part in _parts_at(refused.model, refused.error["loc"]) for tag in _tags(part)]
    return "lacks the key `kind`", f"write one of: {', '.join(known)}"


def _own_sentence(refused: _Refused) -> Words:
    wrong, _, remedy = str(refused.said["error"]).partition("; ")
    return wrong, remedy


def _too_long(refused: _Refused) -> Words:
    value = refused.value
    wrong = f"has {len(value)} characters" if isinstance(value, str) else "has too many entries"
    return wrong, f"at most {refused.said['max_length']} are allowed"


def _choice(refused: _Refused) -> Words:
    listed = str(refused.said.get("expected_tags") or refused.said["expected"])
    choices = re.findall(r"'([^']*)'", listed) or [listed]
    # The value of a discriminator stands one step below.
    value = refused.value.get("kind") if isinstance(refused.value, dict) else refused.value
    if refused.steps == ("version",):
        return "is not 1", "write version: 1; this release reads no other form of files"
    if value == "command" and "keepass" in choices:
        return "`command` runs programs, and an inventory may not", "declare it in your own configuration file"
    if not isinstance(value, str) or len(value) > 40:
        return f"is {_kind(value)} where one of these is wanted", f"write one of: {', '.join(choices)}"
    return f"`{value}` is not known here", nearest(value, choices)


_SENTENCES: Mapping[str, Callable[[_Refused], Words]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "string_pattern_mismatch": _form,
    "literal_error": _choice,
    "union_tag_invalid": _choice,
    "union_tag_not_found": _no_kind,
    "value_error": _own_sentence,
    "string_too_short": lambda _refused: ("is empty text", "write something, or leave the key out"),
    "string_too_long": _too_long,
    "too_long": _too_long,
    "too_short": lambda refused: ("has too few entries", f"write at least {refused.said['min_length']}"),
    "greater_than_equal": lambda refused: (f"is {refused.value}", f"the least is {refused.said['ge']}"),
    "less_than_equal": lambda refused: (f"is {refused.value}", f"the most is {refused.said['le']}"),
}


def _wrong_type(wanted: list[str], steps: Steps, document: Document) -> Words:
    value = document.value(steps)
    wants = " or ".join(dict.fromkeys(wanted))
    if steps and steps[-1] in SECRET_KEYS:
        return f"is {_kind(value)} where a secret reference is wanted", _REFERENCE
    if value is None:
        return f"is empty where {wants} is wanted", "write it, or leave the key out"
    if wanted[0] == "text" and isinstance(value, (bool, int, float)):
        written = document.as_written(steps) if not isinstance(value, bool) else str(value).lower()
        return f"is {_kind(value)} where {wants} is wanted", f'quote it: "{written}"'
    if wanted == ["a whole number"] and isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,17}", value):
        return "is quoted text where a whole number is wanted", f"write it without quotes: {value}"
    return f"is {_kind(value)} where {wants} is wanted", _REMEDIES[wanted[0]]


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


# What `|` makes of plain types, and what it makes of annotated ones.
_UNIONS = (UnionType, get_origin(Name | None))


def _parts_at(model: type[Part], location: tuple[str | int, ...]) -> list[type[Part]]:
    """The models that may stand at a location of a pydantic error."""
    candidates: list[Any] = [model]
    for step in location:
        below = [found for candidate in candidates for found in _below(candidate, step)]
        tagged = [part for part in candidates if isinstance(part, type) and step in _tags(part)]
        candidates = below or tagged or candidates
    return [part for part in candidates if isinstance(part, type) and issubclass(part, Part)]


def _below(annotation: Any, step: str | int) -> list[Any]:  # noqa: ANN401 - annotations have no type
    if isinstance(annotation, type) and issubclass(annotation, Part):
        field: FieldInfo | None = annotation.model_fields.get(str(step))
        return _branches(field.annotation) if field else []
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return _branches(arguments[1])
    if get_origin(annotation) is tuple and isinstance(step, int):
        return _branches(arguments[0])
    return []


def _branches(annotation: Any) -> list[Any]:  # noqa: ANN401
    """An annotation without ``Annotated`` and with its union taken apart."""
    if hasattr(annotation, "__metadata__"):
        return _branches(annotation.__origin__)
    if get_origin(annotation) in _UNIONS:
        return [branch for argument in get_args(annotation) for branch in _branches(argument)]
    return [annotation]


def _tags(part: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """The values of ``kind`` by which a back-end is told from the others."""
    fields: Mapping[str, FieldInfo] = getattr(part, "model_fields", {})
    return get_args(fields["kind"].annotation) if "kind" in fields else ()
