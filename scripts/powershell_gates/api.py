"""Whether the .NET that a script calls is there on Windows PowerShell 5.1: types, members, arities, values of enums."""

from __future__ import annotations

from typing import Final

from tree_sitter import Node

from powershell_gates.commands import RUN_THE_AGENT, TABLES
from powershell_gates.expressions import FIELDS, TABLE, VOID, Expressions, Known, member_name, short
from powershell_gates.profile import Profile
from powershell_gates.script import Script, literal, of_type, peel, text_of, variable_name

_STATEMENTS: Final = frozenset({"statement_list", "script_block_body"})


class Check(Expressions):
    """One script, read against a profile, statement by statement."""

    def __init__(self, script: Script, profile: Profile) -> None:
        super().__init__(profile)
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
        for name, body in script.functions.items():
            self._returns[name] = VOID
            block = of_type(body, "script_block")
            if block is not None:
                self._statements(block, dict(outside), set(), name)

    def _block(self, node: Node, known: Known) -> str:
        self._statements(node, dict(known), set())
        return "System.Management.Automation.ScriptBlock"

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
        if made != VOID:
            self._problem(core, f"{short(core)} lets its result fall into the output; put $null = before it")

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
        name = member_name(node)
        field = name.lower()
        if base == TABLE and self._profile.member(TABLE, name, static=False) is not None:
            self._problem(node, f"a table has a member {name} of its own, which is read where the field is not set")
        if base == TABLE and field not in FIELDS:
            if made is not None:
                self._fields.setdefault(field, made)
                if self._fields[field] != made:
                    self._fields[field] = None
            return
        if base == TABLE:
            return
        found = self._member(node, base, name, static=static)
        if found is not None and not found.get("set"):
            self._problem(node, f"{base}.{name} cannot be set")

    def _flow(self, node: Node, known: Known, function: str) -> None:
        value = of_type(node, "pipeline")
        made = self._expression(value, known) if value is not None else VOID
        if function and text_of(node).startswith("return") and value is not None:
            before = self._returns.get(function)
            self._returns[function] = made if before in (VOID, made) else None

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
        known[name] = TABLE if name in TABLES else element

    def _narrowed(self, node: Node, known: Known) -> Known:
        """What is known where ``$x -is [T]`` is the condition."""
        condition = of_type(node, "pipeline")
        core = peel(condition) if condition is not None else node
        if core.type == "comparison_expression" and text_of(core.children[1]).lower() == "-is":
            tested, wanted = peel(core.children[0]), peel(core.children[2])
            if tested.type == "variable" and wanted.type == "type_literal":
                return {**known, variable_name(tested): self._type(wanted)}
        return known
