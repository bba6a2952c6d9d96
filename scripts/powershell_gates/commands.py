"""What a script may run: its own functions alone, and nothing of a request ever as an argument or in a pipeline.

PowerShell's logs of modules and transcripts keep the arguments of commands and what passes through pipelines. Of a
table they keep its type. So functions take tables, and constants beside them; pipelines have one element.
"""

from __future__ import annotations

from typing import Final

from tree_sitter import Node

from powershell_gates.script import Problem, Script, literal, of_type, peel, text_of, variable_name, walk

TABLES: Final = frozenset({"item", "request", "change", "group", "first", "next", "pipe", "psversiontable"})
"""What tables are called in the scripts. What has such a name holds a table at any time."""

RUN_THE_AGENT: Final = ". $agent"
"""How the bootstrap runs the agent: in its own scope, so that no parameter takes the batch."""

_GIVEN: Final = frozenset({"null", "true", "false", "_", "psversiontable", "executioncontext", "input"})
_NEVER_SET: Final = frozenset(
    {"args", "error", "event", "executioncontext", "false", "foreach", "home", "host", "input", "matches", "ofs", "pid"}
    | {"profile", "pshome", "psitem", "psscriptroot", "pwd", "sender", "stacktrace", "switch", "this", "true", "_"}
)


def problems(script: Script, aliases: frozenset[str], *, given: frozenset[str] = frozenset()) -> list[Problem]:
    """All that a script runs and may not, and all variables it reads and never sets.

    ``aliases`` are those of PowerShell, which win over functions; ``given`` are variables set by whoever runs it.
    """
    found = [
        Problem.at(node, f"an alias of PowerShell is called {name} too, and wins")
        for name, node in script.functions.items()
        if name in aliases
    ]
    for node in walk(script.root):
        if node.type == "command":
            found += _of_command(script, node)
        elif node.type in ("|", "pipeline_chain_tail"):
            found.append(Problem.at(node, "a pipeline hands on what logs may keep; call methods instead"))
        elif node.type == "redirection":
            found.append(Problem.at(node, "a redirection is a hidden Out-File"))
        elif node.type == "function_statement":
            found += _of_parameters(node)
    return found + _of_variables(script, given)


def _of_command(script: Script, command: Node) -> list[Problem]:
    name = of_type(command, "command_name")
    if name is None:
        if text_of(command).strip() == RUN_THE_AGENT and script.name == "bootstrap.ps1":
            return []
        return [Problem.at(command, f"{text_of(command)!r} runs what nobody has read")]
    if text_of(name).lower() not in script.functions:
        return [Problem.at(command, f"{text_of(name)} is no function of this script")]
    arguments = [
        child
        for part in command.children
        if part.type == "command_elements"
        for child in part.children
        if child.type != "command_argument_sep"
    ]
    found = []
    for place, argument in enumerate(arguments):
        core = peel(argument)
        if core.type == "variable" and place == 0 and variable_name(core) in TABLES:
            continue
        if place > 0 and (literal(core) is not None or _is_parameter(core)):
            continue
        found.append(Problem.at(argument, f"{text_of(name)} is given {text_of(argument)!r}: logs would keep it"))
    if not arguments:
        found.append(Problem.at(command, f"{text_of(name)} is given nothing"))
    return found


def _is_parameter(node: Node) -> bool:
    """Whether a variable hands on the second parameter of the function around it, which is a constant then."""
    function: Node | None = node
    while function is not None and function.type != "function_statement":
        function = function.parent
    if node.type != "variable" or function is None:
        return False
    return variable_name(node) in _parameters(function)[1:]


def _of_parameters(function: Node) -> list[Problem]:
    names = _parameters(function)
    if names[:1] != ["item"]:
        return [Problem.at(function, "the first parameter of a function is $item")]
    return []


def _parameters(function: Node) -> list[str]:
    declared = of_type(function, "function_parameter_declaration")
    if declared is None:
        return []
    return [variable_name(node) for node in walk(declared) if node.type == "variable"]


def _of_variables(script: Script, given: frozenset[str]) -> list[Problem]:
    bodies = list(script.functions.values())
    outside = _set_in(script.root, bodies)
    found = _unset(script.root, bodies, outside | given)
    for body in bodies:
        found += _unset(body, [], outside | given | _set_in(body, []))
    return found


def _set_in(scope: Node, without: list[Node]) -> set[str]:
    names = set()
    for node in walk(scope, without):
        if node.type in ("left_assignment_expression", "foreach_statement"):
            target = node if node.type == "left_assignment_expression" else of_type(node, "variable")
            core = _assigned(target) if target is not None else None
            if core is not None:
                names.add(variable_name(core))
        elif node.type == "script_parameter":
            names.update(variable_name(each) for each in node.children if each.type == "variable")
    return names


def _assigned(target: Node) -> Node | None:
    """The variable that an assignment sets, behind its type; None where it sets a member."""
    core = peel(target)
    if core.type == "cast_expression":
        core = peel(core.children[-1])
    return core if core.type == "variable" else None


def _unset(scope: Node, without: list[Node], known: set[str]) -> list[Problem]:
    found = []
    for node in walk(scope, without):
        if node.type == "left_assignment_expression":
            core = _assigned(node)
            if core is not None and variable_name(core) in _NEVER_SET:
                found.append(Problem.at(node, f"{text_of(core)} is PowerShell's own"))
        elif node.type == "variable" and variable_name(node) not in known | _GIVEN:
            found.append(Problem.at(node, f"{text_of(node)} is never set"))
    return found
