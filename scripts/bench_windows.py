"""Each way in to a workstation of the lab: what one more workstation costs the client, and how often WinRM is asked.

PowerShell is played by the lab's stand-in, in the lab's process: what it takes a real Windows is in no figure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import yaml
from bench_measure import COMMAND, Cost, measure, medians, milliseconds, seconds, table

from iea_fleet import lab
from iea_fleet.lab.kinds import WINRM, Kind

KINDS: tuple[Kind, ...] = ("ssh", "ssh-windows", *WINRM)
NO_PROBES = {"version": 1, "name": "bench", "probes": [], "test_first": False, "rollout": {"waves": ["100%"]}}


@contextlib.contextmanager
def running(folder: Path, kind: Kind, workstations: int) -> Iterator[lab.LabInfo]:
    """A lab of one kind, stopped afterwards, whatever happens. Its inventory says nothing of accounts."""
    directory = folder / f"{kind}-{workstations}"
    info = lab.up(directory, max(1, workstations // 50), workstations, (kind,) * workstations)
    try:
        document = yaml.safe_load(info.inventory.read_text(encoding="utf-8"))
        for office in document["offices"].values():
            office.pop("users")
        info.inventory.write_text(yaml.safe_dump(document), encoding="utf-8")
        (folder / "bench.yml").write_text(yaml.safe_dump(NO_PROBES), encoding="utf-8")
        yield info
    finally:
        lab.down(directory)


def ways_in(folder: Path, *, quick: bool) -> str:
    """A first apply, an apply with nothing to do, and a drift over workstations of each kind: CPU of one more."""
    few, many, times = (5, 25, 1) if quick else (10, 60, 3)
    rows = []
    for kind in KINDS:
        costs = {count: _course(folder, kind, count, times) for count in (few, many)}
        for name in ("apply", "apply again", "drift"):
            (less, _), (more, exchanges) = costs[few][name], costs[many][name]
            one_more = milliseconds((more.cpu - less.cpu) / (many - few))
            asked = f"{exchanges / many:.1f}" if kind in WINRM else ""
            rows.append([kind, name, asked, one_more, seconds(more.wall), seconds(more.cpu)])
    columns = ["way in", "command", "HTTP exchanges each", "CPU of one more", f"{many}: wall", "CPU"]
    return table(columns, rows)


def _course(folder: Path, kind: Kind, count: int, times: int) -> dict[str, tuple[Cost, int]]:
    """Medians of each command's cost, and how many HTTP exchanges its last run had."""
    costs: dict[str, list[Cost]] = {"apply": [], "apply again": [], "drift": []}
    exchanges: dict[str, int] = {}
    for _ in range(times):
        with running(folder, kind, count) as info:
            for name, some in costs.items():
                before = _exchanges(info.directory)
                some.append(_run(info, folder, name.split()[0]))
                exchanges[name] = _exchanges(info.directory) - before
    return {name: (medians(some), exchanges[name]) for name, some in costs.items()}


def many(folder: Path, *, quick: bool) -> str:
    """One run over many WinRM workstations, with everything an apply does."""
    count = 100 if quick else 500
    rows = []
    with running(folder, "winrm-https", count) as info:
        for command, words in (("apply", ["--yes"]), ("apply again", ["--yes"]), ("drift", [])):
            asked = [COMMAND, command.split()[0], info.inventory, "--state-dir", "state-many", *words]
            cost = measure(asked, folder)
            rows.append([command, str(count), seconds(cost.wall), seconds(cost.cpu), f"{cost.megabytes:.0f} MB"])
    return table(["command", "WinRM workstations", "wall", "CPU", "memory"], rows)


def _run(info: lab.LabInfo, folder: Path, command: str) -> Cost:
    words = [COMMAND, command, info.inventory, "bench.yml", "--state-dir", "state"]
    return measure([*words, *(["--yes"] if command == "apply" else [])], folder)


def _exchanges(directory: Path) -> int:
    now = lab.status(directory)
    assert now is not None
    return sum(one.exchanges for one in now.workstations)
