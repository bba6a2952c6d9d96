"""Two controllers at the same workstations at once: each workstation ends whole, and both tell the truth."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from fleets import Fleet, fleet, wait_until
from lab_files import inventory
from labs import FOUR_KINDS

from iea_fleet.history import History

WORKSTATIONS = 50
ROUNDS = 5 if "CHAOS_KILLS" in os.environ else 1
TRUE = {"changed", "in_sync", "held", "stale"}
DEAD = 24
"""Workstations of a run that was killed, each at another request."""


@pytest.mark.parametrize("shared", [False, True], ids=["two histories", "one history"])
def test_two_at_once(tmp_path: Path, shared: bool) -> None:
    with fleet(tmp_path, WORKSTATIONS, *FOUR_KINDS) as fifty:
        url = fifty.lab.info.update_url
        other = inventory(fifty.lab, "other", (f"update_url: {url}\n", f"update_url: {url}/2\n"))
        rival = fifty.cli if shared else CommandLine(tmp_path / "rival")
        rival.home.mkdir(exist_ok=True)
        others = {name: content.replace(b"/updates", b"/updates/2") for name, content in fifty.right.items()}

        def at_once() -> tuple[Ran, Ran]:
            with ThreadPoolExecutor(2) as two:
                ours = two.submit(fifty.apply)
                theirs = two.submit(rival.run, "apply", other, fifty.at_once, "--yes", "--format", "json")
                return ours.result(), theirs.result()

        for _ in range(ROUNDS):
            ours, theirs = at_once()
            untrue = {
                (row["status"], row["reason_code"], row["reason"])
                for ran in (ours, theirs)
                for row in ran.workstations.values()
                if row["status"] not in TRUE
            }
            assert untrue == set()
            for name in fifty.lab.names:
                now = fifty.lab.file(name).read_bytes()
                said = (ours.statuses[name], theirs.statuses[name])
                assert now in (fifty.right[name], others[name]), name
                if now == fifty.right[name]:
                    assert said[0] in ("changed", "in_sync"), (name, said)
                else:
                    assert said[1] in ("changed", "in_sync"), (name, said)
                for ran in (ours, theirs):
                    row = ran.workstations[name]
                    if row["status"] == "held":
                        assert row["reason_code"] == "held_by_run"
                        assert "run" in row["reason"]
        applied = rival.run("apply", other, fifty.at_once, "--yes", "--format", "json")
        assert set(applied.statuses.values()) <= {"changed", "in_sync"}
        assert {name: fifty.lab.file(name).read_bytes() for name in fifty.lab.names} == others
        fifty.assert_tidy(others.values())


def killed_everywhere(many: Fleet) -> str:
    """A run that was killed when each workstation was at another of its requests; its id."""
    many.old_again()
    many.forget_pauses()
    for number, name in enumerate(many.lab.names):
        many.lab.break_(name, f"pause-at={20 + 3 * number}")
    with many.killed_apply() as process:
        assert wait_until(many.stands_still, process)
    assert len(many.pauses()) > DEAD // 2
    many.mend()
    with History.open(many.cli.state) as history:
        (latest,) = history.runs(1)
        assert latest.run.ended_at is None
        return latest.run.id


def test_two_that_settle_the_same_dead_run(tmp_path: Path) -> None:
    """One of them settles each workstation; what each wrote, and what the dead one wrote, is known to the history."""
    with fleet(tmp_path, DEAD, *FOUR_KINDS) as many:
        for _ in range(ROUNDS):
            dead = killed_everywhere(many)
            with ThreadPoolExecutor(2) as two:
                ours, theirs = two.submit(many.apply), two.submit(many.apply)
                rans = ours.result(), theirs.result()
            for ran in rans:
                # Whoever is slow may find that the other has done everything since it read. But what the dead run left
                # is nobody's hand, and one of them settles it.
                strange = [
                    row
                    for row in ran.workstations.values()
                    if row["status"] not in TRUE or (row["status"], row["reason_code"]) == ("stale", "moved_since_run")
                ]
                assert strange == []
                for name, status in ran.statuses.items():
                    if status in ("changed", "in_sync"):
                        assert many.lab.file(name).read_bytes() == many.right[name], name
            last = many.apply()
            many.assert_settled(last)
            with History.open(many.cli.state) as history:
                runs = [dead, *(str(ran.document["run"]["id"]) for ran in (*rans, last))]
                replaced = [name for run in runs for name in history.replaced(run)]
            # Over WinRM what removes run.json may outlive its controller, which then never told the history.
            untold = [one.name for one in many.lab.info.workstations if one.name not in replaced]
            assert all(many.lab.kind(name).startswith("winrm") for name in untold)
            assert sorted([*replaced, *untold]) == sorted(many.lab.names)
