"""``doctor`` on POSIX workstations of the lab: what a person would check, with the real command."""

from __future__ import annotations

import signal
import socketserver
import threading
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command_line import LONGEST, CommandLine, Ran
from lab_files import inventory, left_behind, port, settings
from labs import RunningLab
from sshd import make_key

from iea_fleet.model.request import temporary_name
from iea_fleet.reports.doctor_as_json import doctor_schema

ONE = "nancy-01"
WAY_IN = ["name", "port", "first_word", "host_key", "login"]
INSIDE = ["folders", "settings", "version", "run", "writing", "private", "room", "clock"]
ALL = WAY_IN + INSIDE
PASSWORD = "correct-horse-battery-staple-5471"
VALIDATOR = jsonschema.Draft202012Validator(doctor_schema())


def doctor(cli: CommandLine, file: Path, *more: str) -> Ran:
    """The findings as JSON, which have to be of the schema."""
    ran = cli.run("doctor", file, "--format", "json", *more)
    assert list(VALIDATOR.iter_errors(ran.document)) == []
    return ran


def steps(ran: Ran, workstation: str = ONE) -> dict[str, dict[str, Any]]:
    """The steps of a workstation by name."""
    return {step["name"]: step for step in ran.workstations[workstation]["steps"]}


def findings(ran: Ran, workstation: str = ONE) -> dict[str, str]:
    """What is not well of a workstation."""
    return {name: step["finding"] for name, step in steps(ran, workstation).items() if step["finding"] != "ok"}


def quick(office: RunningLab) -> Path:
    """The lab's inventory with little patience."""
    return inventory(office, "quick", ("timeout: 10", "timeout: 2"))


def test_all_is_well_and_nothing_is_left(office: RunningLab, cli: CommandLine) -> None:
    before = settings(office)
    ran = doctor(cli, office.inventory)
    assert ran.exit_code == 0
    assert list(ran.workstations) == office.names
    for name in office.names:
        assert list(steps(ran, name)) == ALL
        assert findings(ran, name) == {}
        assert ran.workstations[name]["verdict"] == "ok"
        assert all(step["seconds"] is not None for step in steps(ran, name).values())
    assert (settings(office), left_behind(office)) == (before, [])
    assert cli.run("runs").out == "No run yet.\n"


def test_what_an_apply_has_made_is_known(office: RunningLab, cli: CommandLine) -> None:
    assert "the first apply makes it" in steps(doctor(cli, office.inventory))["private"]["seen"]
    assert cli.run("apply", office.inventory, "--yes").exit_code == 0
    ran = doctor(cli, office.inventory)
    assert (ran.exit_code, findings(ran)) == (0, {})
    assert steps(ran)["private"]["seen"] == "/iea-fleet is there, for us alone"


@pytest.mark.parametrize(
    ("fault", "name", "finding", "code", "exit_code"),
    [
        ("offline", "port", "bad", "refused", 4),
        ("hang", "first_word", "bad", "no_banner", 1),
        ("new-host-key", "host_key", "bad", "host_key_changed", 1),
        ("drop-after=3", "settings", "bad", "connection_lost", 1),
        ("garbage", "settings", "bad", "unreadable_format", 1),
        ("planted-run", "run", "warn", "held_by_run", 0),
        ("read-only", "writing", "bad", "no_rights", 1),
        ("disk-full", "room", "bad", "disk_full", 1),
        ("clock=+3h", "clock", "warn", "clock_differs", 0),
        ("clock=-3h", "clock", "warn", "clock_differs", 0),
    ],
)
def test_each_fault_is_named(
    office: RunningLab, cli: CommandLine, fault: str, name: str, finding: str, code: str, exit_code: int
) -> None:
    office.break_(ONE, fault)
    ran = doctor(cli, quick(office), "--limit", ONE)
    step = steps(ran)[name]
    assert (step["finding"], step["reason_code"], ran.exit_code) == (finding, code, exit_code)
    assert step["remedy"]
    assert list(steps(ran)) == ALL, "what was not tried is told too"
    if finding == "bad" and name in WAY_IN:
        after = ALL[ALL.index(name) + 1 :]
        assert findings(ran) == {name: "bad", **dict.fromkeys(after, "not_tried")}
        assert {steps(ran)[one]["seen"] for one in after} == {f"needs {name.replace('_', ' ')}"}


def test_the_clock_is_told_in_hours(office: RunningLab, cli: CommandLine) -> None:
    office.break_(ONE, "clock=-3h")
    assert steps(doctor(cli, office.inventory, "--limit", ONE))["clock"]["seen"] == "3 h 00 min behind ours"


def test_one_wrong_workstation_keeps_no_other_from_being_well(office: RunningLab, cli: CommandLine) -> None:
    office.break_(ONE, "offline")
    office.break_("toul-01", "read-only")
    ran = doctor(cli, office.inventory)
    verdicts = {name: row["verdict"] for name, row in ran.workstations.items()}
    assert verdicts == {**dict.fromkeys(office.names, "ok"), ONE: "offline", "toul-01": "bad"}
    assert ran.exit_code == 1, "bad comes before offline"


def test_the_wrong_user_and_the_wrong_key(office: RunningLab, cli: CommandLine, tmp_path: Path) -> None:
    stranger = inventory(office, "stranger", ("user: iea-admin", "user: somebody-else"))
    key = make_key(tmp_path / "other")
    other_key = inventory(office, "other-key", (str(office.directory / "id_ed25519"), str(key)))
    for file in (stranger, other_key):
        ran = doctor(cli, file, "--limit", ONE)
        login = steps(ran)["login"]
        assert (login["finding"], login["reason_code"], ran.exit_code) == ("bad", "key_refused", 1)
        assert "authorized_keys" in login["remedy"]


def test_a_secret_that_cannot_be_had_keeps_us_from_logging_in_alone(office: RunningLab, cli: CommandLine) -> None:
    file = inventory(
        office,
        "no-secret",
        ("version: 1\n", "version: 1\nsecrets: {env: {kind: env, names: [NOT_SET]}}\n"),
        ("    user: iea-admin", "    user: iea-admin\n    password: env:NOT_SET"),
    )
    ran = doctor(cli, file, "--limit", ONE)
    found = findings(ran)
    assert found.pop("login") == "bad"
    assert found == dict.fromkeys(INSIDE, "not_tried")
    assert "NOT_SET" in steps(ran)["login"]["seen"]


def test_a_name_that_nobody_knows_is_offline(office: RunningLab, cli: CommandLine) -> None:
    address = f"address: 127.0.0.1\n        connection: {{port: {port(office, ONE)}}}"
    file = inventory(office, "nameless", (address, address.replace("127.0.0.1", "nowhere.invalid")))
    ran = doctor(cli, file, "--limit", ONE)
    assert (ran.exit_code, ran.workstations[ONE]["verdict"]) == (4, "offline")
    assert steps(ran)["name"]["reason_code"] == "name_unknown"


def test_guided_workstations_say_so(office: RunningLab, cli: CommandLine) -> None:
    file = inventory(office, "guided", (f"port: {port(office, ONE)}", "transport: none"))
    ran = doctor(cli, file, "--limit", f"{ONE},nancy-02")
    assert ran.exit_code == 0
    assert (ran.workstations[ONE]["verdict"], list(steps(ran))) == ("guided", ["guided"])
    assert ran.workstations["nancy-02"]["verdict"] == "ok"
    text = cli.run("doctor", file, "--limit", f"{ONE},nancy-02").text
    assert "a person sets this workstation at the window" in text
    assert "2 workstations examined: 1 guided, 1 well" in text


def test_nothing_is_written_where_it_must_not_be(office: RunningLab, cli: CommandLine) -> None:
    folder = office.file(ONE).parent
    hold = f"connection: {{port: {port(office, ONE)}}}"
    held = inventory(office, "held", (hold, f"{hold}\n        hold: {{reason: audit}}"))
    before = folder.stat().st_mtime_ns
    for file, more, why in (
        (office.inventory, ("--read-only",), "--read-only"),
        (held, (), "the inventory holds this workstation (audit)"),
    ):
        ran = doctor(cli, file, "--limit", ONE, *more)
        assert (ran.exit_code, findings(ran)) == (0, {"writing": "not_tried", "clock": "not_tried"})
        assert why in steps(ran)["writing"]["seen"]
    office.break_(ONE, "planted-run")
    ran = doctor(cli, office.inventory, "--limit", ONE)
    assert findings(ran) == {"run": "warn", "writing": "not_tried", "clock": "not_tried"}
    assert folder.stat().st_mtime_ns == before


def test_what_a_killed_doctor_leaves_is_removed_by_the_next_apply(office: RunningLab, cli: CommandLine) -> None:
    settings_file = office.file(ONE)
    scratch = temporary_name(settings_file.name, "0123456789abcdef")
    left = [settings_file.with_name(scratch), settings_file.with_name(temporary_name(scratch, "fedcba9876543210"))]
    for file in left:
        file.write_text("made by iea-fleet doctor")
    assert cli.run("apply", office.inventory, "--yes", "--limit", ONE).exit_code == 0
    assert [file for file in left if file.exists()] == []


def test_a_private_folder_of_somebody_else(office: RunningLab, cli: CommandLine) -> None:
    private = office.file(ONE, "/iea-fleet")
    private.mkdir(mode=0o755)
    ran = doctor(cli, office.inventory, "--limit", ONE)
    assert (steps(ran)["private"]["finding"], ran.exit_code) == ("bad", 1)
    assert steps(ran)["private"]["seen"] == "the folder /iea-fleet can be read by others"
    private.rmdir()
    private.symlink_to(office.file(ONE).parent)
    assert "is a link" in steps(doctor(cli, office.inventory, "--limit", ONE))["private"]["seen"]


def test_iea_is_not_installed_where_the_layout_says(office: RunningLab, cli: CommandLine) -> None:
    folder = office.file(ONE).parent
    folder.rename(folder.with_name("elsewhere"))
    ran = doctor(cli, office.inventory, "--limit", ONE)
    assert (steps(ran)["folders"]["reason_code"], ran.exit_code) == ("no_folder", 1)
    assert steps(ran)["settings"]["reason_code"] == "settings_absent"
    folder.with_name("elsewhere").rename(folder)


def test_few_workstations_show_all_steps_and_many_what_is_wrong(office: RunningLab, cli: CommandLine) -> None:
    office.break_(ONE, "read-only")
    few = cli.run("doctor", office.inventory, "--limit", "nancy-*")
    assert "✓ host key" in few.out
    many = cli.run("doctor", office.inventory)
    assert "✓ host key" not in many.out
    assert "✓ nancy-02  well, " in many.out
    assert "✗ writing" in many.out
    assert many.out.splitlines()[-1] == "6 workstations examined: 1 bad, 5 well"
    assert "✓ host key" in cli.run("doctor", office.inventory, "--verbose").out


def test_ctrl_c_begins_no_other_workstation(office: RunningLab, cli: CommandLine) -> None:
    office.break_(ONE, "hang")
    with cli.started("doctor", quick(office), "--concurrency", "1") as process:
        until = time.monotonic() + LONGEST
        while not (cli.state / "history.sqlite").exists() and not list(cli.state.glob("*")):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LONGEST)
    assert process.returncode == 130
    assert "5 not examined" in out


class _Quoting(socketserver.BaseRequestHandler):
    """Something that says a password that it has heard somewhere."""

    def handle(self) -> None:
        self.request.sendall(f"220 {PASSWORD}\r\n".encode())


def test_a_secret_is_hidden_before_a_line_is_broken(office: RunningLab, cli: CommandLine) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), _Quoting) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        file = inventory(
            office,
            "quoted",
            ("version: 1\n", "version: 1\nsecrets: {env: {kind: env, names: [PASSWORD]}}\n"),
            ("    user: iea-admin", "    user: iea-admin\n    password: env:PASSWORD"),
            ("timeout: 10", "timeout: 1"),
            (f"port: {port(office, ONE)}", f"port: {server.server_address[1]}"),
        )
        knowing = CommandLine(cli.home, {"PASSWORD": PASSWORD, "COLUMNS": "50"})
        said = [knowing.run("doctor", file, "--limit", ONE, "--format", form).out for form in ("text", "json")]
        server.shutdown()
    for text in said:
        assert "[secret]" in text
        assert PASSWORD not in "".join(text.split())


def test_a_selector_that_matches_nothing(office: RunningLab, cli: CommandLine) -> None:
    assert cli.run("doctor", office.inventory, "--limit", "metz-*").exit_code == 2
