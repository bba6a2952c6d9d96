"""A document against its model: the model filled with what is right, and a mistake for everything that is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import ValidationError

from iea_fleet.core.faults import Gaps, Steps
from iea_fleet.engine.load.document import Document
from iea_fleet.engine.load.wording import words
from iea_fleet.model.part import Part

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=Part)

# One round finds every wrong part, a second one what only shows without them.
_ROUNDS = 6
_CONFLICT: Steps = ("layout",)
"""What is taken away when a file contradicts itself as a whole: the only such rule is about the layout."""


@dataclass(frozen=True, slots=True)
class Filled(Generic[Model]):
    """A model and the document that filled it. ``value`` is None when too little of it was right.

    Wrong parts were left out (``document.left_out``) so that the rest can be checked in the same go.
    """

    document: Document
    value: Model | None


def fill(model: type[Model], document: Document) -> Filled[Model]:
    """Validate a document. Its mistakes get one entry for each wrong part, with its place."""
    if () in document.left_out:
        return Filled(document, None)
    if not isinstance(document.root, dict):
        wrong = "is empty" if document.root is None else "is no mapping"
        document.mistakes.append(document.mistake((), wrong, "begin with: version: 1"))
        document.left_out.append(())
        return Filled(document, None)
    for round_ in range(_ROUNDS):
        try:
            return Filled(document, model.model_validate(document.root))
        except ValidationError as refused:
            _note(refused, model, document, first=round_ == 0)
    document.left_out.append(())
    return Filled(document, None)


def _note(refused: ValidationError, model: type[Part], document: Document, *, first: bool) -> None:
    """Note each wrong part, and take it away."""
    wrong_parts = list(_by_place(refused, document))
    unknown = [steps for steps, errors in wrong_parts if errors[0]["type"] == "extra_forbidden"]
    # What is missing because it was refused while reading, or is there and misspelt, is no mistake of its own.
    gaps = Gaps([*unknown, *document.left_out])
    removals: list[Steps] = []
    for steps, errors in wrong_parts:
        kind, key = errors[0]["type"], errors[0]["loc"][-1:]
        missing = kind == "missing"
        # In a later round a key is missing because we took it away.
        if not (missing and (not first or gaps.may_hold((*steps, *key)))):
            wrong, remedy = words(errors, steps, document, model)
            at_key = missing or kind == "extra_forbidden" or key == ("[key]",)
            document.mistakes.append(document.mistake(steps, wrong, remedy, at_key=at_key))
        removals.append(_CONFLICT if kind == "value_error" and not steps else steps)
    # The longest first: what lies within a part goes before the part itself.
    for steps in sorted(removals, key=len, reverse=True):
        if steps in ((), ("version",)):
            document.root["version"] = 1
        elif document.follow(steps) == steps:
            document.leave_out(steps)


def _by_place(refused: ValidationError, document: Document) -> Iterator[tuple[Steps, list[ErrorDetails]]]:
    """The errors of each place; a union has one for each of its branches, and they belong together."""
    groups: dict[tuple[Steps, str], tuple[Steps, list[ErrorDetails]]] = {}
    for error in refused.errors(include_url=False, include_input=False):
        steps = document.follow(error["loc"])
        # A list whose items were all refused is reported as too short as well.
        if error["type"] == "too_short" and len(document.value(steps)) >= error["ctx"]["min_length"]:
            continue
        # Two keys missing at one place are two mistakes.
        apart = str(error["loc"][-1]) if error["type"] == "missing" else ""
        groups.setdefault((steps, apart), (steps, []))[1].append(error)
    yield from groups.values()
