"""plan -o, show and apply --plan on a lab: exactly that plan, what moved is stale, and nothing else is written."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path

import asyncssh
import jsonschema
import pytest
from command_line import CommandLine, Ran
from drawn_plans import document
from lab_files import inventory, put_right, settings
from labs import RunningLab
from offices import on_each_kind

from iea_fleet.reports import plan_as_json


@pytest.fixture
def patient(office: RunningLab) -> Path:
    """A playbook whose rollout goes on whatever comes of a workstation: how rollouts stop is no matter of plans."""
    file = office.directory / "patient.yml"
    file.write_text("version: 1\nrollout: {waves: ['100%'], max_failed: '100%'}\n", encoding="utf-8")
    return file


@pytest.fixture
def plan(cli: CommandLine, office: RunningLab, patient: Path) -> Path:
    """A plan for all six, made before anything happened."""
    file = cli.home / "p.json"
    ran = cli.run("plan", office.inventory, patient, "-o", file)
    assert ran.exit_code == 3, ran
    assert "6 workstations: 6 to change" in ran.out
    assert "read it with iea-fleet show" in ran.err
    return file


def apply(cli: CommandLine, office: RunningLab, plan: Path, *more: str | Path, file: Path | None = None) -> Ran:
    return cli.run("apply", file or office.inventory, "--plan", plan, "--yes", "--format", "json", *more)


@on_each_kind
def test_one_that_was_edited_since_is_stale_and_the_others_are_applied(
    cli: CommandLine, office: RunningLab, plan: Path
) -> None:
    before = settings(office)
    office.break_("nancy-01", "edited")
    by_hand = office.file("nancy-01").read_bytes()
    ran = apply(cli, office, plan)
    assert ran.exit_code == 1
    assert ran.statuses == {name: "stale" if name == "nancy-01" else "changed" for name in office.names}
    cell = ran.cell("nancy-01")
    assert cell["reason_code"] == "moved_since_plan"
    url = f"http://localhost:{office.info.update_url.partition(':')[2].partition(':')[2].partition('/')[0]}"
    assert f"(moved: update_url: {url}/updates → {url})" in cell["reason"]
    assert office.file("nancy-01").read_bytes() == by_hand
    for name in set(office.names) - {"nancy-01"}:
        assert office.file(name).read_bytes() == put_right(office, before[name].content)
    shown = cli.run("show", "last")
    assert "1 stale, 5 changed" in shown.out
    assert "p.json  sha256:" in shown.out


def test_whichever_was_edited_all_others_are_applied_by_the_rollout_of_every_day(
    cli: CommandLine, office: RunningLab
) -> None:
    """As `plan -o`, `lab break`, `apply --plan` do it, without a playbook; also where it is the first canary."""
    for edited in office.names:
        with office.restored():
            file = cli.home / f"{edited}.json"
            assert cli.run("plan", office.inventory, "-o", file).exit_code == 3
            assert cli.run("lab", "break", edited, "edited", "--dir", office.directory).exit_code == 0
            by_hand = office.file(edited).read_bytes()
            ran = apply(cli, office, file)
            assert ran.exit_code == 1
            assert ran.statuses == {name: "stale" if name == edited else "changed" for name in office.names}
            assert "budget: 0 failed and 1 stale of 6 selected; max_failed 5% = 0; it goes on" in ran.err
            assert office.file(edited).read_bytes() == by_hand


def test_a_stale_canary_is_no_canary_and_a_failure_after_it_stops_the_rollout(
    cli: CommandLine, office: RunningLab
) -> None:
    file = cli.home / "p.json"
    assert cli.run("plan", office.inventory, "-o", file).exit_code == 3
    office.break_("nancy-01", "edited")
    for name in set(office.names) - {"nancy-01"}:
        office.break_(name, "read-only")
    ran = apply(cli, office, file)
    assert sorted(ran.statuses.values()) == ["failed"] + ["skipped"] * 4 + ["stale"]
    assert "the budget is spent: 1 failed and 1 stale of 6 selected; max_failed 5% = 0" in ran.err


@on_each_kind
def test_a_plan_does_its_work_once_and_says_so(cli: CommandLine, office: RunningLab, plan: Path) -> None:
    assert apply(cli, office, plan).exit_code == 0
    after = settings(office)
    again = apply(cli, office, plan)
    assert again.exit_code == 0
    assert set(again.statuses.values()) == {"in_sync"}
    assert {again.cell(name)["reason_code"] for name in office.names} == {"already_done"}
    assert "6 workstations already had what the plan asks, and nothing was written there" in again.err
    assert settings(office) == after
    office.break_("toul-01", "edited")
    third = apply(cli, office, plan)
    assert third.exit_code == 1
    assert third.statuses["toul-01"] == "stale"
    assert "5 workstations already had" in third.err


def test_one_that_was_in_sync_is_not_written_to_when_it_moves(
    cli: CommandLine, office: RunningLab, patient: Path
) -> None:
    assert cli.run("apply", office.inventory, "--yes").exit_code == 0
    file = cli.home / "p.json"
    assert cli.run("plan", office.inventory, patient, "--output", file).exit_code == 0
    office.break_("toul-02", "edited")
    by_hand = office.file("toul-02").read_bytes()
    ran = apply(cli, office, file)
    assert ran.statuses == {name: "stale" if name == "toul-02" else "in_sync" for name in office.names}
    assert "secure: true → false" in ran.cell("toul-02")["reason"]
    assert office.file("toul-02").read_bytes() == by_hand
    assert ran.err.count("already had") == 0


def test_limit_narrows_and_nothing_outside_the_plan_is_written(cli: CommandLine, office: RunningLab) -> None:
    file = cli.home / "p.json"
    assert cli.run("plan", office.inventory, "-o", file, "--limit", "office:nancy,toul-01").exit_code == 3
    assert document(file)["limit"] == ["office:nancy", "toul-01"]
    before = settings(office)
    two = apply(cli, office, file, "--limit", "nancy-01,toul-*")
    assert two.exit_code == 1
    assert two.statuses == {"nancy-01": "changed", "toul-01": "changed", "toul-02": "skipped"}
    assert two.cell("toul-02")["reason_code"] == "not_in_plan"
    none = apply(cli, office, file, "--limit", "office:epinal")
    assert none.exit_code == 2
    assert "the plan has nothing for epinal-01, epinal-02" in none.err
    rest = apply(cli, office, file)
    assert rest.statuses == {"nancy-01": "in_sync", "nancy-02": "changed", "toul-01": "in_sync"}
    for name in ("toul-02", "epinal-01", "epinal-02"):
        assert settings(office)[name] == before[name]


@on_each_kind
def test_one_that_was_not_reached_then_is_not_written_to_now(cli: CommandLine, office: RunningLab) -> None:
    office.break_("epinal-01", "offline")
    file = cli.home / "p.json"
    assert cli.run("plan", office.inventory, "-o", file).exit_code == 3
    assert [one["planned"] for one in document(file)["workstations"]].count(False) == 1
    office.mend("epinal-01")
    before = office.file("epinal-01").read_bytes()
    ran = apply(cli, office, file)
    assert ran.exit_code == 4
    cell = ran.cell("epinal-01")
    assert (cell["status"], cell["reason_code"]) == ("offline", "not_in_plan")
    assert "nothing was done here; plan again" in cell["reason"]
    assert office.file("epinal-01").read_bytes() == before
    assert ran.document["summary"] == {"offline": 1, "changed": 5}


def test_it_asks_with_the_plan_shown(cli: CommandLine, office: RunningLab, plan: Path) -> None:
    before = settings(office)
    with cli.at_terminal("apply", office.inventory, "--plan", plan, "--limit", "toul-*") as terminal:
        terminal.wait_for("Write to 2 workstations? Only yes is taken as yes: ")
        shown = re.sub(r"\s+", " ", terminal.screen)
        assert "secure: false → true" in shown
        assert "2 workstations: 2 to change" in shown
        assert settings(office) == before
        terminal.type("no\n")
        assert terminal.end() == 1
    assert settings(office) == before
    with cli.at_terminal("apply", office.inventory, "--plan", plan, "--limit", "toul-*") as terminal:
        terminal.wait_for("Only yes is taken as yes: ")
        terminal.type("yes\n")
        assert terminal.end() == 0
    assert {name for name in office.names if settings(office)[name] != before[name]} == {"toul-01", "toul-02"}
    asked = cli.run("apply", office.inventory, "--plan", plan)
    assert asked.exit_code == 2
    assert "add --yes" in asked.err


def test_a_reviewer_sees_where_it_comes_from_and_each_change_once(
    cli: CommandLine, office: RunningLab, plan: Path
) -> None:
    shown = cli.run("show", "p.json")
    assert shown.exit_code == 0
    assert shown.text.count("6 workstations: 6 to change") == 1
    assert "signature holds" in shown.text
    assert "epinal-02, nancy-01, toul-01, toul-02" in shown.text
    printed = cli.run("show", plan, "--format", "json")
    assert printed.document == document(plan)
    assert list(jsonschema.Draft202012Validator(plan_as_json.schema()).iter_errors(printed.document)) == []
    elsewhere = CommandLine(cli.home / "elsewhere")
    elsewhere.home.mkdir()
    assert "of another history: whether this was edited cannot be told" in elsewhere.run("show", plan).text


def unwritten(office: RunningLab, ran: Ran, *said: str) -> None:
    """The whole plan was refused: exit 2, in clear words, nobody gone to and nothing written."""
    assert ran.exit_code == 2, ran
    assert ran.out == ""
    assert "[1/6]" not in ran.err
    for words in said:
        assert words in ran.err, ran.err
    assert all(put_right(office, file.content) != file.content for file in settings(office).values())


def test_an_edited_or_cut_off_plan_is_refused_as_a_whole(cli: CommandLine, office: RunningLab, plan: Path) -> None:
    content = plan.read_bytes()
    plan.write_bytes(content.replace(b"/updates", b"/uqdates", 1))
    unwritten(office, apply(cli, office, plan), "its signature does not hold", "plan again")
    assert cli.run("show", plan).exit_code == 2
    plan.write_bytes(content[: len(content) // 2])
    unwritten(office, apply(cli, office, plan), "is no plan of iea-fleet: it is not whole")
    unwritten(office, apply(cli, office, office.inventory), "is no plan of iea-fleet")
    unwritten(office, apply(cli, office, cli.home / "missing"), "cannot be read: No such file")


def test_a_plan_of_another_history_is_refused(cli: CommandLine, office: RunningLab, plan: Path) -> None:
    elsewhere = CommandLine(cli.home / "elsewhere")
    elsewhere.home.mkdir()
    unwritten(office, apply(elsewhere, office, plan), "was made on another history", "--state-dir")


def test_a_plan_of_another_inventory_is_refused(cli: CommandLine, office: RunningLab, plan: Path) -> None:
    name = document(plan)["inventory"]
    other = inventory(office, "other", (f'name: "{name}"', 'name: "Another"'))
    ran = apply(cli, office, plan, file=other)
    unwritten(office, ran, f"the plan is for the inventory '{name}', and this is 'Another'")


def test_changed_files_are_named(cli: CommandLine, office: RunningLab) -> None:
    changed = inventory(office, "changed")
    folder = changed.parent / "more"
    folder.mkdir(exist_ok=True)
    (folder / "one.yml").write_text("version: 1\n")
    changed.write_text(changed.read_text().replace("version: 1\n", "version: 1\ninclude: more/*.yml\n", 1))
    playbook = changed.parent / "only.yml"
    playbook.write_text("version: 1\nprobes: []\n")
    file = cli.home / "p.json"
    assert cli.run("plan", changed, playbook, "-o", file).exit_code == 3
    assert set(document(file)["files"]) == {"changed.yml", "more/one.yml", "only.yml", "iea_fleet/layouts/lab.yml"}
    assert document(file)["playbook"]["file"] == "only.yml"

    kept = (folder / "one.yml").read_text()
    (folder / "one.yml").write_text("version: 1\n# a word more\n")
    unwritten(office, apply(cli, office, file, file=changed), "more/one.yml was changed", "then plan again")
    (folder / "one.yml").write_text(kept)
    (folder / "two.yml").write_text(kept)
    unwritten(office, apply(cli, office, file, file=changed), "more/two.yml was not read then")
    (folder / "two.yml").unlink()
    (folder / "one.yml").unlink()
    unwritten(office, apply(cli, office, file, file=changed), "more/one.yml is not read any more")
    (folder / "one.yml").write_text(kept)
    playbook.rename(changed.parent / "away.yml")
    unwritten(office, apply(cli, office, file, file=changed), "the playbook only.yml, which is not there")
    (changed.parent / "away.yml").rename(playbook)
    # The plan knows its playbook, and where the command is started makes no difference.
    ran = cli.run("apply", Path("changed.yml"), "--plan", file, "--yes", "--format", "json", folder=changed.parent)
    assert set(ran.statuses.values()) == {"changed"}
    assert {cell["address"] for row in ran.workstations.values() for cell in row["cells"]} == {"server_connection"}
    shutil.rmtree(folder)


def test_a_file_that_is_no_plan_is_not_overwritten_and_nobody_is_asked(cli: CommandLine, office: RunningLab) -> None:
    content = office.inventory.read_bytes()
    ran = cli.run("plan", office.inventory, "-o", office.inventory)
    assert ran.exit_code == 2
    assert "is there already and is no plan; it was left as it is" in ran.err
    assert "[1/6]" not in ran.err
    assert office.inventory.read_bytes() == content
    assert cli.run("plan", office.inventory, "-o", cli.home / "no" / "p.json").exit_code == 2


def test_a_plan_that_was_interrupted_is_not_kept(cli: CommandLine, office: RunningLab) -> None:
    for name in office.names:
        office.break_(name, "slow=300")
    file = cli.home / "p.json"
    with cli.started("plan", office.inventory, "-o", file, "--concurrency", "1") as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, first + err
    assert f"interrupted, so the plan is not whole; {file} was not written" in err
    assert not file.exists()


def test_a_secret_is_in_no_plan(cli: CommandLine, office: RunningLab) -> None:
    canary = "Zq7!canary-of-the-passphrase"
    key = asyncssh.read_private_key(office.directory / "id_ed25519")
    sealed = office.directory / "sealed"
    sealed.write_bytes(key.export_private_key(passphrase=canary, rounds=4, ignore_few_rounds=True))
    sealed.chmod(0o600)
    with_secret = inventory(
        office,
        "with-secret",
        ("version: 1\n", "version: 1\nsecrets: {env: {kind: env, names: [CANARY]}}\n"),
        (f"{office.directory}/id_ed25519", f"{sealed}\n    key_passphrase: env:CANARY"),
    )
    knowing = CommandLine(cli.home, {"CANARY": canary})
    file = cli.home / "p.json"
    planned = knowing.run("plan", with_secret, "-o", file)
    assert planned.exit_code == 3, planned
    assert all(one["planned"] for one in document(file)["workstations"])
    shown = knowing.run("show", file)
    applied = apply(knowing, office, file, file=with_secret)
    assert set(applied.statuses.values()) == {"changed"}
    for said in (file.read_text(), planned.out, planned.err, shown.out, applied.out, applied.err):
        assert canary not in said
        assert json.dumps(canary)[1:-1] not in said
