"""What a dead run has left on a workstation is finished or put back as a set; a file that somebody changed is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from iea_fleet.engine import leftovers
from iea_fleet.engine.lease import Lease, Leases, path_of
from iea_fleet.model.journal import NAME, JournalFile
from iea_fleet.model.matrix import Status
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Answer,
    Failed,
    FileContent,
    FolderListing,
    ListFolder,
    Moved,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Request,
    as_shown,
    digest,
    is_leftover,
    is_registry_key,
    set_aside_for,
)
from iea_fleet.model.target import Target
from iea_fleet.resources import Unobserved
from iea_fleet.transports.base import Session

Record = Callable[[str, str, Sequence[JournalFile]], None]
"""Puts the files that a run has replaced on a workstation on disk; takes the run and the workstation."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done: ``finished`` when every file was written, so that only what follows a write was missing."""

    run: str
    finished: bool
    left_alone: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """One sentence for the matrix."""
        what = "finished" if self.finished else "put back"
        others = ", ".join(map(as_shown, self.left_alone))
        left = f"; {others} was changed since and left alone" if others else ""
        return f"the interrupted run {self.run} was {what}{left}"


def settle(
    session: Session, target: Target, lease: Lease, leases: Leases, record: Record
) -> Settled | Unobserved | None:
    """Finish or put back what the dead run of this lease was writing, and remove its ``run.json``.

    None when another process was quicker: ``run.json`` is not that of this lease any more. What is finished is on disk
    by ``record`` before the lease ends.
    """
    journal = lease.journal
    assert journal is not None
    # Taken over first, so that of two that find the same dead run one settles it.
    run_file = leases.run_file(target, journal.run, journal.files, lease.digest)
    taken, *answers = session.carry_out((run_file, *(ReadFile(file.path) for file in journal.files)))
    if isinstance(taken, Moved):
        return None
    if isinstance(taken, Failed):
        reason = f"run {journal.run} was interrupted here, and {run_file.path} cannot be written: {taken.reason}"
        return Unobserved(Status.FAILED, reason, "not_settled")
    now = [_digest(answer) for answer in answers]
    if unreadable := [as_shown(file.path) for file, found in zip(journal.files, now, strict=True) if found is None]:
        reason = f"run {journal.run} was interrupted here, and {unreadable[0]} cannot be read; nothing was done"
        return Unobserved(Status.FAILED, reason, "interrupted_run")
    seen = tuple(zip(journal.files, now, strict=True))
    lost = [file for file, found in seen if _fell_between(file, found, target)]
    third = tuple(file.path for file, found in seen if found not in (file.before, file.after) and file not in lost)
    written = [file for file, found in seen if found == file.after != file.before]
    # A run without files was there to tidy up.
    finished = 0 < len(written) == len(journal.files)
    if finished:
        record(journal.run, target.name, journal.files)
    else:
        now_there = {**{file.path: file.after for file in written}, **{file.path: ABSENT for file in lost}}
        back = _put_back(session, target, journal.run, [*written, *lost], now_there)
        if isinstance(back, Unobserved):
            return back
        third += back
    folders = leftovers.folders(target, (file.path for file in journal.files))
    left = dict[Request, Answer](zip(folders, session.carry_out(folders), strict=True))
    leftovers.remove(session, leftovers.found(target, left))
    gone = [file for file in journal.files if file.secret or not finished]
    return _forget(session, run_file, gone) or Settled(journal.run, finished, third)


def put_run_file_back(session: Session, target: Target, answers: Mapping[Request, Answer]) -> Answer | None:
    """Put ``run.json`` back, which its writer had moved away when it died inside ReplaceFile: what came of that.

    None where none was moved away, by the listing of the private folder among the ``answers``: then the new one stands
    there too, under its temporary name. An old one alone is that of a run which ended well and could not remove it.
    Moved: its writer is alive after all, and was quicker.
    """
    private = target.files["private"]
    listing = answers.get(ListFolder(private))
    names = listing.names if isinstance(listing, FolderListing) else ()
    asides = (set_aside_for(name, NAME) for name in names if is_leftover(name, NAME))
    moved = tuple(ReadFile(f"{private}/{aside}") for aside in asides if aside in names)
    for read, answer in zip(moved, session.carry_out(moved) if moved else (), strict=True):
        if isinstance(answer, FileContent):
            back = ReplaceFile(path_of(target), answer.content, ABSENT, private=True)
            return session.carry_out((back, RemoveFile(read.path, answer.digest)))[0]
    return None


def _fell_between(file: JournalFile, found: str | None, target: Target) -> bool:
    """Whether a file is missing because its writer died inside ReplaceFile, which moves the old one away first.

    Of files on Windows alone; all else somebody has removed, as nothing of ours leaves a name without a file.
    """
    moved_away = target.windows and not is_registry_key(file.path)
    return moved_away and found == ABSENT and ABSENT not in (file.before, file.after)


def _put_back(
    session: Session, target: Target, run: str, written: Sequence[JournalFile], now: Mapping[str, str]
) -> tuple[str, ...] | Unobserved:
    """Put these files back; those that somebody has changed in this moment, or why it cannot be done.

    All backups are read before the first write. ``now`` has the digest of what stands at each path.
    """
    kept = [file for file in written if file.backup]
    contents = session.carry_out(tuple(ReadFile(file.backup) for file in kept if file.backup)) if kept else []
    old: dict[str, bytes] = {}
    for file, answer in zip(kept, contents, strict=True):
        if not isinstance(answer, FileContent) or answer.digest != file.before:
            why = f"the old {as_shown(file.path)} cannot be put back: its backup is missing or damaged"
            return _stuck(target, run, why)
        old[file.path] = answer.content
    changed = []
    for file in written:
        request = (
            RemoveFile(file.path, now[file.path])
            if file.was_absent
            else ReplaceFile(file.path, old[file.path], now[file.path], private=file.private)
        )
        (answer,) = session.carry_out((request,))
        if isinstance(answer, Moved) and answer.found != file.before:
            changed.append(file.path)
        elif isinstance(answer, Failed):
            reason = f"run {run} was interrupted here, and {as_shown(file.path)} cannot be put back: {answer.reason}"
            return Unobserved(Status.FAILED, reason, "not_settled")
    return tuple(changed)


def _stuck(target: Target, run: str, why: str) -> Unobserved:
    remedy = f"look at it, then iea-fleet leases INVENTORY break {target.name} {run}"
    return Unobserved(Status.FAILED, f"run {run} was interrupted here, and {why}; {remedy}", "backup_missing")


def _forget(session: Session, run_file: ReplaceFile, backups: Sequence[JournalFile]) -> Unobserved | None:
    """Remove these backups and, when they are gone, ``run.json``; why that cannot be done, or None."""
    requests = [RemoveFile(file.backup, file.before) for file in backups if file.backup]
    for request in (*requests, RemoveFile(run_file.path, digest(run_file.content))):
        (answer,) = session.carry_out((request,))
        if isinstance(answer, Failed):
            reason = f"an interrupted run was settled here, but {request.path} cannot be removed: {answer.reason}"
            return Unobserved(Status.FAILED, reason, "not_settled")
    return None


def _digest(answer: Answer) -> str | None:
    """The digest of what was read, ABSENT when there is no file, None when that cannot be told."""
    match answer:
        case FileContent(_, found):
            return found
        case Absent():
            return ABSENT
        case _:
            return None
