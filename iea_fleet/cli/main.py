"""The command ``iea-fleet``: each command's module is imported only when that command is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: Mapping[str, str] = {
    "validate": "Check the files: every mistake, with its place.",
    "plan": "Show what would change; nothing is touched.",
    "apply": "Push what differs, read it back, show the matrix.",
    "resume": "Carry on an apply that was stopped or killed.",
    "drift": "Compare with the files; exit 3 when something differs.",
    "status": "The matrix: settings, servers, tray state, version.",
    "doctor": "Find out why a workstation does not answer, step by step.",
    "windows-check": "Try all that apply does on a real Windows workstation.",
    "rollback": "Put back what a run replaced.",
    "leases": "See which runs hold workstations; break a dead one's.",
    "trust": "See and accept the host keys of workstations.",
    "secrets": "Set, list and check secrets; encrypt them anew.",
    "identities": "See, test and clear Net-Entreprises accounts.",
    "runs": "List, verify and prune what was run, when and by whom.",
    "show": "Show one run again: its matrix and its differences.",
    "schema": "Print the JSON Schema of a kind of file, for an editor.",
    "lab": "A simulated network on this machine, to try it all.",
    "version": "Print the version of iea-fleet.",
}


class LazyGroup(TyperGroup):
    """Commands by name and one line of help each, until one of them is called."""

    def __init__(self, **rest: Any) -> None:  # noqa: ANN401 - typer's own arguments
        stubs = {name: TyperCommand(name, help=line) for name, line in COMMANDS.items()}
        super().__init__(**{**rest, "commands": stubs})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own types
        """The real command in place of its stub."""
        name, stub, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, stub, rest
        module = importlib.import_module(f"iea_fleet.cli.{name.replace('-', '_')}")
        return name, typer.main.get_command(module.app), rest


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Configuration as code for networks of Impact emploi association (IEA) payroll workstations.",
    epilog="Exit codes: 0 well, 1 failed, 2 wrong usage or files, 3 differs, 4 offline or waiting, 130 interrupted.",
)


@app.callback()
def _root() -> None:
    """Nothing is common to all commands."""


def main() -> None:
    """Run the command line; every expected error is one sentence and a hint on stderr."""
    from iea_fleet.cli.cleaned import clean_streams
    from iea_fleet.errors import IeaFleetError

    debug = "--debug" in sys.argv
    clean_streams()
    try:
        app()
    except IeaFleetError as error:
        if debug:
            raise
        sys.exit(_explain(error))
    except KeyboardInterrupt:
        print("iea-fleet: interrupted", file=sys.stderr)  # noqa: T201 - the command line speaks here
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _explain(error: Exception) -> int:
    """Tell an expected error on stderr; the exit code for it."""
    from iea_fleet.cli.output import complain
    from iea_fleet.errors import InvalidFilesError, UsageError

    if isinstance(error, InvalidFilesError):
        for mistake in error.mistakes:
            complain(str(mistake))
    complain(f"iea-fleet: {error}")
    return 2 if isinstance(error, InvalidFilesError | UsageError) else 1


if __name__ == "__main__":
    main()
