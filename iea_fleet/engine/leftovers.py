"""Files that a run had not renamed or removed yet when it died, found in the folders that a push looks at anyway.

They are removed under a lease alone: otherwise they may be those of a run that is alive.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from iea_fleet.core import planner
from iea_fleet.engine.gather import Gathered
from iea_fleet.engine.lease import CLOCK, Leases
from iea_fleet.engine.transaction import Transaction
from iea_fleet.model.request import (
    Answer,
    FileContent,
    FolderListing,
    ListFolder,
    ReadFile,
    RemoveFile,
    Request,
    is_leftover,
    is_registry_key,
    is_set_aside,
    is_temporary,
)
from iea_fleet.model.target import Target
from iea_fleet.transports.base import Session

_CLOCK_FILE = re.compile(rf"{CLOCK}[0-9a-f]{{16}}")
"""A file that told somebody the time there."""

_NEVER_WRITTEN = ("private", "lock_file")


def folders(target: Target, also: Iterable[str] = ()) -> tuple[ListFolder, ...]:
    """What to ask a workstation for: its private folder, those of its settings, and those of the paths ``also``.

    Registry keys stand in no folder, and nothing is left beside them.
    """
    reads = (read.path for read in planner.reads(target, {}) if isinstance(read, ReadFile))
    paths = (path for path in (*reads, *also) if not is_registry_key(path))
    return tuple(map(ListFolder, dict.fromkeys((target.files["private"], *map(posixpath.dirname, paths)))))


def found(target: Target, answers: Mapping[Request, Answer]) -> tuple[str, ...]:
    """The paths of what was left in the folders that were listed.

    In the private folder every temporary file is ours, and so it is among the accounts, whosever it is; elsewhere only
    those of files that the layout names.
    """
    private = target.files["private"]
    accounts = target.user_files.folder if target.user_files else None
    known = {path for name, path in target.files.items() if name not in _NEVER_WRITTEN}
    left = []
    for request, answer in answers.items():
        if not isinstance(request, ListFolder) or not isinstance(answer, FolderListing):
            continue
        names = {posixpath.basename(path) for path in known if posixpath.dirname(path) == request.path}
        left += [
            posixpath.join(request.path, name)
            for name in answer.names
            if (request.path == private and _CLOCK_FILE.fullmatch(name))
            or (request.path in (private, accounts) and is_temporary(name))
            or any(is_leftover(name, one) or is_set_aside(name, one) for one in names)
        ]
    return tuple(left)


def remove(session: Session, paths: Iterable[str]) -> None:
    """Remove these files, as far as it can be done. Who calls it holds the workstation's lease."""
    reads = tuple(map(ReadFile, paths))
    for read, answer in zip(reads, session.carry_out(reads) if reads else (), strict=True):
        if isinstance(answer, FileContent):
            session.carry_out((RemoveFile(read.path, answer.digest),))


def tidy(session: Session, target: Target, leases: Leases, run: str, gathered: Gathered) -> None:
    """Remove what was left on a workstation that nothing else is written to; nothing is asked where nothing was left.

    What cannot be removed now is found again at the next visit.
    """
    if left := found(target, gathered.answers):
        transaction = Transaction.prepare(session, target, leases, run, (), gathered)
        if transaction.take(gathered) is None:
            remove(session, left)
            transaction.commit(keep_backups=True)
