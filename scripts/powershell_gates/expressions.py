"""What the expressions of a script make, as far as the profile of Windows PowerShell 5.1 tells it.

What a variable holds is followed: constructors, casts, what members and functions return, fields of tables. What cannot
be told is a problem too. The profile has one overload for each number of arguments, so types of arguments are not
looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tree_sitter import Node

from powershell_gates.commands import TABLES
from powershell_gates.profile import Profile
from powershell_gates.script import WRAPPERS, Problem, literal, of_type, peel, text_of, variable_name

TABLE: Final = "System.Collections.Hashtable"
VOID: Final = "System.Void"
_OBJECT: Final = "System.Object"
_AUTOMATIC: Final = {
    "_": "System.Management.Automation.ErrorRecord",
    "executioncontext": "System.Management.Automation.EngineIntrinsics",
    "batch": "System.String",
}
# Fields of tables that come from outside, and those that hold one of several classes: the one that they have in common.
FIELDS: Final = {
    **dict.fromkeys(("word", "id", "mode", "path", "limit", "expected", "temporary", "aside"), "System.String"),
    **dict.fromkeys(("private", "program", "arguments", "timeout", "reads", "url", "roots"), "System.String"),
    **dict.fromkeys(("content", "stdin"), "System.Byte[]"),
    "psversion": "System.Version",
    "answer": "System.Object[]",
    "stream": "System.IO.Stream",
    "source": "System.IO.Stream",
    "security": "System.Security.AccessControl.FileSystemSecurity",
    "wrong": "System.Net.Security.SslPolicyErrors",
    "certificate": "System.Security.Cryptography.X509Certificates.X509Certificate",
    "chain": "System.Security.Cryptography.X509Certificates.X509Chain",
}
_MADE: Final = {
    "hash_literal_expression": TABLE,
    "verbatim_string_characters": "System.String",
    "expandable_string_literal": "System.String",
    "decimal_integer_literal": "System.Int32",
    "hexadecimal_integer_literal": "System.Int32",
    "comparison_expression": "System.Boolean",
    "logical_expression": "System.Boolean",
}
Known = dict[str, str | None]
"""What each variable holds."""


class Expressions:
    """Reads expressions. ``problems`` has what was found, ``told`` counts the members that were looked at."""

    def __init__(self, profile: Profile) -> None:
        self.problems: list[Problem] = []
        self.told = 0
        self._profile = profile
        self._fields: dict[str, str | None] = dict(FIELDS)
        self._returns: Known = {}
        self._quiet = True
        self._readers: dict[str, Callable[[Node, Known], str | None]] = {
            "variable": self._variable,
            "type_literal": self._literal_type,
            "cast_expression": self._cast,
            "member_access": self._property,
            "invokation_expression": self._call,
            "element_access": self._element,
            "command": self._command,
            "hash_entry": self._entry,
            "parenthesized_expression": self._inner,
            "script_block_expression": self._block,
            "additive_expression": self._sum,
            "multiplicative_expression": self._sum,
            "array_expression": self._array,
        }

    def _block(self, node: Node, known: Known) -> str:
        """Script blocks have statements: whoever reads those reads them."""
        raise NotImplementedError

    def _expression(self, node: Node, known: Known) -> str | None:
        """The type of what an expression makes, None where it cannot be told; everything in it is looked at."""
        core = peel(node)
        reader = self._readers.get(core.type.replace("_argument_expression", "_expression"))
        if reader is not None:
            return reader(core, known)
        self._below(core, known)
        return _MADE.get(core.type)

    def _command(self, node: Node, known: Known) -> str | None:
        del known
        return self._returns.get(text_of(node.children[0]).lower())

    def _entry(self, node: Node, known: Known) -> None:
        made = self._expression(node.children[-1], known)
        self._fields.setdefault(text_of(node.children[0]).lower(), made)

    def _inner(self, node: Node, known: Known) -> str | None:
        inner = of_type(node, "pipeline")
        return self._expression(inner, known) if inner is not None else None

    def _sum(self, node: Node, known: Known) -> str | None:
        """PowerShell makes of both operands what the left one is."""
        left, right = (child for child in node.children if child.is_named)
        self._expression(right, known)
        return self._expression(left, known)

    def _literal_type(self, node: Node, known: Known) -> str:
        del known
        self._type(node)
        return "System.Type"

    def _array(self, node: Node, known: Known) -> str:
        """What ``@(...)`` has in it; of several classes, objects."""
        statements = of_type(node, "statement_list")
        made = set()
        for statement in statements.children if statements is not None else ():
            inner = statement
            while inner.type in WRAPPERS and inner.child_count == 1:
                inner = inner.children[0]
            for each in inner.children if inner.type == "array_literal_expression" else [inner]:
                if each.is_named:
                    made.add(self._expression(each, known))
        return f"{made.pop() or _OBJECT}[]" if len(made) == 1 else f"{_OBJECT}[]"

    def _below(self, node: Node, known: Known) -> None:
        for child in node.children:
            if child.type in ("statement_list", "hash_literal_body"):
                self._below(child, known)
            else:
                self._expression(child, known)

    def _variable(self, node: Node, known: Known) -> str | None:
        name = variable_name(node)
        if name in ("true", "false"):
            return "System.Boolean"
        return TABLE if name in TABLES else known.get(name, _AUTOMATIC.get(name))

    def _type(self, node: Node) -> str | None:
        written = text_of(node).strip("[").removesuffix("]")
        full = self._profile.full_name(written)
        if full is None:
            self._problem(node, f"5.1 has no type [{written}] ready; if it has: make powershell-profile")
        return full

    def _cast(self, node: Node, known: Known) -> str | None:
        made = self._type(node.children[0])
        words = literal(node.children[-1])
        if made is not None and words is not None and self._profile.type_of(made)["enum"]:
            for each in words.split(","):
                self._member(node, made, each.strip(), static=True)
        self._expression(node.children[-1], known)
        return made

    def _base(self, node: Node, known: Known) -> tuple[str | None, bool]:
        """The type that a member is asked of, and whether it is asked of the type itself."""
        core = peel(node.children[0])
        if node.children[1].type == "::":
            return (self._type(core) if core.type == "type_literal" else None), True
        return self._expression(core, known), False

    def _property(self, node: Node, known: Known) -> str | None:
        base, static = self._base(node, known)
        name = member_name(node)
        if base == TABLE and not static and self._profile.member(TABLE, name, static=False) is None:
            return self._fields.get(name.lower())
        found = self._member(node, base, name, static=static)
        if found is None or base is None:
            return None
        generic = base.partition("`1[")[2][:-1]
        made: str | None = found["type"] or generic or None
        return made

    def _call(self, node: Node, known: Known) -> str | None:
        base, static = self._base(node, known)
        name = member_name(node)
        given = self._arguments(node, known)
        if static and name.lower() == "new":
            return self._constructor(node, base, given)
        found = self._member(node, base, name, static=static)
        if found is None:
            return None
        if not _fits(found.get("arguments", []), given):
            self._problem(node, f"{base}.{name} takes no {given} arguments")
        made: str | None = found["type"]
        return made

    def _constructor(self, node: Node, base: str | None, given: int) -> str | None:
        if base is not None and not base.endswith("[]"):
            self.told += 1
            if not _fits(self._profile.type_of(base)["new"], given):
                self._problem(node, f"{base} has no constructor of {given} arguments")
        return base

    def _arguments(self, node: Node, known: Known) -> int:
        outer = of_type(node, "argument_list")
        inner = of_type(outer, "argument_expression_list") if outer is not None else None
        if inner is None:
            return 0
        arguments = [child for child in inner.children if child.is_named]
        for each in arguments:
            self._expression(each, known)
        return len(arguments)

    def _element(self, node: Node, known: Known) -> str | None:
        base = self._expression(node.children[0], known)
        for child in node.children[1:]:
            if child.is_named:
                self._expression(child, known)
        if base is not None and base.endswith("[]"):
            return base[:-2]
        if base is None or base == TABLE or not self._profile.knows(base):
            return None
        made: str | None = self._profile.type_of(base).get("indexer")
        return made

    def _member(self, node: Node, base: str | None, name: str, *, static: bool) -> dict[str, Any] | None:
        if base in (None, _OBJECT) or base is None or not self._profile.knows(base):
            self._problem(node, f"what {short(node)} is asked of cannot be told; say it by a cast")
            return None
        self.told += 1
        found = self._profile.member(base, name, static=static)
        if found is None:
            self._problem(node, f"{base} has no {'static ' if static else ''}member {name}")
        return found

    def _problem(self, node: Node, words: str) -> None:
        if not self._quiet:
            problem = Problem.at(node, words)
            if problem not in self.problems:
                self.problems.append(problem)


def member_name(node: Node) -> str:
    """``Length`` of ``$x.Length``."""
    name = of_type(node, "member_name")
    return text_of(name) if name is not None else ""


def short(node: Node) -> str:
    """The beginning of a node's text, in one line."""
    return " ".join(text_of(node).split())[:60]


def _fits(numbers: list[int], given: int) -> bool:
    """Whether so many arguments can be given; -3 means two, and any number of the third."""
    return any(number == given or (number < 0 and given >= -number - 1) for number in numbers)
