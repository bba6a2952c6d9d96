"""All or nothing on one workstation: ``run.json`` is taken, the old files are kept, the new ones written, or put back.

Each file is whole at every moment. The set of files is whole at the next contact, whichever side died and when:
``settle`` reads what a dead run has left.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from iea_fleet.engine.gather import Gathered
from iea_fleet.engine.lease import Leases
from iea_fleet.model.journal import JournalFile
from iea_fleet.model.matrix import Status
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
    Moved,
    NotTried,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Request,
    Stat,
    as_shown,
    digest,
)
from iea_fleet.model.target import Target
from iea_fleet.resources import Unobserved
from iea_fleet.transports.base import Session

_NOT_OURS = "private_folder_not_ours"
_TRIES = 3
_TAKEN = "another run took this workstation a moment ago; wait, or look: iea-fleet leases INVENTORY list"
LOST = Unobserved(
    Status.FAILED,
    "nothing was written: this run's lease was broken, or another run has taken this workstation",
    "lease_lost",
)
"""What a workstation says whose ``run.json`` was no longer ours when something was to be written."""

_BACKUPS = 10
"""So many backups of a workstation are kept, the newest: what ``rollback`` has to go by."""
_BACKUP = ".bak"

Write = ReplaceFile | RemoveFile
"""What a transaction does to one file."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """What came of putting files back: ``changed`` are those that somebody else has changed, and that were left alone.

    ``stuck`` says why some of ours are there still; then the transaction is not over, and ``run.json`` has to stay.
    """

    changed: tuple[str, ...] = ()
    stuck: str = ""


@dataclass
class Transaction:
    """One workstation's set of files. ``files`` says what is replaced by what, ``old`` holds the old contents."""

    session: Session
    target: Target
    files: tuple[JournalFile, ...]
    old: dict[str, bytes] = field(repr=False)
    writes: tuple[Write, ...]
    run_file: ReplaceFile
    makes_folder: bool
    lost: bool = False
    """Whether ``run.json`` was no longer ours when something was to be written: then nothing is ours to put back."""
    older: tuple[str, ...] = ()
    """The backups that were there before, the oldest first."""
    written: frozenset[str] = frozenset()
    """The paths of the files that were written, which are those to put back."""

    @classmethod
    def prepare(
        cls, session: Session, target: Target, leases: Leases, run: str, writes: Sequence[Write], before: Gathered
    ) -> Self:
        """A transaction that writes these files, which still are as they were read ``before``. Nothing is sent yet."""
        private = target.files["private"]
        old = {write.path: content for write in writes if (content := before.content(write.path)) is not None}
        files = tuple(
            JournalFile(
                write.path,
                write.expected,
                digest(write.content) if isinstance(write, ReplaceFile) else ABSENT,
                f"{private}/{run}-{number}{_BACKUP}" if write.path in old else None,
                secret=isinstance(write, ReplaceFile) and write.secret,
                private=isinstance(write, ReplaceFile) and write.private,
            )
            for number, write in enumerate(writes, 1)
        )
        run_file = leases.run_file(target, run, files, ABSENT)
        makes_folder = isinstance(before.answer(Stat(private)), Absent)
        return cls(session, target, files, old, tuple(writes), run_file, makes_folder)

    def take(self, before: Gathered) -> Unobserved | None:
        """Take ``run.json``, in a folder that is ours alone; why not, or None. Nothing else is written yet."""
        private = self.target.files["private"]
        taken: Answer = NotTried()
        if trouble := in_the_way(private, before.answer):
            return trouble
        for _ in range(_TRIES):
            made: list[Request] = [MakeFolder(private, private=True)] if self.makes_folder else []
            *folder, taken, of_file, of_folder, listing = self.session.carry_out(
                (*made, self.run_file, Stat(self.run_file.path), Stat(private), ListFolder(private))
            )
            if folder and isinstance(folder[0], Failed):
                return _refused(f"the private folder {private} cannot be made", folder[0])
            if isinstance(taken, Moved):
                return Unobserved(Status.HELD, _TAKEN, "held_by_run")
            if not isinstance(taken, NotTried) and not (isinstance(taken, Failed) and taken.reason_code == "no_folder"):
                break
            # Another run was at it in the same moment: it made the folder first, or tidied away our unfinished file.
            self.makes_folder = False
        if not isinstance(taken, Done):
            return _refused(f"{self.run_file.path} cannot be written", taken)
        if isinstance(of_file, Absent):
            return LOST
        if isinstance(listing, FolderListing):
            # Names begin with the run's id, and so with its time.
            self.older = tuple(sorted(f"{private}/{name}" for name in listing.names if name.endswith(_BACKUP)))
        trouble = strange_folder(private, of_file, of_folder)
        if trouble is not None:
            self._remove_run_file()
        return trouble

    def write(self) -> list[Answer]:
        """Keep the old files and write the new ones, in one batch; one answer for each new file.

        It begins with ``run.json``, which has to be ours still: otherwise nothing at all is written.
        """
        backups = [
            ReplaceFile(file.backup, self.old[file.path], ABSENT, private=True) for file in self.files if file.backup
        ]
        answers = self.session.carry_out((self._again, *backups, *self.writes))
        self.lost = isinstance(answers[0], Moved)
        kept, written = answers[: 1 + len(backups)], answers[1 + len(backups) :]
        self.written = frozenset(
            file.path for file, answer in zip(self.files, written, strict=True) if isinstance(answer, Done)
        )
        refused = next((answer for answer in kept if isinstance(answer, Moved | Failed)), None)
        return written if refused is None else [refused, *written[1:]]

    def put_back(self) -> PutBack:
        """Put every file back that is as we wrote it, while ``run.json`` still is ours.

        A file that was not written yet is left as it is.
        """
        changed: list[str] = []
        stuck = ""
        for file in self.files:
            if file.path not in self.written:
                continue
            request = (
                RemoveFile(file.path, file.after)
                if file.was_absent
                else ReplaceFile(file.path, self.old[file.path], file.after, private=file.private)
            )
            # One by one: a file that somebody has changed must not keep the others from being put back.
            ours, answer = self.session.carry_out((self._again, request))
            if isinstance(ours, Moved | Failed):
                self.lost = isinstance(ours, Moved)
                stuck = stuck or _why("run.json is not ours any more", ours)
                break
            if isinstance(answer, Moved) and answer.found != file.before:
                changed.append(file.path)
            elif not isinstance(answer, Done | Moved):
                stuck = stuck or _why(f"{as_shown(file.path)} cannot be put back", answer)
        return PutBack(tuple(changed), stuck)

    def commit(self, *, keep_backups: bool) -> str:
        """Remove what is not to be kept, and last of all ``run.json``; why the transaction is not over, or "".

        While a secret cannot be removed ``run.json`` stays, so that the next contact tries again.
        """
        for file in self.files:
            if file.backup and (file.secret or not keep_backups):
                (answer,) = self.session.carry_out((RemoveFile(file.backup, file.before),))
                if isinstance(answer, Failed):
                    return _why(f"{file.backup} cannot be removed", answer)
        if keep_backups:
            self._remove_oldest()
        answer = self._remove_run_file()
        if isinstance(answer, Moved):
            self.lost = True
            return "another run has taken this workstation meanwhile"
        return "" if isinstance(answer, Done) else _why(f"{self.run_file.path} cannot be removed", answer)

    def _remove_oldest(self) -> None:
        """Remove the backups beyond those that are kept. Nothing is asked where there are no more."""
        ours = sum(1 for file in self.files if file.backup and not file.secret)
        oldest = self.older[: max(0, len(self.older) + ours - _BACKUPS)]
        answers = self.session.carry_out(tuple(ReadFile(path) for path in oldest)) if oldest else []
        for path, answer in zip(oldest, answers, strict=True):
            if isinstance(answer, FileContent):
                self.session.carry_out((RemoveFile(path, answer.digest),))

    @property
    def _again(self) -> ReplaceFile:
        """``run.json`` as it is: done while it is ours."""
        return ReplaceFile(self.run_file.path, self.run_file.content, self._signed, private=True)

    @property
    def _signed(self) -> str:
        return digest(self.run_file.content)

    def _remove_run_file(self) -> Answer:
        (answer,) = self.session.carry_out((RemoveFile(self.run_file.path, self._signed),))
        return answer


def in_the_way(private: str, answer: Callable[[Stat], Answer | None]) -> Unobserved | None:
    """Why nothing can be put into a private folder, by what was seen of it and of its parent."""
    parent, found = posixpath.dirname(private), answer(Stat(private))
    about = answer(Stat(parent))
    if isinstance(about, FileStat) and about.kind == "link":
        reason = (
            f"{parent}, where the private folder is kept, is a link, which may lead elsewhere tomorrow; nothing was "
            "written: name the folder that it leads to in the layout"
        )
        return Unobserved(Status.FAILED, reason, _NOT_OURS)
    if isinstance(found, FileStat) and found.kind != "folder":
        return _not_ours(f"{private} is a {found.kind}, not a folder")
    if isinstance(found, FileStat) and found.shared:
        return _not_ours(f"the folder {private} can be read by others")
    if isinstance(found, Failed):
        return Unobserved(Status.FAILED, found.reason, found.reason_code)
    return None


def strange_folder(private: str, of_file: Answer, of_folder: Answer) -> Unobserved | None:
    """Why a private folder is none of ours; None when it is. The file in it is: it was made a moment ago."""
    if not isinstance(of_file, FileStat) or not isinstance(of_folder, FileStat):
        return _not_ours(f"whose the folder {private} is cannot be told")
    if of_folder.kind != "folder":
        return _not_ours(f"{private} is a {of_folder.kind}, not a folder")
    if of_folder.shared:
        return _not_ours(f"the folder {private} can be read by others")
    if of_folder.owner != of_file.owner:
        return _not_ours(f"the folder {private} belongs to somebody else ({of_folder.owner})")
    return None


def _not_ours(wrong: str) -> Unobserved:
    reason = f"{wrong}; nothing was written: look at it, and remove it"
    return Unobserved(Status.FAILED, reason, _NOT_OURS)


def _why(what: str, answer: Answer) -> str:
    return f"{what}: {answer.reason}" if isinstance(answer, Failed) else what


def _refused(what: str, answer: Answer) -> Unobserved:
    if isinstance(answer, Failed):
        return Unobserved(Status.FAILED, f"{what}: {answer.reason}", answer.reason_code)
    return Unobserved(Status.FAILED, f"{what}: something else appeared there a moment ago", _NOT_OURS)
