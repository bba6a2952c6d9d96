"""The files a load reads: each once, with the path the user knows it by and its digest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from iea_fleet.core.faults import Gaps, Notes
from iea_fleet.engine.load.decoding import read_bytes
from iea_fleet.engine.load.document import Document
from iea_fleet.engine.load.shape import fill
from iea_fleet.engine.load.yaml_reader import read
from iea_fleet.errors import Mistake
from iea_fleet.model.part import Part
from iea_fleet.model.request import digest

Model = TypeVar("Model", bound=Part)


def shown_path(path: Path) -> str:
    """A path as people like to read it: relative when it is below the current folder."""
    absolute = path.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) and absolute != here else str(path)


@dataclass(frozen=True, slots=True)
class Source(Generic[Model]):
    """One file that was read. ``value`` is None when too little of it was right."""

    path: Path
    document: Document
    value: Model | None

    @property
    def shown(self) -> str:
        """The file as the user knows it."""
        return self.document.shown


@dataclass(slots=True)
class Reading:
    """Everything read so far: documents by the shown name of their file, in the order of reading.

    ``warnings`` stand at what is odd and may be right.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    bytes_read: int = 0
    warnings: list[Mistake] = field(default_factory=list)

    def read(
        self, path: Path, model: type[Model], *, shown: str = "", prepare: Callable[[Any], None] | None = None
    ) -> Source[Model]:
        """Read and validate one file. ``prepare`` may change its values before they are validated."""
        shown = shown or shown_path(path)
        data = read_bytes(path, shown)
        if isinstance(data, Mistake):
            document = Document(shown, mistakes=[data], left_out=[()])
        else:
            self.bytes_read += len(data)
            self.digests[shown] = digest(data)
            document = read(data, shown)
            if prepare is not None:
                prepare(document.root)
        self.documents[shown] = document
        return Source(path, document, fill(model, document).value)

    def note(self, notes: Notes, gaps: Gaps) -> None:
        """Turn each fault into a mistake at its place, but for those that may follow from what was not read."""
        for fault in notes.found.values():
            if not gaps.may_explain(fault):
                document = self.documents[fault.file]
                document.mistakes.append(document.mistake(fault.path, fault.wrong, fault.remedy, at_key=fault.at_key))
        self.warnings += [
            self.documents[fault.file].mistake(fault.path, fault.wrong, fault.remedy) for fault in notes.odd
        ]

    def mistakes(self) -> list[Mistake]:
        """Every mistake, in the order of the files, then of the lines."""
        return [
            mistake
            for document in self.documents.values()
            for mistake in sorted(document.mistakes, key=lambda mistake: (mistake.line, mistake.column))
        ]
