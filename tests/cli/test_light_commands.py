"""Help, completion and validation are quick because they import little; every command explains itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from command_line import COMMAND, CommandLine
from labs import RunningLab

from iea_fleet import __version__
from iea_fleet.cli.main import COMMANDS

HEAVY = {"pydantic", "paramiko", "sqlalchemy", "rich", "httpcore", "yaml", "asyncssh", "pyrage", "jinja2"}
ALLOWED = {
    "--help": set[str](),
    "drift --help": {"pydantic"},
    "version": {"pydantic"},
    "validate": {"pydantic", "yaml", "jinja2"},
    "runs": {"sqlalchemy", "rich", "pydantic"},
}


@pytest.mark.parametrize("command", ALLOWED)
def test_a_command_imports_only_what_it_needs(cli: CommandLine, office: RunningLab, command: str) -> None:
    """typer itself imports pydantic once a command has arguments to read."""
    arguments = [*command.split(), *([str(office.inventory)] if command == "validate" else [])]
    program = (
        "import sys, iea_fleet.cli.main as main\n"
        f"sys.argv = ['iea-fleet', *{arguments!r}]\n"
        "try:\n    main.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "import json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=cli.environment, capture_output=True, text=True, check=True
    )
    imported = set(json.loads(done.stderr.splitlines()[-1])) & HEAVY
    assert imported <= ALLOWED[command]


@pytest.mark.parametrize(
    "command", [[], *([name] for name in COMMANDS), ["lab", "up"], ["lab", "break"], ["trust", "add"]]
)
def test_every_command_explains_itself(cli: CommandLine, command: list[str]) -> None:
    ran = cli.run(*command, "--help")
    assert (ran.exit_code, ran.err) == (0, "")
    assert "[[" not in ran.out
    assert ran.out.startswith(f"Usage: iea-fleet {' '.join(command)}".rstrip())
    if not command:
        for name, line in COMMANDS.items():
            assert f"{name} " in ran.out
            assert line in ran.text
        assert "Exit codes:" in ran.out


def test_the_version(cli: CommandLine) -> None:
    assert cli.run("version").out == f"iea-fleet {__version__}\n"


@pytest.mark.parametrize(("typed", "offered"), [("", set(COMMANDS)), ("st", {"status"}), ("trust ", {"scan", "add"})])
def test_the_shell_completes_commands(cli: CommandLine, typed: str, offered: set[str]) -> None:
    words = f"iea-fleet {typed}"
    environment = {
        **cli.environment,
        "_IEA_FLEET_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, check=False)
    found = {line.rpartition(",")[2] for line in done.stdout.split()}
    assert offered <= found
    if typed == "st":
        assert found == {"status"}


def test_validate_counts_what_it_read(cli: CommandLine, office: RunningLab) -> None:
    ran = cli.run("validate", "inventory.yml", folder=office.directory)
    assert ran.exit_code == 0
    assert ran.out == "inventory.yml: no mistake; 6 workstations in 3 offices, 2 files read\n"
    assert not cli.state.exists(), "validate needs no history"
