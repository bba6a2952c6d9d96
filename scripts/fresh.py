"""Whether the files made from the code (schemas/, docs/commands.md) are as it says; ``--write`` makes them so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from iea_fleet.cli.main import COMMANDS
from iea_fleet.engine.schemas import documents

ROOT = Path(__file__).resolve().parent.parent
GROUPS = {
    "leases": ("INVENTORY list", "INVENTORY break"),
    "secrets": ("INVENTORY init", "INVENTORY set", "INVENTORY list", "INVENTORY check", "INVENTORY rekey"),
    "trust": ("scan", "add", "list", "remove"),
    "identities": ("INVENTORY list", "INVENTORY test", "INVENTORY clear"),
    "runs": ("verify", "prune"),
    "lab": ("up", "down", "status", "break", "mend", "portal", "portal set-password"),
}
PLAIN = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "_TYPER_STANDARD_TRACEBACK": "1"}


def help_of(*command: str) -> str:
    """What ``iea-fleet COMMAND --help`` prints, 100 columns wide."""
    program = Path(sys.executable).with_name("iea-fleet")
    run = subprocess.run([program, *command, "--help"], env=PLAIN, capture_output=True, text=True, check=True)
    return run.stdout.rstrip()


def commands() -> str:
    """The reference of the command line."""
    parts = ["# Commands", "", "Made from `--help` by `make schemas`; do not edit.", ""]
    for name in COMMANDS:
        for command in ((name,), *((name, *verb.split()) for verb in GROUPS.get(name, ()))):
            parts += [
                f"{'#' * min(3, 1 + len(command))} iea-fleet {' '.join(command)}",
                "",
                "```text",
                help_of(*command),
                "```",
                "",
            ]
    return "\n".join(parts)


def main() -> int:
    """0 when everything is fresh or was made so; 1 when something is stale."""
    wanted = {ROOT / "schemas" / name: text for name, text in documents().items()}
    wanted[ROOT / "docs" / "commands.md"] = commands()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    extra = [path for path in (ROOT / "schemas").glob("*.json") if path not in wanted]
    if "--write" in sys.argv:
        for path in stale:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        for path in extra:
            path.unlink()
        return 0
    for path in stale + extra:
        print(f"{path.relative_to(ROOT)} is not what the code says; run: make schemas", file=sys.stderr)
    return 1 if stale or extra else 0


if __name__ == "__main__":
    sys.exit(main())
