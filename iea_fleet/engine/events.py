"""What a rollout tells while it goes on. Listeners are called from several threads, one call at a time."""

from __future__ import annotations

from typing import Protocol

from iea_fleet.engine.outcome import Outcome


class Listener(Protocol):
    """Who wants to know. Progress belongs on stderr."""

    def begun(self, total: int) -> None:
        """The rollout begins, over so many workstations."""
        ...

    def entered(self, workstation: str) -> None:
        """A workstation has answered, and is in hand."""
        ...

    def finished(self, outcome: Outcome) -> None:
        """A workstation is done with, whatever came of it; its outcome is on disk."""
        ...

    def stopping(self, way_on: str) -> None:
        """The operator asked to stop: what is in hand is finished, no other is started; ``way_on`` does the rest."""
        ...

    def told(self, sentence: str) -> None:
        """Something about the rollout as a whole: a wave begins, the budget, a pause."""
        ...


class Silence:
    """A listener that says nothing."""

    def begun(self, total: int) -> None:
        """Nothing."""

    def entered(self, workstation: str) -> None:
        """Nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Nothing."""

    def stopping(self, way_on: str) -> None:
        """Nothing."""

    def told(self, sentence: str) -> None:
        """Nothing."""
