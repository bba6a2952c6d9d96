"""What can be told of a script by its text and by two grammars: syntax, ASCII, nothing newer than PowerShell 5.1."""

from __future__ import annotations

import re
from typing import Final

from powershell_gates.script import GRAMMARS, Problem, Script, parse, walk

# From about_Operators, about_Pipeline_Chain_Operators, about_Automatic_Variables and the release notes of 6.0 to 7.4.
NEWER: Final = {
    r"\?\?=?": "the null-coalescing operator is of 7.0",
    r"\$\w+\?[.\[]|\)\?\.": "the null-conditional operator is of 7.1",
    r"&&|\|\|": "pipeline chains are of 7.0",
    r"\?[^\n{}]*\s:\s": "the ternary operator is of 7.0",
    r"(?i)\bclean\s*\{": "the block clean is of 7.3",
    r"(?i)\$Is(Windows|Linux|MacOS|CoreCLR)\b": "this variable is of 6.0",
    r"(?i)\$PSStyle\b": "this variable is of 7.2",
    r"(?i)-(AsHashtable|AsByteStream|SkipCertificateCheck|Parallel)\b": "this parameter is of 6.0 or later",
    r"(?i)\butf8NoBOM\b": "this encoding is of 6.0",
    r"`[eu]": "this escape is of 6.0",
    r"(?i)\b\d+(u|ul|us|s|y|uy|n)\b": "this suffix of a number is of 6.2",
}
_SILENT: Final = frozenset({"comment", "verbatim_string_characters", "verbatim_here_string_characters"})


def problems(script: Script) -> list[Problem]:
    """All that is wrong with the text of a script."""
    return [*_not_ascii(script), *_ungrammatical(script), *_newer(script)]


def _not_ascii(script: Script) -> list[Problem]:
    return [
        Problem(number, f"only ASCII survives every code page, not {each!a}")
        for number, line in enumerate(script.text.split("\n"), start=1)
        for each in line
        if not (each.isascii() and (each.isprintable() or each == "\t"))
    ]


def _ungrammatical(script: Script) -> list[Problem]:
    return [
        Problem.at(node, f"no PowerShell, says {grammar}")
        for grammar in GRAMMARS
        for node in walk(parse(script.text, grammar))
        if node.type == "ERROR" or node.is_missing
    ]


def _newer(script: Script) -> list[Problem]:
    code = _without_words(script)
    return [
        Problem(code.count("\n", 0, found.start()) + 1, f"{found[0].strip()}: {why}")
        for pattern, why in NEWER.items()
        for found in re.finditer(pattern, code)
    ]


def _without_words(script: Script) -> str:
    """The code with comments and constant strings blanked."""
    code = bytearray(script.text.encode())
    for node in walk(script.root):
        if node.type in _SILENT:
            for place in range(node.start_byte, node.end_byte):
                if code[place] != 0x0A:
                    code[place] = 0x20
    return code.decode("utf-8", "replace")
