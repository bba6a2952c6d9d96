"""Reading over SFTP: any number of small files, folders and stats in two round trips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from iea_fleet.model.request import (
    Absent,
    Answer,
    Failed,
    FileContent,
    FolderListing,
    ListFolder,
    MeasureRoom,
    ReadFile,
    Stat,
)
from iea_fleet.transports.sftp import (
    CLOSE,
    EOF,
    FAILURE,
    FOR_READING,
    FSTAT,
    LSTAT,
    NO_SUCH_FILE,
    OK,
    OPENDIR,
    PIECE,
    READDIR,
    STATVFS,
    Attributes,
    Handle,
    Name,
    Packet,
    Reply,
    Sftp,
    Status,
    extended,
    of,
    open_file,
    read,
)
from iea_fleet.transports.sftp_words import as_room, as_stat, failed, is_absent, kind_of, refusal, unfit

FileReading = ReadFile | ListFolder | Stat | MeasureRoom
"""What is asked of files over SFTP."""

_FIRST: Final = 2 * PIECE
"""How much of a file is asked for before its size is known: nearly every settings file is smaller."""

_PASSES: Final = 5
_NO_REPLY: Final = Status(OK, "")
_NAMES_AT_ONCE: Final = (2, 16, 64)
_MOST_NAMES: Final = 50_000


@dataclass
class _Reading:
    """A file that is being read, ``length`` bytes from the start in one go; or what could not be opened."""

    request: ReadFile | ListFolder
    handle: Handle | None = None
    refused: Reply = _NO_REPLY
    length: int = _FIRST
    step: int = PIECE
    answer: Answer | None = None

    def question(self) -> list[Packet]:
        if self.handle is None:
            # "No such file" may also be a link that leads nowhere, "failure" a folder in place of a file.
            return [of(LSTAT, self.request.path)]
        reads = [read(self.handle, at, self.step) for at in range(0, self.length, self.step)]
        return [*reads, of(FSTAT, self.handle), of(CLOSE, self.handle)]

    def take(self, replies: list[Reply]) -> None:
        if self.handle is None:
            self._take_second_look(replies[0])
            return
        self.handle = None
        *pieces, about, _ = replies
        assert isinstance(self.request, ReadFile)
        path, limit = self.request.path, self.request.limit
        if not isinstance(about, Attributes):
            self.answer = refusal(about, path, "read")
            return
        kind = kind_of(about.mode) if about.mode is not None else "file"
        size = about.size
        if kind != "file":
            self.answer = unfit(kind, path)
            return
        if size is not None and size > limit:
            self.answer = failed("too_large", path, size=size, limit=limit)
            return
        content, short = contiguous(pieces, self.step)
        if size is None or len(content) == size:
            self.answer = FileContent.of(content)
            return
        wrong = next((each for each in pieces if isinstance(each, Status) and each.code != EOF), None)
        if wrong is not None:
            self.answer = refusal(wrong, path, "read")
            return
        # Longer than asked for, or changed while it was read, or a server with smaller pieces: once more.
        self.length = size + 1
        if short and 512 <= short < self.step and len(content) < size:
            self.step = short

    def _take_second_look(self, about: Reply) -> None:
        """Judge what could not be opened by what LSTAT says of it."""
        path, kind = self.request.path, kind_of(about.mode) if isinstance(about, Attributes) else ""
        if is_absent(about):
            self.answer = Absent()
        elif kind == "link" and is_absent(self.refused):
            self.answer = failed("leads_nowhere", path)
        elif kind == "folder" and isinstance(self.request, ReadFile):
            self.answer = failed("is_folder", path)
        elif kind in ("file", "other") and isinstance(self.request, ListFolder):
            self.answer = failed("not_a_folder", path)
        elif is_absent(self.refused):
            self.answer = failed("keeps_changing", path)
        else:
            self.answer = refusal(self.refused, path, _verb(self.request))


def contiguous(pieces: list[Reply], step: int) -> tuple[bytes, int]:
    """The bytes from the start to the first gap, and the length of the piece that was too short (0: none)."""
    parts = []
    for piece in pieces:
        if not isinstance(piece, bytes):
            break
        parts.append(piece[:step])
        if len(piece) < step:
            return b"".join(parts), len(piece)
    return b"".join(parts), 0


@dataclass
class Listing:
    """A folder that is being listed."""

    path: str
    handle: Handle | None = None
    rounds: int = 0
    names: list[Name] = field(default_factory=list)
    refused: Reply = _NO_REPLY
    answer: Failed | None = None
    done: bool = False

    def question(self) -> list[Packet]:
        """Ask for the next names."""
        assert self.handle is not None
        count = _NAMES_AT_ONCE[min(self.rounds, len(_NAMES_AT_ONCE) - 1)]
        return [of(READDIR, self.handle)] * count

    def take(self, replies: list[Reply]) -> None:
        """Keep the names that came, and know whether they were the last."""
        self.rounds += 1
        for reply in replies:
            if isinstance(reply, list):
                self.names += reply
            else:
                self.done = True
                if not (isinstance(reply, Status) and reply.code == EOF):
                    self.refused = reply
                    self.answer = refusal(reply, self.path, "list")
                break
        if len(self.names) > _MOST_NAMES:
            self.done = True
            self.answer = failed("server_refused", self.path, "list", said=f": it holds over {_MOST_NAMES} names")


def list_open_folders(sftp: Sftp, listings: Sequence[Listing], also: Sequence[Packet] = ()) -> list[Reply]:
    """Read opened folders to their end; the packets ``also`` travel with the first question, and are answered."""
    extra: list[Reply] = []
    rest = list(also)
    going = [each for each in listings if each.handle is not None]
    while going or rest:
        questions = [each.question() for each in going]
        replies = sftp.ask([*rest, *(packet for question in questions for packet in question)])
        extra += replies[: len(rest)]
        at, rest = len(rest), []
        for listing, question in zip(going, questions, strict=True):
            listing.take(replies[at : at + len(question)])
            at += len(question)
            if listing.done and listing.handle is not None:
                sftp.forget([of(CLOSE, listing.handle)])
        going = [each for each in going if not each.done]
    return extra


def read_all(sftp: Sftp, requests: Sequence[FileReading]) -> list[Answer]:
    """The answers to consecutive reading requests, in order.

    Two round trips; one for stats alone, more for files over 64 KiB and for folders of hundreds of names. Room is told
    by servers that have OpenSSH's statvfs extension.
    """
    replies = sftp.ask([_first_question(request) for request in requests])
    readings: dict[int, _Reading] = {}
    listings: dict[int, Listing] = {}
    answers: list[Answer | None] = []
    for place, (request, reply) in enumerate(zip(requests, replies, strict=True)):
        answer: Answer | None = None
        if isinstance(request, ListFolder) and isinstance(reply, Handle):
            listings[place] = Listing(request.path, reply)
        elif isinstance(request, ReadFile) and isinstance(reply, Handle):
            readings[place] = _Reading(request, reply)
        elif isinstance(request, ReadFile | ListFolder) and _needs_second_look(reply):
            readings[place] = _Reading(request, refused=reply)
        else:
            answer = _at_once(request, reply)
        answers.append(answer)
    _second(sftp, list(readings.values()), list(listings.values()))
    for place, reading in readings.items():
        answers[place] = reading.answer
    for place, listing in listings.items():
        answers[place] = listing.answer or FolderListing(_sorted(listing.names))
        if _needs_second_look(listing.refused):  # some servers look at a folder only when its names are asked for
            again = _Reading(ListFolder(listing.path), refused=listing.refused)
            again.take(sftp.ask(again.question()))
            answers[place] = again.answer
    return [answer for answer in answers if answer is not None]


def _at_once(request: FileReading, reply: Reply) -> Answer:
    if isinstance(request, Stat) and isinstance(reply, Attributes):
        return as_stat(reply)
    if isinstance(request, MeasureRoom) and isinstance(reply, bytes):
        return as_room(reply, request.path)
    return Absent() if is_absent(reply) else refusal(reply, request.path, _verb(request))


def _needs_second_look(reply: Reply) -> bool:
    return isinstance(reply, Status) and reply.code in (NO_SUCH_FILE, FAILURE)


def _verb(request: FileReading) -> str:
    verbs = {ListFolder: "list", MeasureRoom: "measure the room of"}
    return verbs.get(type(request), "read")


def _first_question(request: FileReading) -> Packet:
    if isinstance(request, MeasureRoom):
        # A server that does not know the extension says so (draft-ietf-secsh-filexfer-02 §8).
        return extended(STATVFS, request.path)
    if isinstance(request, ReadFile):
        return open_file(request.path, FOR_READING)
    return of(OPENDIR if isinstance(request, ListFolder) else LSTAT, request.path)


def _second(sftp: Sftp, readings: list[_Reading], listings: list[Listing]) -> None:
    questions = [reading.question() for reading in readings]
    replies = list_open_folders(sftp, listings, [packet for question in questions for packet in question])
    _hand_out(readings, questions, replies)
    for _ in range(_PASSES):
        going = [reading for reading in readings if reading.answer is None]
        if not going:
            return
        handles = sftp.ask([open_file(each.request.path, FOR_READING) for each in going])
        for reading, reply in zip(going, handles, strict=True):
            if isinstance(reply, Handle):
                reading.handle = reply
            elif not is_absent(reply):
                reading.answer = refusal(reply, reading.request.path, "read")
        going = [reading for reading in going if reading.answer is None]
        questions = [reading.question() for reading in going]
        _hand_out(going, questions, sftp.ask([packet for question in questions for packet in question]))
    for reading in readings:
        if reading.answer is None:
            reading.answer = failed("keeps_changing", reading.request.path)


def _hand_out(readings: list[_Reading], questions: list[list[Packet]], replies: list[Reply]) -> None:
    at = 0
    for reading, question in zip(readings, questions, strict=True):
        reading.take(replies[at : at + len(question)])
        at += len(question)


def _sorted(names: list[Name]) -> tuple[str, ...]:
    return tuple(sorted(each.name for each in names if each.name not in (".", "..")))
