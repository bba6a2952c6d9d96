"""Whether the shipped PowerShell scripts pass their gates: syntax, commands, and the .NET of Windows PowerShell 5.1."""

from __future__ import annotations

import sys
from pathlib import Path

from powershell_gates import commands, syntax
from powershell_gates.api import Check
from powershell_gates.profile import Profile
from powershell_gates.script import Problem, Script

SCRIPTS = Path(__file__).resolve().parent.parent / "iea_fleet" / "transports" / "windows"
GIVEN = {"agent.ps1": frozenset({"batch"})}
"""Variables that a script finds set: the bootstrap leaves the batch to the agent."""


def problems(script: Script, profile: Profile) -> list[Problem]:
    """All that the gates say of a script, in the order of its lines."""
    found = {
        *syntax.problems(script),
        *commands.problems(script, profile.aliases, given=GIVEN.get(script.name, frozenset())),
        *Check(script, profile).problems,
    }
    return sorted(found, key=lambda problem: (problem.line, problem.words))


def main() -> int:
    """0 when nothing is wrong; else 1, and each problem in a line of its own."""
    profile = Profile.committed()
    wrong = 0
    for name in ("bootstrap.ps1", "agent.ps1"):
        for problem in problems(Script.read(SCRIPTS / name), profile):
            wrong += 1
            print(f"{name}:{problem.line}: {problem.words}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
