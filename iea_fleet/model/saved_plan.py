"""A plan that is kept in a file: what is to be done, and all that says whether it still may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iea_fleet.model.plan import Plan


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan with who made it, from which files, on which history.

    ``planned`` names the workstations for which a plan could be made: the others were not reached, or are not written
    to. ``history`` is the fingerprint of the history's key. ``files`` maps each file that was read, as it is named from
    the inventory's folder, to its digest; ``playbook_file`` is one of them, None when no playbook was given.
    ``commit`` is that of the git repository which holds the inventory, None when there is none.
    """

    plan: Plan
    planned: frozenset[str]
    history: str
    run: str
    user: str
    host: str
    playbook: str
    playbook_file: str | None
    limit: tuple[str, ...]
    files: Mapping[str, str]
    offices: Mapping[str, str]
    commit: str | None = None
