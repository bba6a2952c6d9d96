"""A YAML file as it was read: its values, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from iea_fleet.core.faults import Steps, dotted, printable
from iea_fleet.errors import Mistake

Place = tuple[int, int, int, int]
"""Line and column of a key, line and column of its value; counted from 1. In a list both are the item's."""


@dataclass(slots=True)
class Document:
    """One YAML file. ``places`` is keyed by the identity of a container, then by key or index.

    ``written`` keeps decimals as they stand in the file (3.10 is not 3.1 to a person). ``left_out`` names what was
    refused while reading and is therefore missing from ``root``.
    """

    shown: str
    root: Any = None
    places: dict[int, dict[str | int, Place]] = field(default_factory=dict)
    written: dict[tuple[int, str | int], str] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    left_out: list[Steps] = field(default_factory=list)

    def follow(self, steps: Steps) -> Steps:
        """The steps that lead through the document; those that are no keys (union branches) are passed over."""
        real: list[str | int] = []
        here: Any = self.root
        for step in steps:
            if step in self.places.get(id(here), ()) and (isinstance(step, int) or step in here):
                here = here[step]
                real.append(step)
        return tuple(real)

    def value(self, steps: Steps) -> Any:  # noqa: ANN401 - what YAML holds
        """What stands at a path that ``follow`` returned."""
        here = self.root
        for step in steps:
            here = here[step]
        return here

    def as_written(self, steps: Steps) -> str:
        """A number, as the file writes it."""
        number = self.value(steps)
        return self.written.get((id(self.value(steps[:-1])), steps[-1]), str(number)) if steps else str(number)

    def place(self, steps: Steps, *, at_key: bool = False) -> tuple[int, int]:
        """Line and column of a path, or of the last part of it that is there. (0, 0) is the file as a whole."""
        here, found = self.root, None
        for step in steps:
            known = self.places.get(id(here), {}).get(step)
            if known is None:
                # What is missing is shown at the key that should hold it.
                return (found[0], found[1]) if found else (0, 0)
            found, here = known, here[step]
        if found is None:
            return 0, 0
        return (found[0], found[1]) if at_key else (found[2], found[3])

    def mistake(self, steps: Steps, wrong: str, remedy: str = "", *, at_key: bool = False) -> Mistake:
        """A mistake at this path."""
        line, column = self.place(steps, at_key=at_key)
        return Mistake(self.shown, line, column, dotted(steps), printable(wrong), printable(remedy))

    def leave_out(self, steps: Steps) -> None:
        """Take a part away, so that the rest can be looked at. An item of a list takes its whole list along."""
        while steps and isinstance(steps[-1], int):
            steps = steps[:-1]
        self.left_out.append(steps)
        if not steps:
            self.root = {}
            return
        self.value(steps[:-1]).pop(steps[-1], None)
