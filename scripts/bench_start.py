"""What a command costs before it visits anybody: help, and validating a large inventory."""

from __future__ import annotations

from pathlib import Path

import yaml
from bench_measure import COMMAND, Cost, measure, medians, seconds, table

LAYOUT = """\
version: 1
name: bench
os: posix
root: /iea
private: /iea-fleet
server_connection:
  file: connexion.properties
  format: properties
  keys:
    secure: {key: secure, values: {"O": true, "N": false}}
    authentication_url: {key: auth}
    update_url: {key: maj}
"""


def help_text(folder: Path, *, quick: bool) -> str:
    """``iea-fleet --help``, and a command's own help."""
    times = 5 if quick else 20
    rows = [
        _row(f"`iea-fleet {' '.join(words)}`", [measure([COMMAND, *words], folder) for _ in range(times)])
        for words in (["--help"], ["apply", "--help"], ["version"])
    ]
    return table(["process from start to end", "wall, median", "CPU, median"], rows)


def validate(folder: Path, *, quick: bool) -> str:
    """An explicit inventory of offices with 50 workstations each."""
    (folder / "layout.yml").write_text(LAYOUT)
    rows = []
    for offices in (2, 20, 200):
        (folder / "inventory.yml").write_text(_inventory(offices))
        command = [COMMAND, "validate", "inventory.yml"]
        costs = [measure(command, folder) for _ in range(3 if quick else 9)]
        rows.append([*_row(f"{offices * 50:,}", costs), f"{medians(costs).megabytes:.0f} MB"])
    return table(["workstations, each written out", "wall, median", "CPU, median", "RSS"], rows)


def _row(what: str, costs: list[Cost]) -> list[str]:
    middle = medians(costs)
    return [what, seconds(middle.wall), seconds(middle.cpu)]


def _inventory(offices: int) -> str:
    document = {
        "version": 1,
        "name": "bench",
        "layout": "layout.yml",
        "defaults": {
            "connection": {"transport": "ssh", "user": "iea-admin", "key_file": "~/.ssh/id_ed25519"},
            "server_connection": {"secure": True, "authentication_url": "https://impact-emploi.urssaf.fr"},
        },
        "offices": {
            f"office-{office:03}": {
                "title": f"Antenne {office}",
                "workstations": {
                    f"poste-{office:03}-{number:02}": {"address": f"10.1.{office}.{number}", "tags": ["paie"]}
                    for number in range(1, 51)
                },
            }
            for office in range(1, offices + 1)
        },
    }
    return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False)
