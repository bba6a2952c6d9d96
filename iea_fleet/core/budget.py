"""How much may go wrong before a rollout stops. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

from iea_fleet.model.matrix import Row, Status
from iea_fleet.model.playbook import Rollout

_FAILURES: Final = frozenset({Status.FAILED, Status.ROLLED_BACK})


def allowed(share: int | str, selected: int) -> int:
    """How many workstations a share of the selected ones is; a percentage is rounded down.

    >>> allowed("5%", 10), allowed("5%", 40), allowed(3, 10)
    (0, 2, 3)
    """
    return share if isinstance(share, int) else int(share.removesuffix("%")) * selected // 100


@dataclass(frozen=True, slots=True)
class Budget:
    """The two limits of one run over ``selected`` workstations, and the names of those that count against them.

    ``stale`` ones use the first limit up as ``failed`` ones do, and stop nothing by themselves: nothing was written
    there, and the plan being old says nothing about the push.
    """

    rollout: Rollout
    selected: int
    failed: frozenset[str] = frozenset()
    stale: frozenset[str] = frozenset()
    offline: frozenset[str] = frozenset()

    def after(self, row: Row, *, written: bool) -> Self:
        """The budget once this has come of a workstation; a second outcome of it takes the place of the first.

        ``bad`` counts only where this run has written: what was bad before and was not touched is no failure of the
        rollout, and would end each one of a network that waits for support.
        """
        statuses = {cell.status for cell in row.cells}
        failed = bool(statuses & _FAILURES) or (written and Status.BAD in statuses)
        name = frozenset({row.workstation})
        return replace(
            self,
            failed=self.failed | name if failed else self.failed - name,
            stale=self.stale | name if Status.STALE in statuses and not failed else self.stale - name,
            offline=self.offline | name if Status.OFFLINE in statuses else self.offline - name,
        )

    @property
    def spent(self) -> str:
        """The limit that is passed, in words; empty while none is."""
        if self.failed and self._too_many:
            return self.failed_in_words
        limit = self.rollout.max_offline
        if limit is not None and len(self.offline) > allowed(limit, self.selected):
            return self.offline_in_words
        return ""

    @property
    def failed_in_words(self) -> str:
        """What counts as failed, of how many, and how many may."""
        stale = f" and {len(self.stale)} stale" if self.stale else ""
        said = self._in_words("failed", len(self.failed), self.rollout.max_failed, stale)
        return said if self.failed or not self._too_many else f"{said}; it goes on, as nothing has failed"

    @property
    def _too_many(self) -> bool:
        return len(self.failed | self.stale) > allowed(self.rollout.max_failed, self.selected)

    @property
    def offline_in_words(self) -> str:
        """What is offline, of how many, and how many may be; the bare count when there is no limit."""
        return self._in_words("offline", len(self.offline), self.rollout.max_offline)

    def _in_words(self, what: str, count: int, limit: int | str | None, also: str = "") -> str:
        said = f"{count} {what}{also} of {self.selected} selected"
        if limit is None:
            return said
        equals = f" = {allowed(limit, self.selected)}" if isinstance(limit, str) else ""
        return f"{said}; max_{what} {limit}{equals}"
