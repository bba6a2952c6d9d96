"""``doctor``: why a workstation does not answer, or cannot be written to, one step after another.

It logs in once at most. Nothing is recorded, nobody is asked at Net-Entreprises, and no settings file is touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from iea_fleet.engine import clock
from iea_fleet.engine.inside import STEPS, Inside
from iea_fleet.engine.operation import Operation
from iea_fleet.engine.redaction import cleaned_step
from iea_fleet.errors import IeaFleetError, OfflineError
from iea_fleet.model.examination import GUIDED, Examination, Finding, Step, title
from iea_fleet.model.target import GuidedConnection, SshConnection, Target, WinrmConnection
from iea_fleet.transports.base import Reach, Session
from iea_fleet.transports.examine import enter, examine
from iea_fleet.transports.jump import JumpHosts
from iea_fleet.transports.sessions import open_session
from iea_fleet.transports.trail import Seen, Trail


def examinations(operation: Operation, *, write: bool) -> Iterator[Examination]:
    """Each selected workstation in the order of the inventory, as soon as those before it are done with.

    ``write``: whether a file may be made there, where no run is at work and the inventory does not hold it.
    """
    connected = [target for target in operation.targets if not target.guided]
    with contextlib.closing(JumpHosts()) as jumps, ThreadPoolExecutor(operation.options.concurrency) as workers:
        doctor = _Doctor(operation, operation.reaches(connected), jumps, write)
        yield from workers.map(doctor.examine, operation.targets)


@dataclass(frozen=True, slots=True)
class _Doctor:
    operation: Operation
    reaches: Mapping[str, Reach | IeaFleetError]
    jumps: JumpHosts
    write: bool

    def examine(self, target: Target) -> Examination:
        if target.guided:
            seen = "a person sets this workstation at the window; there is nothing to connect to"
            remedy = f"the fiche: iea-fleet plan INVENTORY --limit {target.name}"
            step = Step(GUIDED, Finding.NOT_TRIED, seen, remedy, GUIDED)
            return Examination(target.name, target.office, "", (step,))
        trail = Trail()
        if not self.operation.stopped:
            self._walk(target, trail)
        taken = {step.name for step in trail.steps}
        why = _why_no_further(trail)
        left = [Step(name, Finding.NOT_TRIED, why) for name in _expected(target) if name not in taken]
        steps = tuple(map(cleaned_step, (*trail.steps, *left)))
        offline = isinstance(trail.error, OfflineError)
        return Examination(target.name, target.office, _way(target), steps, offline)

    def _walk(self, target: Target, trail: Trail) -> None:
        reach = self.reaches[target.name]
        if isinstance(reach, IeaFleetError):
            self._walk_without_secrets(target, reach, trail)
            return
        if not examine(reach, self.jumps, trail):
            return
        sessions: list[Session] = []
        hands_off = self._hands_off(target)

        def log_in() -> Seen:
            sessions.append(open_session(reach, enter(reach, self.jumps), read_only=bool(hands_off)))
            return f"{reach.user} is let in"

        if trail.take("login", log_in):
            with sessions[0] as session:
                knowledge = self.operation.knowledge(target)
                Inside(session, target, self.operation.leases, knowledge, hands_off, trail).look(_inside(target))

    def _walk_without_secrets(self, target: Target, error: IeaFleetError, trail: Trail) -> None:
        """As far as nobody has to log in."""

        def fail() -> Seen:
            raise error

        bare = _without_secrets(target)
        reach = self.operation.reaches([bare])[target.name]
        if isinstance(reach, IeaFleetError) or reach.jump is not None or examine(reach, self.jumps, trail):
            trail.take("login", fail)

    def _hands_off(self, target: Target) -> str:
        if not self.write:
            return "nothing is written: --read-only"
        hold = target.held_on(clock.today())
        return f"nothing is written: the inventory holds this workstation ({hold.reason})" if hold else ""


def _why_no_further(trail: Trail) -> str:
    if not trail.steps:
        return "interrupted before it was begun"
    last = trail.steps[-1].name
    return "the session had ended" if last in STEPS else f"needs {title(last)}"


def _without_secrets(target: Target) -> Target:
    connection = target.connection
    assert not isinstance(connection, GuidedConnection)
    bare = replace(connection, password=None)
    return replace(target, connection=replace(bare, key_passphrase=None) if isinstance(bare, SshConnection) else bare)


def _expected(target: Target) -> tuple[str, ...]:
    """The steps of this workstation, in order."""
    match target.connection:
        case SshConnection(jump=jump):
            way_in: tuple[str, ...] = (*(("jump",) if jump else ()), "name", "port", "first_word", "host_key")
        case WinrmConnection(tls=tls):
            way_in = ("name", "port", *(("certificate",) if tls else ()), "first_word")
        case GuidedConnection():
            return (GUIDED,)
    return (*way_in, "login", *_inside(target))


def _inside(target: Target) -> tuple[str, ...]:
    return ("powershell", *STEPS) if target.windows else STEPS


def _way(target: Target) -> str:
    """How a workstation is reached, in words."""
    connection = target.connection
    assert not isinstance(connection, GuidedConnection)
    assert target.layout is not None
    system = {"windows": "Windows", "posix": "POSIX"}[target.layout.os]
    who = f"{connection.user} at {target.address}:{connection.port}"
    if isinstance(connection, WinrmConnection):
        return f"{system}, WinRM over {'HTTPS' if connection.tls else 'HTTP'}, {who}"
    return f"{system}, SSH, {who}" + (f" through {connection.jump.address}" if connection.jump else "")
