"""What ``--format json`` prints: pure JSON of one shape, the summary and the exit code of the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import jsonschema
import pytest
from command_line import CommandLine, Ran
from labs import RunningLab

from iea_fleet.reports import as_json

VALIDATOR = jsonschema.Draft202012Validator(as_json.schema(), format_checker=jsonschema.FormatChecker())
COMMANDS = ("plan", "drift", "apply", "status")


@pytest.fixture(scope="module")
def documents(six_workstations: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ran]]:
    """Each command once, over workstations of which one is offline and one waits for IEA to be closed."""
    cli = CommandLine(tmp_path_factory.mktemp("json"))
    with six_workstations.restored() as lab:
        assert cli.run("apply", lab.inventory, "--yes").exit_code == 0
        lab.break_("toul-02", "offline")
        for fault in ("edited", "iea-open"):
            lab.break_("epinal-01", fault)
        lab.break_("nancy-01", "edited")
        yield {
            command: cli.run(command, lab.inventory, "--format", "json", *(["--yes"] if command == "apply" else []))
            for command in COMMANDS
        }


@pytest.mark.parametrize("command", COMMANDS)
def test_stdout_is_one_document_of_the_schema(documents: dict[str, Ran], command: str) -> None:
    ran = documents[command]
    document = ran.document
    assert list(VALIDATOR.iter_errors(document)) == []
    assert document["schema"] == "iea-fleet/run/1"
    assert document["run"]["command"] == command
    assert document["run"]["exit_code"] == ran.exit_code
    assert len(document["workstations"]) == document["run"]["selected"] == 6
    assert document["summary"] == Counter(row["status"] for row in document["workstations"])


@pytest.mark.parametrize("command", COMMANDS)
def test_progress_is_on_stderr_one_line_a_workstation(documents: dict[str, Ran], command: str) -> None:
    ran = documents[command]
    lines = [line for line in ran.err.splitlines() if line.startswith("[")]
    others = [line for line in ran.err.splitlines() if not line.startswith("[")]
    assert all(line.startswith(("wave ", "budget: ")) for line in others)
    assert bool(others) is (command == "apply"), "only a push goes in waves"
    assert [line.partition("]")[0] for line in lines] == [f"[{number}/6" for number in range(1, 7)]
    told = {line.split()[1].rstrip(":"): line.split()[2].rstrip(":") for line in lines}
    assert told == ran.statuses


def test_the_exit_codes_and_what_they_come_from(documents: dict[str, Ran]) -> None:
    assert {command: ran.exit_code for command, ran in documents.items()} == {
        "plan": 3,
        "drift": 3,
        "apply": 4,
        "status": 3,
    }
    assert documents["apply"].document["summary"] == {"waiting": 1, "offline": 1, "changed": 1, "in_sync": 3}


def test_the_run_list_and_a_shown_run_are_json_too(cli: CommandLine, office: RunningLab) -> None:
    drift = cli.run("drift", office.inventory, "--format", "json")
    shown = cli.run("show", "last", "--format", "json")
    by_name = {row["name"]: row for row in shown.document["workstations"]}
    assert by_name == drift.workstations
    assert shown.document["run"] == drift.document["run"]
    listed = cli.run("runs", "--format", "json").document
    assert [record["run"]["id"] for record in listed["runs"]] == [drift.document["run"]["id"]]
