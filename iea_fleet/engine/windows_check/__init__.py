"""``windows-check``: whether a real Windows workstation does with the agent what it has to, step after step.

IEA's own files are read and never written, and nothing is written while another run holds the workstation.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from iea_fleet import __version__
from iea_fleet.core.exit_code import HELD_BY_RUN
from iea_fleet.engine import clock
from iea_fleet.engine.lease import Leases, Standing
from iea_fleet.engine.windows_check.expected import OtherCameError
from iea_fleet.engine.windows_check.scratch import Subject
from iea_fleet.engine.windows_check.steps import ON_THE_SCRATCH_FILE, STEPS, unproven
from iea_fleet.engine.windows_check.trials import Trials
from iea_fleet.errors import IeaFleetError, OfflineError, TransportError, UsageError
from iea_fleet.model.request import Answer, ReadFile
from iea_fleet.model.target import Target
from iea_fleet.model.windows_check import STAND_IN, Step, Verdict, WindowsCheck
from iea_fleet.probes import servers
from iea_fleet.transports.base import Reach
from iea_fleet.transports.examine import enter
from iea_fleet.transports.jump import JumpHosts
from iea_fleet.transports.replay import AgentCall, Conversation, Recorded
from iea_fleet.transports.sessions import open_session
from iea_fleet.transports.windows.agent import AGENT_FAULTS, AgentSession

_READ = ("server_connection", "version_file", "state_file")
"""The files of a layout that hold no secret."""

_HELD_BY_INVENTORY = "held_by_inventory"

_NO_WORDS = re.compile(r"<[^<>]*>|#< CLIXML|_x000[0-9A-F]_|IEA1-[0-9]+")
"""What Windows PowerShell wraps its errors in where nobody is at a console ([MS-PSRP] 2.2.5.1), and our own marks."""

_LONGEST_WORDS = 400

_AS_EXPECTED: Verdict = "as_expected"
_UNEXPECTED: Verdict = "unexpected"
_NOT_TRIED: Verdict = "not_tried"


class HeldError(IeaFleetError):
    """Another run is at work on a workstation, or has left something that has to be settled first."""


@dataclass
class Taken:
    """A check, and all that was said for it, session by session."""

    check: WindowsCheck
    subject: Subject
    conversations: list[Conversation] = field(default_factory=list)


def on_windows(targets: list[Target]) -> tuple[list[Target], list[str]]:
    """The Windows workstations to which there is a way, and the names of the others. UsageError where there is none."""
    windows = [target for target in targets if target.windows and not target.guided]
    others = [target.name for target in targets if target not in windows]
    if not windows:
        raise UsageError(
            f"no Windows workstation that is connected to (os: windows in its layout) among {', '.join(others)}",
            "choose with --limit; iea-fleet doctor looks at any workstation",
        )
    return windows, others


def subject_of(target: Target) -> Subject:
    """What there is to check on a workstation."""
    wanted = target.server_connection.wanted() if target.server_connection else {}
    return Subject(
        target.connection.transport,
        target.files["private"],
        tuple(target.files[name] for name in _READ if name in target.files),
        servers.requests(target, wanted),
        secrets.token_hex(8),
    )


def check(target: Target, reach: Reach | IeaFleetError, leases: Leases, stopped: Callable[[], bool]) -> Taken:
    """Check one workstation over connections of its own. Whatever keeps us from it is told in the check."""
    begun = WindowsCheck(target.name, target.connection.transport, clock.now(), __version__)
    taken = Taken(begun, subject_of(target))

    def held(answer: Answer) -> None:
        lease = leases.standing(target, answer)
        if lease.standing is not Standing.FREE:
            cell = lease.in_a_cell()
            assert cell is not None
            raise HeldError(cell.reason, code=cell.reason_code)

    if hold := target.held_on(clock.today()):
        wrong = f"the inventory holds {target.name} ({hold.reason}), and a check writes there"
        reach = HeldError(wrong, "take the hold out, or check another workstation", code=_HELD_BY_INVENTORY)
    if isinstance(reach, IeaFleetError):
        taken.check = told(taken.check, reach)
        return taken
    way_in = reach
    with contextlib.closing(JumpHosts()) as jumps:

        def opened() -> AgentSession:
            # Every session on Windows has an agent.
            session = cast("AgentSession", open_session(way_in, enter(way_in, jumps), read_only=False))
            taken.conversations.append(Conversation())
            return Recorded(session, taken.conversations[-1])

        taken.check = walk(taken.check, taken.subject, opened, held, stopped)
    taken.check = with_words(taken)
    return taken


def walk(
    begun: WindowsCheck,
    subject: Subject,
    opened: Callable[[], AgentSession],
    held: Callable[[Answer], None],
    stopped: Callable[[], bool],
) -> WindowsCheck:
    """Take every step that this workstation has, in sessions that ``opened`` makes.

    ``held`` raises HeldError, by what was found where a lease would be. Once a connection is lost, or the operator has
    ``stopped`` it, the steps after that are ``not_tried``; an operator's scratch file is removed all the same.
    """
    steps: list[Step] = []
    try:
        with opened() as session:
            trials = Trials(subject, session, opened)
            alive = True
            for name in _steps_of(subject):
                # What was begun is removed, also for an operator who stops.
                wanted = alive and (not stopped() or (name == "tidy" and trials.about is not None))
                step, still_alive = _take(name, trials if wanted else None)
                steps.append(_explained(step, steps))
                alive = alive and still_alive
                if name == "start" and alive and wanted:
                    held(trials.one(ReadFile(subject.run_file)))
            about = trials.about
    except (TransportError, HeldError) as error:
        return told(begun, error)
    stand_in = about is not None and STAND_IN in about.windows
    left = unproven(subject.transport, steps, stand_in=stand_in)
    if about is None:
        return replace(begun, steps=tuple(steps), unproven=left)
    return replace(
        begun,
        steps=tuple(steps),
        unproven=left,
        powershell=about.powershell,
        language=about.language,
        windows=about.windows,
        stand_in=stand_in,
    )


def told(begun: WindowsCheck, error: IeaFleetError) -> WindowsCheck:
    """A check that did not come about, and why."""
    return replace(
        begun,
        unproven=unproven(begun.transport, (), stand_in=False),
        reason=str(error),
        reason_code=error.code,
        out_of_reach=isinstance(error, OfflineError) or error.code in (HELD_BY_RUN, _HELD_BY_INVENTORY),
    )


def with_words(taken: Taken) -> WindowsCheck:
    """The check, with what PowerShell printed where the agent did not even start: nothing of a file is in that."""
    steps = taken.check.steps
    call = next((call for one in taken.conversations for call in one.calls), None)
    if not steps or steps[0].verdict == "as_expected" or not isinstance(call, AgentCall) or call.said:
        return taken.check
    printed = (call.stderr + call.noise).decode("cp850", "replace")
    words = " ".join(_NO_WORDS.sub(" ", printed).split())[:_LONGEST_WORDS]
    if not words:
        return taken.check
    first = replace(steps[0], reason=f"{steps[0].reason}. PowerShell said: {words}")
    return replace(taken.check, steps=(first, *steps[1:]))


def _steps_of(subject: Subject) -> Iterator[str]:
    """The steps that a workstation has, in order: none of another transport, none of addresses that nobody asks for."""
    left_out = {"sftp", "servers_by_session"} if subject.transport == "winrm" else set()
    if not subject.addresses:
        left_out |= {"servers_by_agent", "servers_by_session"}
    return (name for name in STEPS if name not in left_out)


def _explained(step: Step, before: list[Step]) -> Step:
    """The step, with the earlier one named that it follows from: that the scratch file could not be made."""
    create = next((one for one in before if one.name == "create"), None)
    if step.verdict != _UNEXPECTED or step.name not in ON_THE_SCRATCH_FILE:
        return step
    if create is None or create.verdict != _UNEXPECTED or not create.came.startswith("failed: "):
        return step
    return replace(step, reason=f"follows from: {create.title}")


def _take(name: str, trials: Trials | None) -> tuple[Step, bool]:
    """Take one step, or none where there are no ``trials`` any more; and whether the session is of use still."""
    words = STEPS[name]
    began, verdict, came, reason, alive = time.monotonic(), _NOT_TRIED, "", "", True
    if trials is not None:
        try:
            came, reason = trials.take(name)
            verdict = _AS_EXPECTED
        except OtherCameError as other:
            came, reason, verdict = other.came, other.reason, _UNEXPECTED
        except TransportError as error:
            came, reason, verdict = error.code, str(error), _UNEXPECTED
            # Where the agent failed once the session can be of use still, unless it never ran.
            alive = error.code in AGENT_FAULTS and name != "start"
    seconds = round(time.monotonic() - began, 3)
    return Step(name, words.title, words.proves, verdict, words.expected, came, reason, seconds), alive
