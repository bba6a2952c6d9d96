"""What ``windows-check`` tries on a workstation: each request of the agent, on scratch files and keys alone."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from iea_fleet.engine.windows_check.expected import (
    Came,
    OtherCameError,
    changed,
    class_of,
    cut_short,
    judged,
    spoilt,
    wanted,
    who_reads,
)
from iea_fleet.engine.windows_check.scratch import (
    CHANGED_KEY,
    FOUND,
    KEY,
    KINDS,
    LARGE,
    LINES,
    ODD,
    OLD,
    RACERS,
    Subject,
)
from iea_fleet.errors import SettingsFormatError, TransportError
from iea_fleet.formats import registry
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Answer,
    Done,
    Failed,
    FileContent,
    FileStat,
    FolderListing,
    ListFolder,
    MakeFolder,
    MeasureRoom,
    Moved,
    Ran,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Request,
    Room,
    RunAction,
    Stat,
    digest,
)
from iea_fleet.transports.windows.agent import AgentSession
from iea_fleet.transports.windows.answers import About

VERSION_KEY: Final = "HKLM/SOFTWARE/Microsoft/Windows NT/CurrentVersion"
FINDSTR: Final = "C:/Windows/System32/findstr.exe"
"""Every Windows has it: it finds lines of its standard input, and ends with 1 where there are none."""

_ROOM_NEEDED: Final = 2_000_000
"""Bytes: while the largest scratch file is replaced it is there twice, 600,000 bytes each."""

_SYSTEM: Final = frozenset({"S-1-5-32-544", "S-1-5-18"})
"""The group Administrators and the system (Microsoft Learn, « Well-known SIDs »)."""


class Trials:
    """Each step on one workstation. OtherCameError, or TransportError when the session is lost."""

    def __init__(self, subject: Subject, session: AgentSession, another: Callable[[], AgentSession]) -> None:
        self.subject = subject
        self.session = session
        self._another = another
        self._digest = ABSENT  # of the scratch file, as it is now
        self._born: FileStat | None = None

    @property
    def about(self) -> About | None:
        """What the agent said of itself."""
        return self.session.agent.about

    def take(self, name: str) -> Came:
        """Try the step of this name, which is the method of this name."""
        way: Callable[[], Came] = getattr(self, f"_{name}")
        return way()

    def _start(self) -> Came:
        self._look_at(posixpath.dirname(self.subject.private))
        about = self.about
        assert about is not None
        said = f"PowerShell {about.powershell}, {about.language}, Windows {about.windows}"
        if not about.powershell.startswith(("5.0", "5.1")):
            raise OtherCameError(said, "the agent is written for Windows PowerShell 5.1: install WMF 5.1")
        if about.language != "FullLanguage":
            raise OtherCameError(said, "a policy restricts PowerShell: have the account exempted")
        return said, ""

    def _read_file(self) -> Came:
        for path in self.subject.files:
            answer = self.one(ReadFile(path))
            if isinstance(answer, Absent):
                raise OtherCameError("absent", f"{path} is not there: is IEA installed, and is the layout right?")
            wanted(answer, FileContent)
        return "content", f"{len(self.subject.files)} of them"

    def _list_folder(self) -> Came:
        folder, name = posixpath.split(self._a_file)
        names = wanted(self.one(ListFolder(folder)), FolderListing).names
        if name.lower() not in map(str.lower, names):
            raise OtherCameError("names", f"{name} is not among the {len(names)} names in {folder}")
        return "names", f"{len(names)} in {folder}"

    def _stat(self) -> Came:
        about = self._look_at(self._a_file)
        if about.kind != "file" or not about.owner.startswith("S-1-") or about.shared is None:
            raise OtherCameError(f"is {about.kind}", f"owner {about.owner or 'not told'} of {self._a_file}")
        return "is", f"{about.size} bytes, owner {about.owner}, {who_reads(about)}"

    def _absent(self) -> Came:
        answers = self._ask(ReadFile(self.subject.scratch), Stat(self.subject.other), ReadFile(self.subject.key))
        for answer in answers:
            wanted(answer, Absent)
        return "absent", "a file, a look at one, a registry key"

    def _room(self) -> Came:
        free = wanted(self.one(MeasureRoom(posixpath.dirname(self.subject.private))), Room).free
        if free < _ROOM_NEEDED:
            raise OtherCameError(
                f"room, {free / 1e6:.1f} MB", "make room there: a full disk, or a quota of the account"
            )
        return "room", f"{free / 1e9:.1f} GB free"

    def _read_key(self) -> Came:
        content = wanted(self.one(ReadFile(VERSION_KEY)), FileContent).content
        try:
            build = registry.read(content, ["CurrentBuild"]).get("CurrentBuild")
        except SettingsFormatError as error:
            raise OtherCameError("content", str(error)) from error
        if not build:
            raise OtherCameError("content", f"{VERSION_KEY} has no CurrentBuild")
        return "content", f"{len(content.splitlines())} values, build {build}"

    def _run_action(self) -> Came:
        # Two words in one, so that it shows how words are quoted.
        words = (FINDSTR, "/x", "/c:deux mots")
        found, nothing = self._ask(*(RunAction(words, lines, reads=True) for lines in LINES))
        ran, empty = wanted(found, Ran), wanted(nothing, Ran)
        if ran.exit_code != 0 or ran.stdout != FOUND:
            raise OtherCameError(
                f"ran {ran.exit_code}", f"{len(ran.stdout)} bytes of output: not the line that was given"
            )
        if empty.exit_code != 1:
            raise OtherCameError(f"ran {empty.exit_code}", "1 was expected where nothing is found")
        return "ran 0, ran 1", "findstr.exe"

    def _read_only(self) -> Came:
        answer, found = self._ask(ReplaceFile(self.subject.scratch, OLD, ABSENT), ReadFile(self.subject.scratch))
        if not isinstance(answer, Failed) or answer.reason_code != "read_only" or not isinstance(found, Absent):
            raise OtherCameError(class_of(answer), "stop here: what only reads could write; report it")
        return "failed: read_only", ""

    def _torn(self) -> Came:
        for spoil in (changed, cut_short):
            damaging = self.session.agent.through(partial(spoilt, spoil=spoil))
            try:
                damaging.ask((ReplaceFile(self.subject.scratch, OLD, ABSENT),), read_only=False)
            except TransportError as error:
                if error.code != "agent_torn":
                    raise
            else:
                raise OtherCameError("an answer", "damaged input was carried out; stop here and report it")
        return "agent_torn", "twice"

    def _private_folder(self) -> Came:
        private = self.subject.private
        made, about = self._write(MakeFolder(private, private=True), Stat(private))
        if not isinstance(made, Done | Moved):
            wanted(made, Done)
        folder = wanted(about, FileStat)
        if folder.kind != "folder" or folder.shared is not False:
            raise OtherCameError(
                f"is {folder.kind}, {who_reads(folder)}",
                f"{private} is no private folder of ours: look at it, remove it",
            )
        return ("done" if isinstance(made, Done) else "is there"), f"owner {folder.owner}, {who_reads(folder)}"

    def _create(self) -> Came:
        made, about, folder = self._write(
            ReplaceFile(self.subject.scratch, OLD, ABSENT, private=True),
            Stat(self.subject.scratch),
            Stat(self.subject.private),
        )
        self._done(made, OLD)
        born, home = wanted(about, FileStat), wanted(folder, FileStat)
        if born.shared is not False or (born.owner != home.owner and born.owner not in _SYSTEM):
            raise OtherCameError(
                "done", f"owner {born.owner}, {who_reads(born)}; that of the folder is {home.owner}: look at both"
            )
        self._born = born
        return "done", f"owner {born.owner}, {who_reads(born)}"

    def _replace(self) -> Came:
        (answer,) = self._write(ReplaceFile(self.subject.scratch, ODD, digest(OLD), private=True))
        self._done(answer, ODD)
        return "done", ""

    def _moved(self) -> Came:
        for request in (
            ReplaceFile(self.subject.scratch, LARGE, digest(OLD), private=True),
            RemoveFile(self.subject.scratch, digest(OLD)),
        ):
            (answer,) = self._write(request)
            if wanted(answer, Moved).found != digest(ODD):
                raise OtherCameError("moved", "another digest was told than that of the file")
        return "moved, twice", ""

    def _still_private(self) -> Came:
        now = self._look_at(self.subject.scratch)
        if self._born is None or (now.owner, now.shared) != (self._born.owner, self._born.shared):
            raise OtherCameError("is", f"owner {now.owner}, {who_reads(now)}: not as it was born")
        return "is", "as it was born"

    def _bytes(self) -> Came:
        self._same(self.one(ReadFile(self.subject.scratch)), ODD)
        return "content", f"{len(ODD)} bytes, the same"

    def _large(self) -> Came:
        answer, read = self._write(
            ReplaceFile(self.subject.scratch, LARGE, digest(ODD), private=True), ReadFile(self.subject.scratch)
        )
        self._done(answer, LARGE)
        self._same(read, LARGE)
        return "done, content", f"{len(LARGE)} bytes, the same"

    def _group(self) -> Came:
        one, other, found = self._write(
            ReplaceFile(self.subject.other, OLD, ABSENT, private=True),
            ReplaceFile(self.subject.scratch, OLD, digest(ODD), private=True),
            ReadFile(self.subject.other),
        )
        wanted(other, Moved)
        if isinstance(one, Done) or not isinstance(found, Absent):
            raise OtherCameError(class_of(one), f"{self.subject.other} was made all the same; report it")
        return f"{class_of(one)}, moved", ""

    def _race(self) -> Came:
        try:
            answers = self._at_once()
        except TransportError as error:
            # Of the other session, perhaps: this one may be of use still.
            raise OtherCameError(error.code, str(error)) from error
        won = [content for content, answer in zip(RACERS, answers, strict=True) if isinstance(answer, Done)]
        lost = [answer for answer in answers if isinstance(answer, Moved)]
        if len(won) != 1 or len(lost) != 1 or lost[0].found != digest(won[0]):
            raise OtherCameError(", ".join(map(class_of, answers)), "two agents are not ordered; report it")
        return "done, moved", "the loser was told the winner's digest"

    def _at_once(self) -> list[Answer]:
        """What two agents are answered that replace the same file, each with its own content."""
        with self._another() as second, ThreadPoolExecutor(2) as hands:
            asked = [
                hands.submit(
                    session.agent.ask,
                    (ReplaceFile(self.subject.scratch, content, self._digest, private=True),),
                    read_only=False,
                )
                for session, content in zip((self.session, second), RACERS, strict=True)
            ]
            return [future.result()[0] for future in asked]

    def _write_key(self) -> Came:
        key = self.subject.key
        made, read = self._write(ReplaceFile(key, KEY, ABSENT), ReadFile(key))
        wanted(made, Done)
        self._same(read, KEY)
        (moved,) = self._write(ReplaceFile(key, CHANGED_KEY, digest(OLD)))
        wanted(moved, Moved)
        replaced, removed, after = self._write(
            ReplaceFile(key, CHANGED_KEY, digest(KEY)), RemoveFile(key, digest(CHANGED_KEY)), ReadFile(key)
        )
        for answer, kind in ((replaced, Done), (removed, Done), (after, Absent)):
            wanted(answer, kind)
        return "done, content, moved, done", f"{len(KINDS)} kinds"

    def _sftp(self) -> Came:
        scratch, path = self.subject.scratch, self._a_file
        by_agent = self._ask(ReadFile(scratch), ReadFile(path), ListFolder(posixpath.dirname(path)))
        by_sftp = self.session.carry_out((ReadFile(scratch), ReadFile(path), ListFolder(posixpath.dirname(path))))
        for one, other in zip(by_agent, by_sftp, strict=True):
            if one != other:
                raise OtherCameError(class_of(other), f"the agent was answered {class_of(one)}: not the same")
        return "content, names", "the same"

    def _servers_by_agent(self) -> Came:
        return judged(self._ask(*self.subject.addresses.values()))

    def _servers_by_session(self) -> Came:
        return judged(self.session.carry_out(tuple(self.subject.addresses.values())))

    def _tidy(self) -> Came:
        private = self.subject.private
        for path in (self.subject.scratch, self.subject.key):
            # By what is there: a step that failed may have left something else than it was to.
            if isinstance(found := self.one(ReadFile(path)), FileContent):
                (removed,) = self._write(RemoveFile(path, found.digest))
                wanted(removed, Done)
        listing = self.one(ListFolder(private))
        token = self.subject.token
        left = [name for name in wanted(listing, FolderListing).names if token in name or token[::-1] in name]
        if left:
            raise OtherCameError("names", f"left in {private}: {', '.join(left)}; remove it, and report it")
        return "done, names", "nothing of ours but the folder"

    @property
    def _a_file(self) -> str:
        return next((path for path in self.subject.files if path[1:2] == ":"), "C:/Windows/explorer.exe")

    def one(self, request: Request) -> Answer:
        """Ask the agent for something that changes nothing."""
        (answer,) = self._ask(request)
        return answer

    def _ask(self, *requests: Request) -> list[Answer]:
        return self.session.agent.ask(requests, read_only=True)

    def _write(self, *requests: Request) -> list[Answer]:
        return self.session.agent.ask(requests, read_only=False)

    def _look_at(self, path: str) -> FileStat:
        return wanted(self.one(Stat(path)), FileStat)

    def _done(self, answer: Answer, content: bytes) -> None:
        if wanted(answer, Done).digest != digest(content):
            raise OtherCameError("done", "with another digest than that of what was sent")
        self._digest = digest(content)

    def _same(self, answer: Answer, content: bytes) -> None:
        read = wanted(answer, FileContent).content
        if read != content:
            raise OtherCameError("content", f"{len(read)} bytes that are not the {len(content)} that were written")
