"""iea-fleet and a bare paramiko script on the same workstations: real sshd, one loopback address for each."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import socket
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from bench_measure import COMMAND, Cost, measure, medians, milliseconds, seconds, table

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from sshd import Sshd  # noqa: E402 - the tests' own server, found by the line above

THREADS = 32
PATIENCE = 5
"""The timeout of silent workstations, in seconds."""
ADDRESSES_OF_ONE = 16
"""On how many addresses one sshd listens at most (MAX_LISTEN_SOCKS in OpenSSH's sshd.c)."""

OLD = (
    "# Paramètres de connexion\r\nconnexion.securisee=N\r\nserveur.authentification=http://iea.example.org:80\r\n"
    "serveur.maj=http://iea.example.org:80/updates\r\nproxy.hote=\r\nassociation=Ligue de l'été\r\n"
)
EDITS = (("securisee=N", "securisee=O"), ("http://iea.example.org:80", "https://iea.example.org"))
WANTED = {
    "secure": True,
    "authentication_url": "https://iea.example.org",
    "update_url": "https://iea.example.org/updates",
}
LAYOUT = {
    "version": 1,
    "name": "bench",
    "versions": ">=3.00.72,<3.03",
    "os": "posix",
    "version_file": {"file": "version.properties", "format": "properties", "key": "version"},
    "server_connection": {
        "file": "connexion.properties",
        "format": "properties",
        "encoding": "latin-1",
        "keys": {
            "secure": {"key": "connexion.securisee", "values": {"O": True, "N": False}},
            "authentication_url": {"key": "serveur.authentification"},
            "update_url": {"key": "serveur.maj"},
        },
    },
}
PLAYBOOK = {"version": 1, "name": "bench", "probes": [], "test_first": False, "rollout": {"waves": ["100%"]}}


def wanted_text() -> str:
    """The settings as both have to leave them."""
    text = OLD
    for before, after in EDITS:
        text = text.replace(before, after)
    return text


@dataclass
class Field:
    """Some workstations: one address and one folder each. ``servers`` has the sshd of each of them."""

    folder: Path
    addresses: Sequence[str]
    servers: Sequence[Sshd]

    def settings(self) -> list[Path]:
        """The settings file of each workstation."""
        return [self.folder / "workstations" / name / "connexion.properties" for name in self.names]

    @property
    def names(self) -> list[str]:
        """The names of the workstations."""
        return [f"poste-{number:03}" for number in range(1, len(self.addresses) + 1)]

    def prepare(self) -> None:
        """Write folders, inventories and the job of the bare script."""
        (self.folder / "private").mkdir()
        for file in self.settings():
            file.parent.mkdir(parents=True)
            (file.parent / "version.properties").write_text("version=3.02.004\n")
        roots = {
            "root": f"{self.folder}/workstations/{{{{ workstation }}}}",
            "private": f"{self.folder}/private/{{{{ workstation }}}}",
        }
        self.write("layout.yml", {**LAYOUT, **roots})
        self.write("playbook.yml", PLAYBOOK)
        for count in {10, len(self.names)}:
            self.write(f"inventory-{count}.yml", self.inventory(count))
        job = {
            "user": self.servers[0].user,
            "key_file": str(self.servers[0].client_key),
            "wanted": wanted_text(),
            "edits": EDITS,
            "workstations": [
                {"address": address, "port": sshd.port, "host_key": sshd.host_key, "root": str(file.parent)}
                for address, sshd, file in zip(self.addresses, self.servers, self.settings(), strict=True)
            ],
        }
        (self.folder / "job.json").write_text(json.dumps(job))
        self.reset()

    def write(self, name: str, document: object) -> None:
        """Write one file of an operator."""
        (self.folder / name).write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def inventory(self, count: int) -> dict[str, Any]:
        """The first ``count`` workstations."""
        first = self.servers[0]
        connection = {"transport": "ssh", "user": first.user, "key_file": str(first.client_key)}
        workstations = {
            name: {"address": address, "host_keys": [sshd.host_key], "connection": {"port": sshd.port}}
            for name, address, sshd in list(zip(self.names, self.addresses, self.servers, strict=True))[:count]
        }
        return {
            "version": 1,
            "name": "bench",
            "layout": "layout.yml",
            "defaults": {"connection": connection, "server_connection": WANTED},
            "offices": {"nancy": {"workstations": workstations}},
        }

    def reset(self) -> None:
        """Put every workstation back as it was."""
        for file in self.settings():
            file.write_bytes(OLD.encode("latin-1"))

    def ours(self, command: str, count: int, threads: int = THREADS) -> Cost:
        """A command of iea-fleet as a whole process."""
        yes = ["--yes"] if command == "apply" else []
        files = [f"inventory-{count}.yml", "playbook.yml"]
        more = ["--state-dir", "state", "--concurrency", str(threads)]
        return measure([COMMAND, command, *files, *yes, *more], self.folder)

    def bare(self, command: str, count: int, threads: int = THREADS) -> Cost:
        """The bare script as a whole process."""
        what = "push" if command == "apply" else "read"
        script = Path(__file__).with_name("bench_bare.py")
        return measure([sys.executable, script, "job.json", str(count), str(threads), what], self.folder)

    def check(self, count: int) -> None:
        """Whoever pushed has left the same bytes."""
        expected = wanted_text().encode("latin-1")
        wrong = [file.parent.name for file in self.settings()[:count] if file.read_bytes() != expected]
        if wrong:
            raise SystemExit(f"not as wanted after the push: {', '.join(wrong)}")


@contextlib.contextmanager
def field(folder: Path, count: int) -> Iterator[Field]:
    """Workstations on 127.0.1.1 and the addresses after it; one client key for all."""
    addresses = [f"127.0.1.{number}" for number in range(1, count + 1)]
    servers: list[Sshd] = []
    with contextlib.ExitStack() as stack:
        for start in range(0, count, ADDRESSES_OF_ONE):
            some = tuple(addresses[start : start + ADDRESSES_OF_ONE])
            sshd = Sshd(folder / f"sshd-{start}", some)
            if servers:
                sshd.authorized_keys.write_text(servers[0].authorized_keys.read_text())
            stack.enter_context(sshd)
            servers += [sshd] * len(some)
        made = Field(folder, addresses, servers)
        made.prepare()
        yield made


Runner = Callable[[str, int], Cost]


def _one(made: Field, what: str, runner: Runner, count: int) -> Cost:
    """One repetition of apply, no-change apply or drift by one of the two."""
    if what == "apply":
        made.reset()
        cost = runner("apply", count)
        made.check(count)
        return cost
    return runner("apply" if what == "no-change apply" else "drift", count)


def beside_bare(folder: Path, *, quick: bool) -> str:
    """Apply, no-change apply and drift, ours and bare in turn, for many workstations and for ten."""
    many, few, times = (30, 10, 3) if quick else (100, 10, 7)
    rows = []
    with field(folder, many) as made:
        made.ours("apply", many)  # the history is made, the caches are warm
        for what in ("apply", "no-change apply", "drift"):
            costs: dict[tuple[str, int], list[Cost]] = {}
            for _ in range(times):
                for count in (many, few):
                    for who, runner in (("ours", made.ours), ("bare", made.bare)):
                        costs.setdefault((who, count), []).append(_one(made, what, runner, count))
            rows.append(_row(what, {key: medians(some) for key, some in costs.items()}, many, few))
    columns = [f"{many} workstations", "wall: ours", "bare", "CPU: ours", "bare", "ratio"]
    return table([*columns, "CPU of one more: ours", "bare", "ratio", "RSS: ours", "bare"], rows)


def _row(what: str, costs: dict[tuple[str, int], Cost], many: int, few: int) -> list[str]:
    ours, bare = costs["ours", many], costs["bare", many]
    more = {who: (costs[who, many].cpu - costs[who, few].cpu) / (many - few) for who in ("ours", "bare")}
    return [
        what,
        seconds(ours.wall),
        seconds(bare.wall),
        seconds(ours.cpu),
        seconds(bare.cpu),
        f"{ours.cpu / bare.cpu:.2f} ×",
        milliseconds(more["ours"]),
        milliseconds(more["bare"]),
        f"**{more['ours'] / more['bare']:.2f} ×**",
        f"{ours.megabytes:.0f} MB",
        f"{bare.megabytes:.0f} MB",
    ]


def concurrency(folder: Path, *, quick: bool) -> str:
    """Apply and drift with 8 to 64 workers."""
    many, times = (30, 2) if quick else (100, 5)
    rows = []
    with field(folder, many) as made:
        made.ours("apply", many)
        for threads in (8, 16, 32, 64):
            costs: dict[str, list[Cost]] = {"apply": [], "drift": []}
            for _ in range(times):
                for what, some in costs.items():
                    some.append(_one(made, what, lambda name, count: made.ours(name, count, threads), many))  # noqa: B023 - called at once
            apply, drift = medians(costs["apply"]), medians(costs["drift"])
            rows.append([str(threads), *_both(apply), *_both(drift)])
    return table(["workers", "apply: wall", "CPU", "drift: wall", "CPU"], rows)


def _both(cost: Cost) -> Sequence[str]:
    return seconds(cost.wall), seconds(cost.cpu)


def hung(folder: Path, *, quick: bool) -> str:
    """What workstations that accept the connection and then say nothing cost the others."""
    many, times = (30, 1) if quick else (100, 3)
    output = folder / "hung.json"
    rows = []
    with field(folder, many) as made:
        made.ours("apply", many)
        for silent in (0, 1, 20, 40):
            with _silent(made, silent) as inventory:
                command = [COMMAND, "drift", inventory, "playbook.yml", "--state-dir", "state", "--format", "json"]
                costs, done = [], []
                for _ in range(times):
                    costs.append(measure(command, made.folder, 1 if silent else 0, output))
                    done.append(_others_done(output))
            middle = medians(costs)
            rows.append([str(silent), seconds(statistics.median(done)), seconds(middle.wall), seconds(middle.cpu)])
    columns = [f"silent beside {many}", "the others were done after", f"wall (timeout {PATIENCE} s)", "CPU"]
    return table(columns, rows)


@contextlib.contextmanager
def _silent(made: Field, count: int) -> Iterator[str]:
    """An inventory with so many silent workstations before the others: a worker for each would be lost to all."""
    inventory = made.inventory(len(made.addresses))
    workstations: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        for number in range(1, count + 1):
            # The system accepts for a listener that never does.
            listener = stack.enter_context(contextlib.closing(socket.create_server((f"127.0.2.{number}", 0))))
            workstations[f"silent-{number:02}"] = {
                "address": f"127.0.2.{number}",
                "host_keys": [made.servers[0].host_key],
                "connection": {"port": listener.getsockname()[1], "timeout": PATIENCE},
            }
        office = inventory["offices"]["nancy"]
        office["workstations"] = {**workstations, **office["workstations"]}
        made.write("inventory-silent.yml", inventory)
        yield "inventory-silent.yml"


def _others_done(output: Path) -> float:
    """Seconds from the start of the run to the last workstation that answered."""
    found = json.loads(output.read_text())
    started = dt.datetime.fromisoformat(found["run"]["started_at"])
    seen = [
        dt.datetime.fromisoformat(cell["observed_at"])
        for one in found["workstations"]
        for cell in one["cells"]
        if cell["status"] == "in_sync"
    ]
    return (max(seen) - started).total_seconds()
