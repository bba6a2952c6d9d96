"""The files of an inventory: the main one and what it includes, in order, each once, below the file that names it."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path, PurePath

from iea_fleet.core.faults import Steps
from iea_fleet.engine.load.anchoring import anchor_paths
from iea_fleet.engine.load.source import Reading, Source, shown_path
from iea_fleet.model.inventory import InventoryFile

MOST_FILES = 1_000
DEEPEST = 20
MOST_BYTES = 32 * 1024 * 1024

Refuse = Callable[[str, str], None]
"""Takes what is wrong and what to do."""


_WILD = re.compile(r"[*?\[]")


class _Includes:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.sources: list[Source[InventoryFile]] = []
        self._read: dict[Path, str] = {}
        self._open: list[Path] = []

    def add(self, path: Path, shown: str) -> None:
        real = path.resolve()
        self._read[real] = shown
        folder = path.absolute().parent
        source = self._reading.read(path, InventoryFile, shown=shown, prepare=lambda root: anchor_paths(root, folder))
        self.sources.append(source)
        self._open.append(real)
        for index, pattern in enumerate(source.value.include if source.value else ()):
            self._follow(source, ("include", index), pattern)
        self._open.pop()

    def _follow(self, source: Source[InventoryFile], steps: Steps, pattern: str) -> None:
        def refuse(wrong: str, remedy: str) -> None:
            where = source.document.follow(steps)
            source.document.mistakes.append(source.document.mistake(where, wrong, remedy))

        def refuse_and_lose(wrong: str, remedy: str) -> None:
            # What the lost file would have held is not known, so nothing may be called missing.
            refuse(wrong, remedy)
            source.document.left_out.append(())

        parts = PurePath(pattern)
        if parts.is_absolute() or ".." in parts.parts or pattern.startswith("~"):
            refuse_and_lose(f"`{pattern}` leads out of this folder", "include files below the folder of this file")
            return
        found = _matches(source.path.absolute().parent, pattern)
        if found is None:
            refuse_and_lose(f"`{pattern}` is no pattern of files", "write it like offices/*.yml")
        elif not found and not _WILD.search(pattern):
            refuse_and_lose(f"`{pattern}` matches no file", "check the name; it is meant from the folder of this file")
        elif len(found) + len(self.sources) > MOST_FILES:
            refuse_and_lose(f"`{pattern}` makes more than {MOST_FILES:,} files", "include fewer")
        else:
            for path in found:
                self._include(path, source, refuse)

    def _include(self, path: Path, source: Source[InventoryFile], refuse: Refuse) -> None:
        real, shown = path.resolve(), shown_path(path)
        if not real.is_relative_to(source.path.absolute().parent.resolve()):
            refuse(f"{shown} is a link that leads out of this folder", "put the file itself there")
        elif real in self._open:
            refuse(f"{shown} includes itself in the end", "take it out of this include")
        elif real in self._read:
            refuse(f"{shown} is read twice", f"it was read as {self._read[real]}; include it once")
        elif len(self._open) > DEEPEST:
            refuse(f"{shown} is included over more than {DEEPEST} files", "include it nearer to the main file")
        elif self._reading.bytes_read > MOST_BYTES:
            refuse("the files hold more than 32 MB", "include fewer")
        else:
            self.add(path, shown)


def _matches(folder: Path, pattern: str) -> list[Path] | None:
    """The files a pattern means, sorted; hidden ones only when it names them. None when it is no pattern."""
    hidden = any(part.startswith(".") for part in PurePath(pattern).parts)
    try:
        found = (path for path in folder.glob(pattern) if hidden or not _is_hidden(path, folder))
        return sorted(islice((path for path in found if not path.is_dir()), MOST_FILES + 1))
    except (ValueError, NotImplementedError, OSError):
        return None


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def read_inventory(path: Path, reading: Reading) -> list[Source[InventoryFile]]:
    """Read an inventory with everything it includes. What is wrong stands in the documents."""
    includes = _Includes(reading)
    includes.add(path, shown_path(path))
    return includes.sources
