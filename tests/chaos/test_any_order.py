"""Pushes, hands, deaths, wrong files and holds in any order: the settings stay whole at every step and end right."""

from __future__ import annotations

import datetime as dt
import os
import re
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from fleets import Fleet, fleet, wait_until
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from lab_files import inventory

LONG = "CHAOS_KILLS" in os.environ
NAMES = ("nancy-01", "nancy-02", "nancy-03")
TOMORROW = dt.datetime.now().astimezone().date() + dt.timedelta(days=1)


class Office(RuleBasedStateMachine):
    """Three workstations, and what each may hold: the contents that somebody has put there or wants there."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        home = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="iea-fleet-")))
        self.fleet: Fleet = self.stack.enter_context(fleet(home, len(NAMES)))
        self.held: set[str] = set()
        self.died = False
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
        applied = self.fleet.apply()
        for name in NAMES:
            status = applied.cell(name)["status"]
            if name in self.held:
                assert status == "held", (name, status)
            else:
                assert status in ("changed", "in_sync"), (name, status)
                assert self.fleet.lab.file(name).read_bytes() == self.fleet.right[name]
        self.died &= bool(self.held)

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

    @rule(name=st.sampled_from(NAMES), number=st.integers(1, 90))
    def crash(self, name: str, number: int) -> None:
        """The controller is killed when this workstation has come to this request, if it ever does."""
        self.fleet.forget_pauses()
        self.fleet.lab.break_(name, f"pause-at={number}")
        with self.fleet.killed_apply() as process:
            wait_until(lambda: bool(self.fleet.pauses()), process)
        self.fleet.lab.mend(name)
        self.died = True

    @rule(name=st.sampled_from(NAMES), number=st.integers(1, 90))
    def restart(self, name: str, number: int) -> None:
        """The workstation restarts in the middle of a push."""
        self.fleet.lab.break_(name, f"die-after={number}")
        self.fleet.apply()
        self.fleet.lab.mend(name)
        time.sleep(1.2)
        self.died = True

    @rule()
    def wrong_files(self) -> None:
        """Somebody wants an address that does not answer: the test before the push keeps it from being written."""
        before = {name: self.fleet.lab.file(name).read_bytes() for name in NAMES}
        if self.died:
            return
        applied = self.fleet.cli.run("apply", self.wrong, self.fleet.at_once, "--yes", "--format", "json")
        assert applied.exit_code == 1
        assert {name: self.fleet.lab.file(name).read_bytes() for name in NAMES} == before

    @rule(name=st.sampled_from(NAMES))
    def hold(self, name: str) -> None:
        """The inventory holds a workstation until tomorrow, or none when it was held already."""
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


def test_any_order() -> None:
    run_state_machine_as_test(
        Office,
        settings=settings(
            max_examples=12 if LONG else 1,
            stateful_step_count=14 if LONG else 8,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
