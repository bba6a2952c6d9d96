"""One thread that writes, many that wait: everything that waits goes to disk in one commit.

Each writer waits until its own work is on disk, yet a slow disk is asked once for up to 64 of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, StatementError

from iea_fleet.errors import HistoryError
from iea_fleet.history.dialect import in_words

Work = Callable[[Connection], None]
AT_ONCE: Final = 64


class _Job:
    """A piece of work, and the promise that it is on disk."""

    __slots__ = ("done", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.done: Future[None] = Future()


class Writer:
    """Carries out pieces of work in the order they were given, each whole or not at all."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._open = True
        self._in_hand: list[_Job] = []
        self._thread = threading.Thread(target=self._run, name="history writer", daemon=True)
        self._thread.start()

    def write(self, work: Work) -> None:
        """Return when the work is on disk. HistoryError when it could not be done, or after ``close``."""
        job = _Job(work)
        with self._gate:
            if not self._open:
                raise self._closed()
            self._queue.put(job)
        job.done.result()

    def close(self) -> None:
        """Finish what was given, then stop; more than once does no harm."""
        with self._gate:
            if self._open:
                self._open = False
                self._queue.put(None)
        self._thread.join()

    def _closed(self) -> HistoryError:
        return HistoryError(f"the history {self._path} is closed", "this is a fault of iea-fleet; report it")

    def _run(self) -> None:
        try:
            going_on = True
            while going_on:
                going_on = self._take()
                if self._in_hand:
                    self._commit(self._in_hand)
        finally:
            # Also when a fault of ours ends this thread: nobody may wait for ever.
            with self._gate:
                self._open = False
            left = [job for job in self._in_hand if not job.done.done()]
            while not self._queue.empty():
                self._take()
                left += self._in_hand
            for job in left:
                job.done.set_exception(self._closed())

    def _take(self) -> bool:
        """Take what waits, at least one job. False when the last one was taken."""
        self._in_hand = []
        job = self._queue.get()
        while job is not None:
            self._in_hand.append(job)
            if len(self._in_hand) == AT_ONCE:
                return True
            try:
                job = self._queue.get_nowait()
            except Empty:
                return True
        return False

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            with self._engine.begin() as connection:
                for job in jobs:
                    job.work(connection)
        except OperationalError as error:
            # Locked, full, read-only: it would be the same for each of them.
            for job in jobs:
                job.done.set_exception(in_words(error, self._path))
        except StatementError as error:
            # One of them cannot be written as it is; the others can.
            if len(jobs) > 1:
                for job in jobs:
                    self._commit([job])
            else:
                jobs[0].done.set_exception(in_words(error, self._path))
        else:
            for job in jobs:
                job.done.set_result(None)
