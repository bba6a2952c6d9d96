"""The base of every model that a user's file fills, and the scalar types of those files."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Strict, StringConstraints

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REFERENCE = re.compile(r"(?P<backend>[a-z][a-z0-9_-]*):(?P<path>[^#\s][^#]*)(?:#(?P<field>[^#]+))?")
_NAME = r"^[^\W_](?:[\w.-]*[^\W_])?$"


class Part(BaseModel):
    """One mapping of a user's file: no key that is not declared, no change after loading, no input in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _no_control_characters(text: str) -> str:
    if found := _CONTROL.search(text):
        raise ValueError(f"holds a control character (U+{ord(found[0]):04X}) at place {found.start() + 1}")
    return text


def _one_or_many(value: Any) -> Any:  # noqa: ANN401 - what YAML holds
    return [value] if isinstance(value, str) else value


def _is_reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise ValueError("is no secret reference; write name:path, for example age:net-entreprises/ligue-54")
    return text


Text = Annotated[str, Strict(), StringConstraints(min_length=1), AfterValidator(_no_control_characters)]
"""Text of one line. A YAML number is no text: it has to be quoted."""

Name = Annotated[str, Strict(), StringConstraints(max_length=64, pattern=_NAME)]
"""A name that can stand in selectors, file names and addresses of cells: letters, digits, ``-``, ``_``, ``.``."""

Switch = Annotated[bool, Strict()]
"""``true`` or ``false``, nothing else."""

Whole = Annotated[int, Strict()]
"""A whole number."""

Texts = Annotated[tuple[Text, ...], BeforeValidator(_one_or_many, json_schema_input_type=Text | tuple[Text, ...])]
"""A list of texts; a single text stands for a list of one."""

Reference = Annotated[str, Strict(), AfterValidator(_is_reference)]
"""Where a secret is: ``name:path`` or ``name:path#field``. The value is never in a file."""


def split_reference(reference: str) -> tuple[str, str, str | None]:
    """Back-end name, path and field of a secret reference that was validated.

    >>> split_reference("vault:iea/ligue-54#password")
    ('vault', 'iea/ligue-54', 'password')
    """
    found = _REFERENCE.fullmatch(reference)
    assert found is not None
    return found["backend"], found["path"], found["field"]
