"""The embedded lab, and iea-fleet on it. Both share the cores: CPU is the client's alone, wall is that of both."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from bench_measure import COMMAND, Cost, measure, medians, milliseconds, seconds, table

from iea_fleet import lab

DELAY = 20
"""Milliseconds that a slow workstation takes for each request."""


@contextlib.contextmanager
def running(folder: Path, workstations: int) -> Iterator[lab.LabInfo]:
    """A lab that is stopped afterwards, whatever happens."""
    directory = folder / f"lab-{workstations}"
    info = lab.up(directory, max(1, workstations // 50), workstations)
    try:
        yield info
    finally:
        lab.down(directory)


def size(folder: Path, *, quick: bool) -> str:
    """Memory of the lab's one process, and the wall of a first push over all of it."""
    rows = []
    for count in (50, 200) if quick else (200, 1000):
        with running(folder, count) as info:
            fresh = _memory(info.pid, "VmRSS")
            cost = _run(info, folder, "apply")
            again = _run(info, folder, "apply")
            peak = _memory(info.pid, "VmHWM")
        rows.append(
            [
                str(count),
                *(f"{value:.0f} MB" for value in (fresh, peak)),
                *_figures(cost, count),
                *_figures(again, count),
            ]
        )
    columns = ["workstations", "lab: RSS when ready", "at most", "first apply: wall", "a second", "CPU"]
    return table([*columns, "apply again: wall", "a second", "CPU"], rows)


def _figures(cost: Cost, count: int) -> list[str]:
    return [seconds(cost.wall), f"{count / cost.wall:.0f}", seconds(cost.cpu)]


def probes(folder: Path, *, quick: bool) -> str:
    """An apply that has nothing to do, with and without the probes, and each of them alone."""
    count, times = (30, 3) if quick else (100, 7)
    chosen = {"none": [], "state, version": ["state", "version"], "servers": ["servers"]}
    chosen["servers, state, version"] = ["servers", "state", "version"]
    costs: dict[str, list[Cost]] = {name: [] for name in chosen}
    with running(folder, count) as info:
        for name, asked in chosen.items():
            document = {"version": 1, "name": "bench", "probes": asked}
            (folder / f"{len(name)}.yml").write_text(yaml.safe_dump(document))
        _run(info, folder, "apply")
        for _ in range(times):
            for name, some in costs.items():
                some.append(_run(info, folder, "apply", f"{len(name)}.yml"))
    without = medians(costs["none"])
    rows = []
    for name, some in costs.items():
        one = medians(some)
        more = milliseconds((one.cpu - without.cpu) / count)
        rows.append([name, seconds(one.wall), seconds(one.cpu), more])
    return table(["probes", "wall", "CPU", "CPU more for each workstation"], rows)


def slow(folder: Path, *, quick: bool) -> str:
    """Workstations that take their time for each request, with 8 to 64 workers."""
    count, times = (30, 1) if quick else (100, 3)
    rows = []
    with running(folder, count) as info:
        _run(info, folder, "apply")
        for one in info.workstations:
            lab.break_(info.directory, one.name, f"slow={DELAY}")
        for threads in (8, 16, 32, 64):
            costs = [_run(info, folder, "drift", workers=threads) for _ in range(times)]
            middle = medians(costs)
            rows.append([str(threads), seconds(middle.wall), f"{count / middle.wall:.0f}", seconds(middle.cpu)])
    return table(["workers", f"drift over {count}: wall", "a second", "CPU"], rows)


def _run(info: lab.LabInfo, folder: Path, command: str, playbook: str = "", workers: int = 32) -> Cost:
    words = [COMMAND, command, info.inventory, *([playbook] if playbook else []), "--state-dir", "state"]
    yes = ["--yes"] if command == "apply" else []
    return measure([*words, *yes, "--concurrency", str(workers)], folder)


def _memory(pid: int, field: str) -> float:
    """Megabytes of a process as Linux tells them."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
