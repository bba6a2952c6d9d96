"""Which workstations, which resources, and which are not ours to write: limits, playbooks, holds, guided ones."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from command_line import CommandLine
from lab_files import inventory, settings
from labs import RunningLab

LIMITS = [
    (["nancy-*"], ["nancy-01", "nancy-02"]),
    (["toul-[01:02],nancy-01"], ["toul-01", "toul-02", "nancy-01"]),
    (["tag:paie"], ["epinal-02"]),
    (["office:nancy", "toul-02"], ["nancy-01", "nancy-02", "toul-02"]),
    (["all", "!office:nancy", "!toul-01"], ["toul-02", "epinal-01", "epinal-02"]),
    (["!nancy-*"], ["toul-01", "toul-02", "epinal-01", "epinal-02"]),
]


def tagged(office: RunningLab) -> Path:
    return inventory(office, "tagged", ("      epinal-02:\n", "      epinal-02:\n        tags: [paie]\n"))


@pytest.mark.parametrize(("selectors", "meant"), LIMITS, ids=" ".join)
def test_limit_visits_these_and_no_other(
    cli: CommandLine, office: RunningLab, selectors: list[str], meant: list[str]
) -> None:
    limits = [part for selector in selectors for part in ("--limit", selector)]
    # From the history, which is empty: what is selected costs no connection.
    ran = cli.run("status", tagged(office), "--last", "--format", "json", *limits)
    assert sorted(ran.statuses) == sorted(meant)
    assert set(ran.statuses.values()) == {"unknown"}


def test_limit_leaves_the_others_untouched(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)
    ran = cli.run("apply", office.inventory, "--yes", "--limit", "office:nancy", "--format", "json")
    assert ran.exit_code == 0
    assert ran.statuses == {"nancy-01": "changed", "nancy-02": "changed"}
    changed = {name for name, file in settings(office).items() if file != before[name]}
    assert changed == {"nancy-01", "nancy-02"}


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("nancy-1", "`nancy-1` matches no workstation; did you mean `nancy-01`?"),
        ("office:nanci", "`office:nanci` matches no workstation; did you mean `nancy`?"),
        ("ofice:nancy", "`ofice:` is no kind of selector; did you mean `office`?"),
    ],
)
def test_a_selector_that_means_nobody(cli: CommandLine, office: RunningLab, selector: str, said: str) -> None:
    ran = cli.run("drift", office.inventory, "--limit", selector)
    assert (ran.exit_code, ran.out) == (2, "")
    assert said in ran.err


def playbook(cli: CommandLine, text: str) -> Path:
    path = cli.home / "playbook.yml"
    path.write_text(f"version: 1\nname: ours\n{text}", encoding="utf-8")
    return path


def test_a_playbook_without_probes_and_without_the_first_test(cli: CommandLine, office: RunningLab) -> None:
    """With the servers down only a push that asks nothing first can be made."""
    office.break_("servers", "servers-down")
    book = playbook(cli, "select: nancy-01\nresources: [server_connection]\nprobes: []\ntest_first: false\n")
    ran = cli.run("apply", office.inventory, book, "--yes", "--format", "json")
    assert ran.exit_code == 0, ran
    assert ran.document["run"]["playbook"] == "ours"
    (row,) = ran.workstations.values()
    assert [cell["address"] for cell in row["cells"]] == ["server_connection"]
    assert row["status"] == "changed"


def test_a_playbook_for_another_resource_leaves_the_settings_alone(cli: CommandLine, office: RunningLab) -> None:
    path = inventory(
        office, "software", ("  server_connection: ", '  software: {wanted: "3.02.004"}\n  server_connection: ')
    )
    before = settings(office)
    book = playbook(cli, "resources: [software]\nprobes: [version]\n")
    ran = cli.run("apply", path, book, "--yes", "--format", "json")
    assert {cell["address"] for row in ran.workstations.values() for cell in row["cells"]} == {
        "software",
        "version.installed",
    }
    assert {(row["status"], row["reason_code"]) for row in ran.workstations.values()} == {("skipped", "not_built")}
    assert ran.exit_code == 0
    assert settings(office) == before


def held(office: RunningLab, until: dt.date) -> Path:
    hold = f'        hold: {{reason: "contrôle en cours", by: Claire, until: {until.isoformat()}}}\n'
    return inventory(office, "held", ("      nancy-01:\n", f"      nancy-01:\n{hold}"))


def test_a_held_workstation_is_read_and_never_written(cli: CommandLine, office: RunningLab) -> None:
    before = settings(office)["nancy-01"]
    path, today = held(office, dt.datetime.now().astimezone().date()), dt.datetime.now().astimezone().date()
    drift = cli.run("drift", path, "--limit", "nancy-01", "--format", "json")
    book = playbook(cli, "probes: []\n")
    apply = cli.run("apply", path, book, "--yes", "--limit", "nancy-01", "--format", "json")
    for ran in (drift, apply):
        cell = ran.cell("nancy-01")
        assert ran.exit_code == 0, ran
        assert (cell["status"], cell["reason_code"]) == ("held", "held_by_inventory")
        assert cell["reason"].startswith(f"held by Claire until {today}: contrôle en cours (differs: secure")
    assert settings(office)["nancy-01"] == before


def test_a_hold_that_is_over_holds_nothing(cli: CommandLine, office: RunningLab) -> None:
    path = held(office, dt.datetime.now().astimezone().date() - dt.timedelta(days=1))
    ran = cli.run("apply", path, "--yes", "--limit", "nancy-01", "--format", "json")
    assert ran.statuses == {"nancy-01": "changed"}


def test_who_is_guided_waits_for_a_person(cli: CommandLine, office: RunningLab) -> None:
    port = office.info.workstation("toul-01").port
    path = inventory(office, "guided", (f"connection: {{port: {port}}}", "connection: {transport: none}"))
    plan = cli.run("plan", path)
    assert plan.exit_code == 3
    assert "A person at the window sets 1 workstation: toul-01; the fiche:" in plan.text
    for line in ("Paramètres de connexion", "Sécurisé", office.info.authentication_url, office.info.update_url):
        assert line in plan.text
    assert "6 workstations: 5 to change, 1 by a person at the window" in plan.text
    apply = cli.run("apply", path, "--yes", "--format", "json")
    guided = apply.workstations["toul-01"]
    assert (guided["status"], guided["reason_code"]) == ("waiting", "guided")
    assert "iea-fleet plan INVENTORY --limit toul-01" in guided["reason"]
    assert apply.exit_code == 4
