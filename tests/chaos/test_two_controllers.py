"""Two controllers apply different settings to the same workstations at once: each ends whole, both tell the truth."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from fleets import fleet
from lab_files import inventory

WORKSTATIONS = 50
ROUNDS = 5 if "CHAOS_KILLS" in os.environ else 1
TRUE = {"changed", "in_sync", "held", "stale"}


@pytest.mark.parametrize("shared", [False, True], ids=["two histories", "one history"])
def test_two_at_once(tmp_path: Path, shared: bool) -> None:
    with fleet(tmp_path, WORKSTATIONS) as fifty:
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
