"""What ``doctor`` looks at once it is let in: files, rights, private folder, run.json, room and clock.

Of all this one step changes anything: ``writing`` makes one small file beside the settings, and removes it at once. It
is called as a file of ours that was not renamed yet, so that the next push removes it, should we die in between.
"""

from __future__ import annotations

import math
import posixpath
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from iea_fleet.engine import clock
from iea_fleet.engine.gather import gather
from iea_fleet.engine.lease import Leases, Standing
from iea_fleet.engine.transaction import in_the_way, strange_folder
from iea_fleet.errors import TransportError
from iea_fleet.model.examination import Finding, Step
from iea_fleet.model.matrix import OK, Status
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Answer,
    Done,
    Failed,
    FileStat,
    FolderListing,
    ListFolder,
    MeasureRoom,
    NotTried,
    RemoveFile,
    ReplaceFile,
    Room,
    Stat,
    digest,
    is_registry_key,
    temporary_name,
)
from iea_fleet.model.target import Target
from iea_fleet.probes import version
from iea_fleet.resources import Knowledge, Unobserved
from iea_fleet.transports.base import Session
from iea_fleet.transports.trail import Seen, Trail
from iea_fleet.transports.windows.agent import AgentSession

STEPS: Final = ("folders", "settings", "version", "run", "writing", "private", "room", "clock")
"""In this order: who holds the workstation is known before anything is written, whose we are before the judgement."""

_CONTENT: Final = b"made by iea-fleet doctor, which removes it at once\n"
_LEAST_ROOM: Final = 1024 * 1024
_LITTLE_ROOM: Final = 100 * 1024 * 1024
_CLOCK_TOLERANCE: Final = 60
"""Seconds. Over SFTP the time of a file is told in whole ones (draft-ietf-secsh-filexfer-02 §5)."""

_SLOW_START: Final = 5
"""Seconds that PowerShell may take to start until it is told: each batch that writes waits for one start."""

_NOT_FILES: Final = ("private", "lock_file")


@dataclass
class Inside:
    """One workstation seen from within. ``hands_off`` says why nothing is written there; "" where it may be."""

    session: Session
    target: Target
    leases: Leases
    knowledge: Knowledge
    hands_off: str
    trail: Trail
    _scratch: Answer = field(default=NotTried(), init=False)
    _private_there: Answer = field(default=NotTried(), init=False)
    _ahead: float | None = field(default=None, init=False)
    _slack: float = field(default=0.0, init=False)

    def look(self, steps: Sequence[str]) -> None:
        """Take these steps; a lost connection alone keeps one from being taken."""
        for name in steps:
            look: Callable[[], Seen] = getattr(self, f"_{name}")
            self.trail.take(name, look)
            if not isinstance(self.trail.error, TransportError):
                continue
            if name != "powershell" or self.target.connection.transport == "winrm":
                return
            # Over SSH files are read without PowerShell.
            self.trail.error = None
            self.hands_off = self.hands_off or "PowerShell, which writes there, does not do its work"

    def _powershell(self) -> Seen:
        """What the agent says of itself, for the price of one start of PowerShell; as patient as what writes."""
        agent = cast("AgentSession", self.session).agent
        began = time.monotonic()
        agent.ask((Stat(posixpath.dirname(self.target.files["private"])),), read_only=True, patient=True)
        took = time.monotonic() - began
        about = agent.about
        assert about is not None
        seen = f"PowerShell {about.powershell}, {about.language}, on Windows {about.windows}, started in {took:.1f} s"
        if took <= _SLOW_START:
            return seen
        remedy = "look what slows its start there, mostly an antivirus; raise timeout in its connection if it grows"
        return Step("powershell", Finding.WARN, seen, remedy, "slow_powershell")

    @property
    def _files(self) -> tuple[str, ...]:
        """The paths of the files that the layout names, the connection settings first."""
        files = {name: path for name, path in self.target.files.items() if name not in _NOT_FILES}
        paths = (files.get("server_connection"), *files.values())
        return tuple(dict.fromkeys(path for path in paths if path and not is_registry_key(path)))

    def _folders(self) -> Seen:
        folders = tuple(dict.fromkeys(map(posixpath.dirname, self._files)))
        listed = []
        for folder, answer in zip(folders, self.session.carry_out(tuple(map(ListFolder, folders))), strict=True):
            match answer:
                case FolderListing(names):
                    listed.append(f"{folder} ({len(names)} name{'' if len(names) == 1 else 's'})")
                case Absent():
                    remedy = "look whether IEA is installed there, or correct the layout"
                    return Step("folders", Finding.BAD, f"the folder {folder} is not there", remedy, "no_folder")
                case _:
                    return _bad("folders", answer)
        return ", ".join(listed) or "the layout names no files"

    def _settings(self) -> Seen:
        reading = gather(self.session, self.target, (), self.knowledge).reading
        troubles = {address: one for address, one in reading.observed.items() if isinstance(one, Unobserved)}
        worst = sorted(troubles.values(), key=lambda trouble: trouble.status is Status.WAITING)
        if worst:
            finding = Finding.WARN if worst[0].status is Status.WAITING else Finding.BAD
            return _told("settings", finding, worst[0].reason, worst[0].reason_code)
        return f"{', '.join(reading.observed)} can be read" if reading.observed else "the inventory declares none"

    def _version(self) -> Seen:
        asked = version.reads(self.target)
        if not asked:
            return Step("version", Finding.NOT_TRIED, "the layout names no version file")
        cell = version.judge(self.target, self.session.carry_out(asked)[0])
        return cell.reason if cell.status is OK else _told("version", Finding.WARN, cell.reason, cell.reason_code)

    def _run(self) -> Seen:
        (answer,) = self.session.carry_out((self.leases.read(self.target),))
        lease = self.leases.standing(self.target, answer)
        trouble = lease.in_a_cell()
        if trouble is None:
            return "no run holds this workstation"
        self.hands_off = self.hands_off or "nothing is written where a run.json is"
        finding = Finding.BAD if lease.standing is Standing.STRANGE else Finding.WARN
        return _told("run", finding, trouble.reason, trouble.reason_code)

    def _writing(self) -> Seen:
        if self.hands_off or not self._files:
            return Step("writing", Finding.NOT_TRIED, self.hands_off or "the layout names no file to write beside")
        beside = self._files[0]
        name = temporary_name(posixpath.basename(beside), secrets.token_hex(8))
        path = posixpath.join(posixpath.dirname(beside), name)
        begun = clock.now().timestamp()
        made, self._scratch, self._private_there, removed = self.session.carry_out(
            (
                ReplaceFile(path, _CONTENT, ABSENT, private=True),
                Stat(path),
                Stat(self.target.files["private"]),
                RemoveFile(path, digest(_CONTENT)),
            )
        )
        ended = clock.now().timestamp()
        if not isinstance(made, Done):
            self._private_there = NotTried()  # nothing to compare it with
            # Of the two names in play a person knows the folder.
            return _told("writing", Finding.BAD, _why(made).replace(path, posixpath.dirname(path)), _code(made))
        if isinstance(self._scratch, FileStat):
            # It was made at some moment of the exchange, which a start of PowerShell makes long.
            self._ahead = self._scratch.modified - (begun + ended) / 2
            self._slack = (ended - begun) / 2 + 1  # of a second that SFTP cuts off
        if isinstance(removed, Failed):
            remedy = f"let the user of the connection remove files there, and remove {path}"
            return Step("writing", Finding.BAD, f"a file was made, and {removed.reason}", remedy, removed.reason_code)
        return f"a file was made beside {beside} and removed"

    def _private(self) -> Seen:
        private = self.target.files["private"]
        asked = (Stat(private), Stat(posixpath.dirname(private)))
        answers: dict[Stat, Answer] = dict(zip(asked, self.session.carry_out(asked), strict=True))
        found, parent = answers[asked[0]], answers[asked[1]]
        trouble = in_the_way(private, answers.get)
        # Seen in the same moment as the file that is certainly ours: SFTP on Windows tells no owners.
        compared = isinstance(self._private_there, FileStat)
        if trouble is None and compared:
            trouble = strange_folder(private, self._scratch, self._private_there)
        if trouble is not None:
            return _told("private", Finding.BAD, trouble.reason, trouble.reason_code)
        if isinstance(found, FileStat):
            return f"{private} is there" + (", for us alone" if compared else "")
        if isinstance(parent, Absent):
            remedy = "correct private in the layout"
            return Step("private", Finding.BAD, f"{asked[1].path} is not there", remedy, "no_folder")
        return f"{private} is not there yet: the first apply makes it"

    def _room(self) -> Seen:
        folders = dict.fromkeys(
            (*map(posixpath.dirname, self._files[:1]), posixpath.dirname(self.target.files["private"]))
        )
        asked = tuple(map(MeasureRoom, folders))
        answers = self.session.carry_out(asked)
        measured = {each.path: room.free for each, room in zip(asked, answers, strict=True) if isinstance(room, Room)}
        if not measured:
            return _told("room", Finding.WARN, _why(answers[0]), "room_unknown")
        folder = min(measured, key=measured.__getitem__)
        free = measured[folder]
        said = f"{free / 1e9:.1f} GB" if free >= 1e9 else f"{free / 1e6:.0f} MB"
        seen = f"{said} free at {folder}"
        if free < _LITTLE_ROOM:
            full = free < _LEAST_ROOM
            finding, code = (Finding.BAD, "disk_full") if full else (Finding.WARN, "little_room")
            return Step("room", finding, seen, "make room there", code)
        return seen

    def _clock(self) -> Seen:
        if self._ahead is None:
            return Step("clock", Finding.NOT_TRIED, "it is told by the file that writing makes")
        apart = abs(self._ahead)
        if apart <= self._slack:
            return f"like ours, to within {math.ceil(apart + self._slack)} s"
        if apart <= self._slack + _CLOCK_TOLERANCE:
            return f"{round(apart)} s from ours, give or take {math.ceil(self._slack)} s"
        which = "ahead of" if self._ahead > 0 else "behind"
        remedy = "one of the two clocks is wrong: look at the time service, and at the time zone"
        return Step("clock", Finding.WARN, f"{_long(apart)} {which} ours", remedy, "clock_differs")


def _long(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {whole % 60:02} s"


def _bad(name: str, answer: Answer) -> Step:
    return _told(name, Finding.BAD, _why(answer), _code(answer))


def _code(answer: Answer) -> str:
    return answer.reason_code if isinstance(answer, Failed) else "moved"


def _why(answer: Answer) -> str:
    return answer.reason if isinstance(answer, Failed) else "something else appeared there a moment ago; run it again"


def _told(name: str, finding: Finding, reason: str, code: str) -> Step:
    """A step by a sentence that says what is wrong and, after its last semicolon, what to do."""
    seen, separator, remedy = reason.rpartition("; ")
    if not separator:
        seen, remedy = remedy, ""
    return Step(name, finding, seen, remedy.removeprefix("nothing was written: "), code)
