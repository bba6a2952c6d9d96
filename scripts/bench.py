"""Measure iea-fleet: beside a bare paramiko script on real sshd, on the embedded lab, and on its own.

    make bench                                  # everything, about ten minutes
    make bench ARGS="--quick --only ssh"        # one part, fewer workstations and repetitions

CPU is user and system time of the whole client process; the servers' is not in it. Each figure is a median.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import bench_lab
import bench_sshd
import bench_start
import bench_windows
from bench_measure import machine

PARTS: Mapping[str, tuple[str, Callable[..., str]]] = {
    "help": ("Start of the command", bench_start.help_text),
    "validate": ("Validating an inventory", bench_start.validate),
    "ssh": ("Beside a bare paramiko script, on sshd", bench_sshd.beside_bare),
    "concurrency": ("Workers, on sshd", bench_sshd.concurrency),
    "hung": ("Silent workstations, on sshd (drift)", bench_sshd.hung),
    "slow": (f"Workers, on lab workstations that take {bench_lab.DELAY} ms for each request", bench_lab.slow),
    "probes": ("The probes, on the lab", bench_lab.probes),
    "windows": ("Each way in, on the lab", bench_windows.ways_in),
    "winrm": ("Many WinRM workstations, on the lab", bench_windows.many),
    "size": ("Size of the lab", bench_lab.size),
}


def main() -> None:
    """Run the chosen parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*PARTS], help="one part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer workstations and repetitions")
    chosen = parser.parse_args()
    print(f"Measured on: {machine()}.", flush=True)
    for name in chosen.only or PARTS:
        title, part = PARTS[name]
        with tempfile.TemporaryDirectory(prefix="iea-fleet-bench-") as folder:
            print(f"\n## {title} (`--only {name}`)\n\n{part(Path(folder), quick=chosen.quick)}", flush=True)


if __name__ == "__main__":
    main()
