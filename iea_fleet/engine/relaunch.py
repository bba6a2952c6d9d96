"""« Relancer l'authentification auprès du serveur »: the action, and the tray state that follows it.

Source: the connection fiche relaunches the authentication after the settings were saved, or when the heart is red.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from iea_fleet.engine.gather import Gathered, gather
from iea_fleet.model.request import Answer, Failed, FileStat, Ran, Request, RunAction, Stat, is_registry_key
from iea_fleet.model.target import Target
from iea_fleet.probes import state
from iea_fleet.resources import Knowledge
from iea_fleet.transports.base import Session

ACTION = "relaunch_authentication"
PATIENCE = 30.0
"""Seconds that the tray state may take to change."""
PATIENCE_WHEN_CONNECTED = 5.0
"""Seconds for a workstation that was connected: staying so may leave its state file as it was."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the authentication was not relaunched."""

    reason: str
    reason_code: str


def after_writing(
    session: Session, target: Target, before: Gathered, knowledge: Knowledge
) -> tuple[Gathered, Fault | None]:
    """Relaunch, read everything again, and wait for the tray state to follow. ``knowledge`` is that of after."""
    fault = _relaunch(session, target)
    return _follow(session, target, before, knowledge), fault


def if_failed(session: Session, target: Target, before: Gathered) -> Gathered:
    """Relaunch once where the heart is red; what is there afterwards."""
    tray, _ = state.tray_state(target, before.file(state.reads(target)))
    if tray != "failed" or _action(target) is None:
        return before
    _relaunch(session, target)
    return _follow(session, target, before, before.knowledge)


def _action(target: Target) -> RunAction | None:
    action = target.layout.actions.get(ACTION) if target.layout else None
    return RunAction(action.run, timeout=action.timeout, reads=action.reads) if action else None


def _relaunch(session: Session, target: Target) -> Fault | None:
    action = _action(target)
    if action is None:
        return None
    (answer,) = session.carry_out((action,))
    match answer:
        case Ran(0):
            return None
        case Ran(exit_code):
            return Fault(f"relaunching the authentication ended with exit code {exit_code}", "relaunch_failed")
        case Failed(reason_code, reason):
            return Fault(f"the authentication was not relaunched: {reason}", reason_code)
        case _:
            raise AssertionError(f"an action was answered by {type(answer).__name__}")


def _follow(session: Session, target: Target, before: Gathered, knowledge: Knowledge) -> Gathered:
    """Everything read again, once the tray state has changed or has had its time."""
    if _action(target) is not None and (reads := state.reads(target)):
        path = target.files["state_file"]
        questions: tuple[Request, ...] = reads if is_registry_key(path) else (*reads, Stat(path))
        then = _trace([before.answer(question) for question in questions])
        was, _ = state.tray_state(target, before.file(reads))
        for _ in _pauses(PATIENCE_WHEN_CONNECTED if was == "connected" else PATIENCE):
            if _trace(session.carry_out(questions)) != then:
                break
    return gather(session, target, ("state", "version"), knowledge, for_writing=True)


def _trace(answers: Sequence[Answer | None]) -> list[object]:
    """What shows that the state file was written: its content, or the time of its last change."""
    return [answer.modified if isinstance(answer, FileStat) else answer for answer in answers]


def _pauses(patience: float) -> Iterator[float]:
    """Begin at once, then wait a little longer each time, until the patience is spent."""
    pause, end, left = 0.1, time.monotonic() + patience, patience
    while left > 0:
        yield left
        time.sleep(min(pause, max(0.0, end - time.monotonic())))
        left, pause = end - time.monotonic(), min(pause * 1.6, 2.0)
