"""Templates in addresses and paths: text with names such as ``{{ vars.site }}``, and nothing else.

Jinja2's parser reads them; its tree may hold text, names and dotted names only. Nothing is compiled or evaluated:
the parts are joined here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import jinja2
from jinja2 import nodes

from iea_fleet.core.faults import nearest

LONGEST = 1_000

_PARSER = jinja2.Environment(autoescape=False)  # noqa: S701 - paths and addresses, no HTML; and nothing is rendered
# Jinja2 swallows these before the tree is built.
_SWALLOWED = re.compile(r"\{[%#]|\{\{[-+]|[-+]\}\}")
_ALLOWED = "write text and names in {{ }}, like {{ vars.site }}; nothing else is allowed"
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\..*)?", re.IGNORECASE | re.DOTALL
)
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')


class TemplateError(ValueError):
    """A template that is not allowed, or that cannot be filled. ``variable`` is the name it is about, if any."""

    def __init__(self, wrong: str, remedy: str, variable: str = "") -> None:
        super().__init__(f"{wrong}; {remedy}")
        self.wrong = wrong
        self.remedy = remedy
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Variable:
    """A name in ``{{ }}``."""

    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text that was read. ``names`` are the variables it uses."""

    parts: tuple[str | Variable, ...]
    names: frozenset[str] = frozenset()

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with its variables replaced. TemplateError for a variable that is not among ``values``."""
        if not self.names:
            return "".join(part for part in self.parts if isinstance(part, str))
        return "".join(part if isinstance(part, str) else self._value(part.name, values) for part in self.parts)

    @staticmethod
    def _value(name: str, values: Mapping[str, str]) -> str:
        if name not in values:
            raise TemplateError(f"unknown variable `{name}`", nearest(name, values), name)
        return values[name]


def read(text: str) -> Template:
    """Read a template. TemplateError names what is allowed when it holds anything else than text and names."""
    return _parsed(text) if "{" in text else Template((text,))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Template:
    if len(text) > LONGEST:
        raise TemplateError(f"is a template of more than {LONGEST:,} characters", "shorten it")
    if found := _SWALLOWED.search(text):
        raise TemplateError(f"holds `{found[0]}`", _ALLOWED)
    try:
        tree = _PARSER.parse(text)
    except (jinja2.TemplateSyntaxError, RecursionError, ValueError):
        raise TemplateError("is no template", _ALLOWED) from None
    parts = tuple(_parts(tree))
    return Template(parts, frozenset(part.name for part in parts if isinstance(part, Variable)))


def _parts(tree: nodes.Template) -> Iterator[str | Variable]:
    for output in tree.body:
        assert isinstance(output, nodes.Output)  # statements and comments were refused before
        for node in output.nodes:
            yield node.data if isinstance(node, nodes.TemplateData) else Variable(_dotted_name(node))


def _dotted_name(node: nodes.Node) -> str:
    steps: list[str] = []
    while isinstance(node, nodes.Getattr):
        steps.append(node.attr)
        node = node.node
    if not isinstance(node, nodes.Name):
        raise TemplateError(f"holds {_WHAT.get(type(node), 'an expression')}", _ALLOWED)
    return ".".join([node.name, *reversed(steps)])


_WHAT: dict[type[nodes.Node], str] = {
    nodes.Filter: "a filter",
    nodes.Call: "a call",
    nodes.Test: "a test",
    nodes.Getitem: "an index",
    nodes.Const: "a constant",
}


def not_a_file_name(value: str) -> str:
    """Why a value cannot be part of a path on a Windows workstation, or "" when it can.

    Names that Windows keeps for devices, characters it refuses, and ends it cuts off: Microsoft, « Naming Files,
    Paths, and Namespaces ».
    """
    if not value.strip():
        return "is blank"
    if found := _NOT_IN_NAMES.search(value):
        character = found[0]
        return f"holds {character}" if character.isprintable() else "holds a control character"
    if ".." in value:
        return "holds .."
    if value[-1] in ". " or value[0] == " ":
        return "begins with a blank or ends in a dot or blank"
    if _DEVICE.fullmatch(value):
        return "is a name that Windows keeps for a device"
    return ""
