"""What a command that visits workstations was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CONCURRENCY = 32
"""Workers. Measured: more of them contend for the interpreter's lock, fewer wait for the network."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a command was given. ``limit`` holds selectors, none of them means all workstations."""

    inventory: Path
    playbook: Path | None
    limit: tuple[str, ...]
    state_dir: Path
    concurrency: int = CONCURRENCY
    debug: bool = False
