"""Pushes, hands, deaths, wrong files and holds in any order: the settings stay whole at every step and end right."""

from __future__ import annotations

import datetime as dt
import os
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from fleets import Fleet, fleet, wait_until
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from lab_files import inventory
from labs import FOUR_KINDS

from iea_fleet.lab.kinds import Kind

LONG = "CHAOS_KILLS" in os.environ
SEED = int(os.environ.get("CHAOS_SEED", "20260301"))
NAMES = ("nancy-01", "nancy-02", "nancy-03")
TOMORROW = dt.datetime.now().astimezone().date() + dt.timedelta(days=1)


class Office(RuleBasedStateMachine):
    """Three workstations, and what each may hold: the contents that somebody has put there or wants there."""

    kinds: tuple[Kind, ...] = ("ssh",)
    examples = 12

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        home = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="iea-fleet-")))
        self.fleet: Fleet = self.stack.enter_context(fleet(home, len(NAMES), *self.kinds))
        self.held: set[str] = set()
        self.died = False
        self.killed = ""
        """The run that was killed last, while nothing else was done."""
        self.pushed: tuple[str, dict[str, bytes]] = ("", {})
        """The latest push, and the contents before it of what it changed, while nobody else was there since."""
        lab = self.fleet.lab
        self.usual = self.fleet.inventory
        self.wrong = inventory(
            lab, "wrong", (f"update_url: {lab.info.update_url}\n", "update_url: https://localhost:1/updates\n")
        )

    def teardown(self) -> None:
        try:
            self.fleet.inventory = self.usual
            self.fleet.assert_settled(self.fleet.apply())
        finally:
            self.stack.close()

    @initialize()
    def first(self) -> None:
        self.fleet.assert_settled(self.fleet.apply())

    @rule()
    def apply(self) -> None:
        before = self.contents()
        applied = self.fleet.apply()
        changed = [name for name in NAMES if applied.cell(name)["status"] == "changed"]
        self.pushed = (applied.document["run"]["id"], {name: before[name] for name in changed})
        self.killed = ""
        for name in NAMES:
            status = applied.cell(name)["status"]
            if name in self.held:
                assert status in ("held", "in_sync"), (name, status)
                assert self.fleet.lab.file(name).read_bytes() == before[name]
            else:
                assert status in ("changed", "in_sync"), (name, status)
                assert self.fleet.lab.file(name).read_bytes() == self.fleet.right[name]
        self.died &= bool(self.held)

    @rule()
    def resume(self) -> None:
        """What a killed run has left is carried on; where it was at work is settled first."""
        if not self.killed:
            return
        carried_on = self.fleet.cli.run("resume", self.killed, "--format", "json")
        self.killed, self.pushed = "", ("", {})
        assert {carried_on.cell(name)["status"] for name in carried_on.statuses} <= {"changed", "in_sync", "held"}
        for name in NAMES:
            if name not in self.held:
                assert self.fleet.lab.file(name).read_bytes() == self.fleet.right[name], carried_on.out
        self.died &= bool(self.held)

    @rule()
    def rollback(self) -> None:
        """What the latest push changed is as it was before, unless the workstation is held."""
        run, before = self.pushed
        if not before or self.died:
            return
        back = self.fleet.cli.run("rollback", run, "--yes", "--format", "json")
        self.killed, self.pushed = "", ("", {})
        for name, content in before.items():
            if name not in self.held:
                assert self.fleet.lab.file(name).read_bytes() == content, back.out

    def contents(self) -> dict[str, bytes]:
        """The settings files as they are."""
        return {name: self.fleet.lab.file(name).read_bytes() for name in NAMES}

    @rule(name=st.sampled_from(NAMES))
    def edit_by_hand(self, name: str) -> None:
        """Somebody unticks « Sécurisé »."""
        if self.died:
            return  # what is edited after a death is left alone once, which test_sets_of_files holds
        right = self.fleet.right[name]
        marked = re.sub(rb"(connexion\.securisee[ =:]+)O", rb"\1N", right)
        assert marked != right
        self.fleet.former.add(self.fleet.old[name])
        self.fleet.old[name] = marked
        self.fleet.write(name, marked)
        self.pushed = ("", {})

    @rule(name=st.sampled_from(NAMES), number=st.integers(1, 90))
    def crash(self, name: str, number: int) -> None:
        """The controller is killed when this workstation has come to this request, if it ever does."""
        self.fleet.forget_pauses()
        self.fleet.lab.break_(name, f"pause-at={number}")
        with self.fleet.killed_apply() as process:
            wait_until(lambda: bool(self.fleet.pauses()), process)
        self.fleet.lab.mend(name)
        self.died, self.pushed = True, ("", {})
        latest = self.fleet.cli.run("runs", "--format", "json").document["runs"][0]["run"]
        self.killed = latest["id"] if latest["ended_at"] is None else ""

    @rule(name=st.sampled_from(NAMES), number=st.integers(1, 90))
    def restart(self, name: str, number: int) -> None:
        """The workstation restarts in the middle of a push."""
        self.fleet.lab.break_(name, f"die-after={number}")
        self.fleet.apply()
        self.fleet.mend()
        self.died, self.killed, self.pushed = True, "", ("", {})

    @rule()
    def wrong_files(self) -> None:
        """Somebody wants an address that does not answer: the test before the push keeps it from being written."""
        before = self.contents()
        if self.died:
            return
        applied = self.fleet.cli.run("apply", self.wrong, self.fleet.at_once, "--yes", "--format", "json")
        assert applied.exit_code == 1
        assert self.contents() == before

    @rule(name=st.sampled_from(NAMES))
    def hold(self, name: str) -> None:
        """The inventory holds a workstation until tomorrow, or none when it was held already."""
        self.killed = ""
        self.held = set() if name in self.held else {name}
        text = self.usual.read_text(encoding="utf-8")
        for held in self.held:
            line = f"hold: {{until: {TOMORROW}, reason: in repair}}"
            text, count = re.subn(rf"(?m)^( +)({held}):\n", rf"\1\2:\n\1  {line}\n", text)
            assert count == 1
        path = self.fleet.lab.directory / "held.yml"
        path.write_text(text, encoding="utf-8")
        self.fleet.inventory = path

    @invariant()
    def every_file_is_whole(self) -> None:
        self.fleet.assert_whole()


class WindowsOffice(Office):
    """The same, with a workstation of each kind of Windows."""

    kinds = FOUR_KINDS[1:]
    examples = 6


@pytest.mark.parametrize("office", [Office, WindowsOffice])
def test_any_order(office: type[Office]) -> None:
    run_state_machine_as_test(
        seed(SEED)(office),
        settings=settings(
            max_examples=office.examples if LONG else 1,
            stateful_step_count=14 if LONG else 8,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
