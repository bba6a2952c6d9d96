"""A PowerShell script as a tree, and how to walk it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import tree_sitter_powershell
import tree_sitter_pwsh
from tree_sitter import Language, Node, Parser

GRAMMARS: Final = {
    "tree-sitter-powershell": Language(tree_sitter_powershell.language()),
    "tree-sitter-pwsh": Language(tree_sitter_pwsh.language()),
}
_ARGUMENTS: Final = "_argument_expression"
WRAPPERS: Final = frozenset(
    {
        "pipeline",
        "pipeline_chain",
        "logical_expression",
        "bitwise_expression",
        "comparison_expression",
        "additive_expression",
        "multiplicative_expression",
        "format_expression",
        "range_expression",
        "array_literal_expression",
        "unary_expression",
        "expression_with_unary_operator",
        "argument_expression",
        "string_literal",
        "integer_literal",
        "left_assignment_expression",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What a gate found, and in which line (from 1)."""

    line: int
    words: str

    @classmethod
    def at(cls, node: Node, words: str) -> Problem:
        """A problem where this node begins."""
        return cls(node.start_point[0] + 1, words)


@dataclass(frozen=True)
class Script:
    """The text of a script, the tree of the first grammar, and its functions by name in lower case."""

    name: str
    text: str
    root: Node = field(repr=False)
    functions: dict[str, Node] = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Script:
        """Parse a file; any bytes make a script, the gates judge it."""
        return cls.of(path.name, path.read_bytes().decode("utf-8", "replace"))

    @classmethod
    def of(cls, name: str, text: str) -> Script:
        """Parse a text."""
        root = parse(text, "tree-sitter-powershell")
        functions = {
            text_of(child).lower(): node
            for node in walk(root)
            if node.type == "function_statement"
            for child in node.children
            if child.type == "function_name"
        }
        return cls(name, text, root, functions)


def parse(text: str, grammar: str) -> Node:
    """The tree of a text by one of the grammars."""
    return Parser(GRAMMARS[grammar]).parse(text.encode()).root_node


def walk(node: Node, without: Collection[Node] = ()) -> Iterator[Node]:
    """The node and all below it, in the order of the text; of those in ``without`` only themselves."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        if each not in without:
            waiting.extend(reversed(each.children))


def text_of(node: Node) -> str:
    """The text of a node."""
    assert node.text is not None
    return node.text.decode()


def peel(node: Node) -> Node:
    """What an expression is at its core: the grammar wraps each in one node for every precedence.

    Children that are no part of the expression, as operators are, keep their wrapper.
    """
    while node.type in WRAPPERS or node.type.endswith(_ARGUMENTS):
        if node.child_count != 1:
            return node
        node = node.children[0]
    return node


def of_type(node: Node, kind: str) -> Node | None:
    """The first child of this type."""
    return next((child for child in node.children if child.type == kind), None)


def variable_name(node: Node) -> str:
    """``item`` of ``$item`` or ``${item}``, in lower case."""
    return text_of(node).lower().strip("${}")


def literal(node: Node) -> str | None:
    """The text of a constant string; None when it is none."""
    core = peel(node)
    if core.type == "verbatim_string_characters":
        return text_of(core)[1:-1].replace("''", "'")
    return None
