"""Many workstations at once: a worker for each one that has answered, none for those that have not.

Each outcome is on disk before it is told. One workstation's surprise stays its own.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from iea_fleet.core import matrix
from iea_fleet.engine import clock
from iea_fleet.engine.events import Listener
from iea_fleet.engine.outcome import Outcome
from iea_fleet.errors import HistoryError, IeaFleetError, OfflineError
from iea_fleet.model.matrix import Status
from iea_fleet.model.target import Target
from iea_fleet.transports.base import Reach, Session
from iea_fleet.transports.doorway import Doorway, Entrance
from iea_fleet.transports.ssh import open_session

Work = Callable[[Session, Target], Outcome]
Record = Callable[[Outcome], None]


@dataclass
class Rollout:
    """One pass over targets that have a way in. ``record`` puts an outcome on disk and returns when it is there."""

    work: Work
    record: Record
    listener: Listener
    read_only: bool
    concurrency: int
    debug: bool
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _doorway: Doorway | None = None
    _fault: HistoryError | None = None

    def stop(self) -> None:
        """Finish what is in hand and start no other. Safe in a signal handler."""
        if not self._stopped.is_set():
            self._stopped.set()
            if self._doorway is not None:
                self._doorway.close()
            self.listener.stopping()

    @property
    def stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stopped.is_set()

    def run(self, targets: Sequence[Target], reaches: Mapping[str, Reach | IeaFleetError]) -> None:
        """Visit every target; ``outcomes`` has each of them in the end, also those that were not begun.

        HistoryError when an outcome could not be put on disk; then no other workstation was begun.
        """
        by_name = {target.name: target for target in targets}
        slots = threading.BoundedSemaphore(self.concurrency)
        for name, reach in reaches.items():
            if isinstance(reach, IeaFleetError):
                self._finish(_failed(by_name[name], reach))
        with (
            Doorway(ahead=self.concurrency) as self._doorway,
            ThreadPoolExecutor(self.concurrency, thread_name_prefix="workstation") as workers,
        ):
            running: list[Future[None]] = []
            for reach, entrance in self._doorway.admit(reach for reach in reaches.values() if isinstance(reach, Reach)):
                target = by_name[reach.workstation]
                if isinstance(entrance, IeaFleetError):
                    self._finish(_failed(target, entrance))
                    continue
                slots.acquire()
                running.append(workers.submit(self._visit, target, reach, entrance, slots))
            for one in running:
                one.result()
        if self._fault is not None:
            raise self._fault
        for target in targets:
            if target.name not in self.outcomes:
                reason = "the run was interrupted before this workstation was begun"
                self._finish(Outcome(matrix.whole(target, Status.SKIPPED, reason, "interrupted")))

    def _visit(self, target: Target, reach: Reach, entrance: Entrance, slots: threading.BoundedSemaphore) -> None:
        try:
            if self.stopped:
                entrance.close()
                return
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
            self._finish(outcome)
        finally:
            slots.release()

    def _finish(self, outcome: Outcome) -> None:
        try:
            self.record(outcome)
        except HistoryError as error:
            # What cannot be remembered must not go on: the operator would not know what was done.
            self._fault = self._fault or error
            self.stop()
        with self._lock:
            self.outcomes[outcome.row.workstation] = outcome
            self.listener.finished(outcome)


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
