"""Whether the .NET that a script calls is there on Windows PowerShell 5.1: types, members, arities, values of enums.

What a variable holds is followed as far as can be told: constructors, casts, what members and functions return, fields
of tables. What cannot be told is a problem too. The profile has one overload for each number of arguments, so types of
arguments are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tree_sitter import Node

from powershell_gates.commands import RUN_THE_AGENT, TABLES
from powershell_gates.profile import Profile
from powershell_gates.script import WRAPPERS, Problem, Script, literal, of_type, peel, text_of, variable_name

_TABLE: Final = "System.Collections.Hashtable"
_VOID: Final = "System.Void"
_OBJECT: Final = "System.Object"
_AUTOMATIC: Final = {
    "_": "System.Management.Automation.ErrorRecord",
    "executioncontext": "System.Management.Automation.EngineIntrinsics",
    "batch": "System.String",
}
# Fields of tables that come from outside, and those that hold one of several classes: the one that they have in common.
_FIELDS: Final = {
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
    "hash_literal_expression": _TABLE,
    "verbatim_string_characters": "System.String",
    "expandable_string_literal": "System.String",
    "decimal_integer_literal": "System.Int32",
    "hexadecimal_integer_literal": "System.Int32",
    "comparison_expression": "System.Boolean",
    "logical_expression": "System.Boolean",
}
Known = dict[str, str | None]
"""What each variable holds."""

_STATEMENTS: Final = frozenset({"statement_list", "script_block_body"})


class Check:
    """One script, read against a profile. ``problems`` has what was found, ``told`` counts the members."""

    def __init__(self, script: Script, profile: Profile) -> None:
        self.problems: list[Problem] = []
        self.told = 0
        self._profile = profile
        self._functions = script.functions
        self._fields: dict[str, str | None] = dict(_FIELDS)
        self._returns: Known = {}
        self._outside: Known = {}
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
        for _ in range(2):  # what is learnt of a field or function in one pass is used in the next
            self._read(script)
        self._quiet = False
        self.told = 0
        self._read(script)

    def _read(self, script: Script) -> None:
        outside: Known = {}
        bodies = set(script.functions.values())
        for child in script.root.children:
            self._statements(child, outside, bodies)
        self._outside = outside
        for name, body in script.functions.items():
            known = dict(outside)
            self._returns[name] = _VOID
            block = of_type(body, "script_block")
            if block is not None:
                self._statements(block, known, set(), name)

    # -- statements -------------------------------------------------------------------------------------------------

    def _statements(self, node: Node, known: Known, without: set[Node], function: str = "") -> None:
        """Go through the statements in order; ``known`` is what each variable holds."""
        if node in without:
            return
        if node.type == "pipeline":
            self._statement(node, known)
            return
        if node.type == "flow_control_statement":
            self._flow(node, known, function)
            return
        if node.type in ("if_statement", "elseif_clause"):
            known = self._narrowed(node, known)
        if node.type == "foreach_statement":
            self._foreach(node, known)
        for child in node.children:
            if node.type == "foreach_statement" and child.type == "pipeline":
                continue
            if child.type == "pipeline" and node.type not in _STATEMENTS:
                self._expression(child, known)  # a condition
            elif child.type == "type_literal":
                self._type(child)
            else:
                self._statements(child, known, without, function)

    def _statement(self, node: Node, known: Known) -> None:
        core = peel(node)
        if core.type == "assignment_expression":
            self._assignment(core, known)
            return
        made = self._expression(core, known)
        if core.type in ("post_increment_expression", "post_decrement_expression"):
            return
        if text_of(core).strip() == RUN_THE_AGENT or literal(core) is not None:
            return
        if made != _VOID:
            self._problem(core, f"{_short(core)} lets its result fall into the output; put $null = before it")

    def _assignment(self, node: Node, known: Known) -> None:
        target, value = node.children[0], node.children[-1]
        made = self._expression(value, known)
        core = peel(target)
        if core.type == "cast_expression":
            made, core = self._type(core.children[0]), peel(core.children[-1])
        if core.type == "variable":
            known[variable_name(core)] = made
        elif core.type == "member_access":
            self._set_member(core, made, known)
        else:
            self._expression(core, known)

    def _set_member(self, node: Node, made: str | None, known: Known) -> None:
        base, static = self._base(node, known)
        name = _member_name(node)
        field = name.lower()
        if base == _TABLE and field not in _FIELDS:
            if made is not None:
                self._fields.setdefault(field, made)
                if self._fields[field] != made:
                    self._fields[field] = None
            return
        if base == _TABLE:
            return
        found = self._member(node, base, name, static=static)
        if found is not None and not found.get("set"):
            self._problem(node, f"{base}.{name} cannot be set")

    def _flow(self, node: Node, known: Known, function: str) -> None:
        value = of_type(node, "pipeline")
        made = self._expression(value, known) if value is not None else _VOID
        if function and text_of(node).startswith("return") and value is not None:
            before = self._returns.get(function)
            self._returns[function] = made if before in (_VOID, made) else None

    def _foreach(self, node: Node, known: Known) -> None:
        variable, values = of_type(node, "variable"), of_type(node, "pipeline")
        if variable is None or values is None:
            return
        made = self._expression(values, known)
        element = None
        if made is not None and made.endswith("[]"):
            element = made[:-2]
        elif made is not None and self._profile.knows(made):
            element = self._profile.type_of(made).get("indexer")
        name = variable_name(variable)
        known[name] = _TABLE if name in TABLES else element

    def _narrowed(self, node: Node, known: Known) -> Known:
        """What is known where ``$x -is [T]`` is the condition."""
        condition = of_type(node, "pipeline")
        core = peel(condition) if condition is not None else node
        if core.type == "comparison_expression" and text_of(core.children[1]).lower() == "-is":
            tested, wanted = peel(core.children[0]), peel(core.children[2])
            if tested.type == "variable" and wanted.type == "type_literal":
                return {**known, variable_name(tested): self._type(wanted)}
        return known

    # -- expressions ------------------------------------------------------------------------------------------------

    def _expression(self, node: Node, known: Known) -> str | None:
        """The type of what an expression makes, None where it cannot be told; everything in it is looked at."""
        core = peel(node)
        reader = self._readers.get(core.type)
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

    def _block(self, node: Node, known: Known) -> str:
        self._statements(node, dict(known), set())
        return "System.Management.Automation.ScriptBlock"

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
        return _TABLE if name in TABLES else known.get(name, _AUTOMATIC.get(name))

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
        name = _member_name(node)
        if base == _TABLE and not static and self._profile.member(_TABLE, name, static=False) is None:
            return self._fields.get(name.lower())
        found = self._member(node, base, name, static=static)
        if found is None or base is None:
            return None
        generic = base.partition("`1[")[2][:-1]
        made: str | None = found["type"] or generic or None
        return made

    def _call(self, node: Node, known: Known) -> str | None:
        base, static = self._base(node, known)
        name = _member_name(node)
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
        if base is None or base == _TABLE or not self._profile.knows(base):
            return None
        made: str | None = self._profile.type_of(base).get("indexer")
        return made

    def _member(self, node: Node, base: str | None, name: str, *, static: bool) -> dict[str, Any] | None:
        if base in (None, _OBJECT) or base is None or not self._profile.knows(base):
            self._problem(node, f"what {_short(node)} is asked of cannot be told; say it by a cast")
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


def _member_name(node: Node) -> str:
    name = of_type(node, "member_name")
    return text_of(name) if name is not None else ""


def _short(node: Node) -> str:
    return " ".join(text_of(node).split())[:60]


def _fits(numbers: list[int], given: int) -> bool:
    """Whether so many arguments can be given; -3 means two, and any number of the third."""
    return any(number == given or (number < 0 and given >= -number - 1) for number in numbers)
