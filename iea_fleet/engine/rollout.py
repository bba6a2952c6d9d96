"""Many workstations at once: a worker for each one that has answered, none for those that have not.

Each outcome is on disk before it is told, and counts against the budget before another workstation is begun. One
workstation's surprise stays its own.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from iea_fleet.core import matrix, waves
from iea_fleet.core.budget import Budget
from iea_fleet.engine import clock
from iea_fleet.engine.events import Listener
from iea_fleet.engine.outcome import Outcome
from iea_fleet.engine.redaction import cleaned_outcome
from iea_fleet.errors import HistoryError, IeaFleetError, OfflineError
from iea_fleet.model.matrix import Status
from iea_fleet.model.target import Target
from iea_fleet.transports.base import Reach, Session
from iea_fleet.transports.doorway import Doorway, Entrance
from iea_fleet.transports.sessions import open_session

Work = Callable[[Session, Target], Outcome]
Record = Callable[[Outcome], None]
Reaches = Mapping[str, Reach | IeaFleetError]


@dataclass
class Rollout:
    """Visits to targets that have a way in. ``record`` puts an outcome on disk and returns when it is there.

    ``visit`` takes one wave, and may be called again; ``end`` comes last. With a ``budget`` the rollout ends by itself
    when it is spent. ``wave`` is the number of the one that goes on, for the record; ``way_on`` what to run once the
    rollout was interrupted, "" where there is nothing to go on with.
    """

    work: Work
    record: Record
    listener: Listener
    read_only: bool
    concurrency: int
    debug: bool
    budget: Budget | None = None
    wave: int | None = None
    way_on: str = ""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _interrupted: bool = False
    _why: tuple[str, str] | None = None
    _doorway: Doorway | None = None
    _fault: HistoryError | None = None
    # A SimpleQueue alone can be put into by a signal handler while its own thread waits at it.
    _bell: SimpleQueue[None] = field(default_factory=SimpleQueue)

    def stop(self) -> None:
        """Finish what is in hand and start no other. Safe in a signal handler."""
        if not self._interrupted:
            self._interrupted = True
            self.halt("the run was interrupted before this workstation was begun", "interrupted")
            self.listener.stopping(self.way_on)

    def halt(self, reason: str, reason_code: str) -> None:
        """Begin no other workstation; those that were not begun are skipped for this reason, the first one given."""
        self._why = self._why or (reason, reason_code)
        if self._doorway is not None:
            self._doorway.close()
        self._bell.put(None)

    @property
    def halted(self) -> bool:
        """Whether no other workstation is begun."""
        return self._why is not None

    def rest(self, seconds: float) -> None:
        """Wait, but not longer than until the rollout is halted."""
        if not self.halted:
            with suppress(Empty):
                self._bell.get(timeout=seconds)

    def visit(self, targets: Sequence[Target], reaches: Reaches, wanted: int | None = None) -> None:
        """Visit targets, in any order, until ``wanted`` of them were reached and worked on; all of them without it.

        With it, those that come first are asked first, and those beyond are left for later. A target that was offline
        before and still is keeps its outcome.
        """
        by_name = {target.name: target for target in targets}
        needed = len(targets) if wanted is None else wanted
        hands = _Hands(self.concurrency, needed)
        ways = [reach for target in targets if isinstance(reach := reaches[target.name], Reach)]
        for target in targets:
            if isinstance(error := reaches[target.name], IeaFleetError):
                self.finish(_failed(target, error))
        with (
            Doorway(ahead=min(needed, self.concurrency)) as self._doorway,
            ThreadPoolExecutor(self.concurrency, thread_name_prefix="workstation") as workers,
        ):
            admitted = self._doorway.admit(ways)
            while not self.halted and hands.free() and (came := next(admitted, None)) is not None:
                reach, entrance = came
                target = by_name[reach.workstation]
                if isinstance(entrance, IeaFleetError):
                    hands.done += self._turned_away(target, entrance)
                else:
                    hands.take(workers.submit(self._visit, target, reach, entrance))
            hands.empty()
        self._doorway = None

    def end(self, targets: Sequence[Target]) -> None:
        """Tell of those that were not begun. HistoryError when an outcome could not be put on disk."""
        self.wave = None
        if self._fault is not None:
            raise self._fault
        for target in targets:
            if target.name not in self.outcomes:
                assert self._why is not None
                self.finish(Outcome(matrix.whole(target, Status.SKIPPED, *self._why)))
        if self._fault is not None:
            raise self._fault

    def finish(self, outcome: Outcome) -> None:
        """Put an outcome on disk, tell it, and count it; values of secrets that slipped into it are hidden first."""
        outcome = cleaned_outcome(replace(outcome, wave=self.wave))
        try:
            self.record(outcome)
        except HistoryError as error:
            # What cannot be remembered must not go on: the operator would not know what was done.
            self._fault = self._fault or error
            self.stop()
        with self._lock:
            self.outcomes[outcome.row.workstation] = outcome
            said = self._spend(outcome)
            self.listener.finished(outcome)
            if said:
                self.listener.told(said)

    def _spend(self, outcome: Outcome) -> str:
        """Count an outcome, and halt when the budget is spent; what is to be said about it."""
        if self.budget is None:
            return ""
        before = self.budget
        self.budget = now = before.after(outcome.row, written=bool(outcome.replaced))
        if now.spent and not self.halted:
            self.halt(f"the rollout stopped before this workstation was begun: {now.spent}", "budget_spent")
            return f"the budget is spent: {now.spent}; finishing those in hand, starting no other"
        if (now.failed | now.stale) - (before.failed | before.stale):
            return f"budget: {now.failed_in_words}"
        if now.offline - before.offline and now.rollout.max_offline is not None:
            return f"budget: {now.offline_in_words}"
        return ""

    def _turned_away(self, target: Target, error: IeaFleetError) -> bool:
        """Finish a target that let nobody in. Whether that says something about the push."""
        outcome = _failed(target, error)
        known = self.outcomes.get(target.name)
        if known is None or not (is_offline(known) and is_offline(outcome)):
            self.finish(outcome)
        return waves.is_canary(outcome.row)

    def _visit(self, target: Target, reach: Reach, entrance: Entrance) -> bool:
        """Work on one target. Whether it says something about the push."""
        if self.halted:
            entrance.close()
            return False
        self.listener.entered(target.name)
        try:
            with open_session(reach, entrance, read_only=self.read_only) as session:
                outcome = self.work(session, target)
        except IeaFleetError as error:
            outcome = _failed(target, error)
        except Exception as surprise:  # noqa: BLE001 - a surprise on one workstation is that workstation's failure
            if self.debug:
                traceback.print_exception(surprise)
            outcome = _surprised(target, surprise)
        self.finish(outcome)
        return waves.is_canary(outcome.row)


@dataclass
class _Hands:
    """The workers of one wave: how many are at work, and how many of the ``needed`` visits are ``done``."""

    most: int
    needed: int
    done: int = 0
    _busy: int = 0
    _ended: SimpleQueue[Future[bool]] = field(default_factory=SimpleQueue)

    def take(self, visit: Future[bool]) -> None:
        """Count a visit that begins."""
        self._busy += 1
        visit.add_done_callback(self._ended.put)

    def free(self) -> bool:
        """Wait until another visit may begin; False when no other one is needed."""
        while self._busy == self.most or (self._busy and self.done + self._busy >= self.needed):
            self._lay_down()
        while not self._ended.empty():
            self._lay_down()
        return self.done < self.needed

    def empty(self) -> None:
        """Wait until all visits have ended."""
        while self._busy:
            self._lay_down()

    def _lay_down(self) -> None:
        self.done += self._ended.get().result()
        self._busy -= 1


def is_offline(outcome: Outcome) -> bool:
    """Whether a workstation could not be connected to."""
    return any(cell.status is Status.OFFLINE for cell in outcome.row.cells)


def _failed(target: Target, error: IeaFleetError) -> Outcome:
    status = Status.OFFLINE if isinstance(error, OfflineError) else Status.FAILED
    hold = target.held_on(clock.today())
    if hold is not None:
        return Outcome(matrix.whole(target, Status.HELD, matrix.hold_reason(hold, str(error)), "held_by_inventory"))
    return Outcome(matrix.whole(target, status, str(error), error.code))


def _surprised(target: Target, surprise: Exception) -> Outcome:
    reason = (
        f"iea-fleet met something it does not know ({type(surprise).__name__}); run again with --debug and report it"
    )
    return Outcome(matrix.whole(target, Status.FAILED, reason, "surprise"))
