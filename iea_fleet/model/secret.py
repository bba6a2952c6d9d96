"""What an operator is told of secrets: where they are and who names them, never what they are."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """One secret reference. ``used_by`` are the dotted places of the inventory that name it."""

    reference: str
    kind: str
    there: bool | None
    """None where telling would mean to ask a back-end."""
    changed_at: dt.datetime | None
    """When its file was last changed on this machine."""
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a secret reference, or a secret that nothing refers to (``secret_unused``)."""

    reference: str
    reason: str
    code: str
    used_by: tuple[str, ...] = ()

    @property
    def dangling(self) -> bool:
        """Whether something needs this secret, and cannot have it."""
        return bool(self.used_by)
