"""Changing files over SFTP so that each is whole at every moment, the old or the new one.

The new content is written to an exclusive file beside the target, checked and synchronised, and then renamed over
it. Several files are all prepared before the first is renamed. SFTP keeps owner, group and mode; it knows nothing of
access control lists.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Answer,
    Done,
    Failed,
    FileContent,
    FileStat,
    MakeFolder,
    Moved,
    NotTried,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Stat,
    digest,
)
from iea_fleet.transports.sftp import (
    CLOSE,
    LSTAT,
    OPENDIR,
    REMOVE,
    Attributes,
    Handle,
    Packet,
    Reply,
    Sftp,
    make_folder,
    of,
)
from iea_fleet.transports.sftp_exchange import LARGEST, Exchange, is_ok
from iea_fleet.transports.sftp_reads import Listing, list_open_folders, read_all
from iea_fleet.transports.sftp_words import ask_for_room, failed, is_absent, refusal, refused_write, unfit

_TRIES = 3


def replace_files(sftp: Sftp, requests: Sequence[ReplaceFile], tries: int = _TRIES) -> list[Answer]:
    """The answers to consecutive replacements of different files: three round trips, and one for each file more.

    If one of them cannot be prepared, none is made: that one has its answer, the others are ``NotTried``. ``tries``:
    so often it is begun anew when somebody else tidies away what was prepared.
    """
    exchanges = [Exchange(request) for request in requests]
    folders = {_parent(request.path): Listing(_parent(request.path)) for request in requests}
    first = [exchange.first() for exchange in exchanges]
    replies = sftp.ask([*_flat(first), *(of(OPENDIR, folder) for folder in folders)])
    for exchange, own in zip(exchanges, _shares(replies, first), strict=True):
        exchange.look(own, sftp.extensions)
    for listing, reply in zip(folders.values(), replies[-len(folders) :], strict=True):
        if isinstance(reply, Handle):
            listing.handle = reply
        else:
            listing.answer = refusal(reply, listing.path, "list")
    _fill(sftp, exchanges, folders)
    stopped = next((at for at, each in enumerate(exchanges) if each.answer or each.refused is not None), None)
    if stopped is not None:
        return _withdraw(sftp, exchanges, stopped)
    return _rename(sftp, exchanges, tries - 1)


def _fill(sftp: Sftp, exchanges: list[Exchange], folders: dict[str, Listing]) -> None:
    """The second round trip: read the old files and the folders, write the new files."""
    hopeful = all(each.answer is None and each.refused is None for each in exchanges)
    readings = [each.reading() for each in exchanges]
    writings = [each.writing(sftp.extensions) if hopeful else [] for each in exchanges]
    for exchange, writing in zip(exchanges, writings, strict=True):
        if exchange.handle is not None and not writing:
            sftp.forget([of(CLOSE, exchange.handle)])
    replies = list_open_folders(sftp, list(folders.values()), [*_flat(readings), *_flat(writings)])
    for exchange, own in zip(exchanges, _shares(replies, readings), strict=True):
        exchange.check_old(own)
    for exchange, own in zip(exchanges, _shares(replies[sum(map(len, readings)) :], writings), strict=True):
        exchange.check_new(own)
    for exchange in exchanges:
        exchange.check_names(folders[_parent(exchange.path)])


def _withdraw(sftp: Sftp, exchanges: list[Exchange], stopped: int) -> list[Answer]:
    """Take the prepared files away; the answers when the one at ``stopped`` could not be prepared."""
    culprit = exchanges[stopped]
    # Asked before the files go: afterwards the disk has room again.
    question = ask_for_room(sftp, _parent(culprit.path)) if culprit.refused is not None else []
    made = [each.temporary for each in exchanges if each.handle is not None]
    replies = sftp.ask([*question, *(of(REMOVE, each) for each in made)])
    answer = culprit.answer
    if answer is None and culprit.refused is not None:
        room = replies[0] if question else None
        answer = refused_write(culprit.refused, room, culprit.path, len(culprit.request.content))
    return [answer if at == stopped and answer else NotTried() for at in range(len(exchanges))]


def _rename(sftp: Sftp, exchanges: list[Exchange], tries: int) -> list[Answer]:
    """The third round trip, one for each file: a later one must not be made when an earlier one fails.

    What was left beside a file is removed once it is replaced: who does not come so far may be at work beside somebody
    whose unfinished file that is.
    """
    answers: list[Answer] = []
    for at, exchange in enumerate(exchanges):
        (reply,) = sftp.ask([exchange.rename()])
        if is_ok(reply):
            sftp.forget([of(REMOVE, left) for left in exchange.leftovers])
            answers.append(Done(digest(exchange.request.content)))
            continue
        sftp.ask([of(REMOVE, each.temporary) for each in exchanges[at:]])
        if is_absent(reply) and tries > 0:
            # The prepared file is gone: somebody else has replaced the same one in this moment, and tidied up.
            return answers + replace_files(sftp, [each.request for each in exchanges[at:]], tries)
        answers.append(_rename_refused(sftp, exchange, reply))
        answers += [NotTried()] * (len(exchanges) - at - 1)
        break
    return answers


def _rename_refused(sftp: Sftp, exchange: Exchange, reply: Reply) -> Answer:
    if exchange.request.expected == ABSENT:
        (now,) = read_all(sftp, [ReadFile(exchange.path, LARGEST)])
        if isinstance(now, FileContent):
            return Moved(now.digest)
    return refusal(reply, exchange.path, "replace")


def remove_file(sftp: Sftp, request: RemoveFile) -> Answer:
    """Remove a file that still is the expected one, in three round trips. A link is never removed."""
    about, now = read_all(sftp, [Stat(request.path), ReadFile(request.path, LARGEST)])
    if isinstance(about, Absent):
        return Done(ABSENT) if request.expected == ABSENT else Moved(ABSENT)
    if isinstance(about, FileStat) and about.kind != "file":
        return unfit(about.kind, request.path)
    if isinstance(now, Absent):
        return Moved(ABSENT)
    if not isinstance(now, FileContent):
        return now if isinstance(now, Failed) else failed("keeps_changing", request.path)
    return _remove_it(sftp, request) if now.digest == request.expected else Moved(now.digest)


def _remove_it(sftp: Sftp, request: RemoveFile) -> Answer:
    reply, *room = sftp.ask([of(REMOVE, request.path), *ask_for_room(sftp, _parent(request.path))])
    if is_absent(reply):
        return Moved(ABSENT)  # somebody else has removed it since it was read
    return Done(ABSENT) if is_ok(reply) else refused_write(reply, room[0] if room else None, request.path, 0)


def make_new_folder(sftp: Sftp, request: MakeFolder) -> Answer:
    """Make a folder, in one round trip; a private one is for its owner alone."""
    replies = sftp.ask(
        [
            of(LSTAT, request.path),
            make_folder(request.path, 0o700 if request.private else 0o777),
            *ask_for_room(sftp, _parent(request.path)),
        ]
    )
    about, made, *room = replies
    if is_ok(made):
        return Done()
    if isinstance(about, Attributes):
        return Moved("")
    return refused_write(made, room[0] if room else None, request.path, 0)


def _flat(packets: list[list[Packet]]) -> list[Packet]:
    return [packet for own in packets for packet in own]


def _shares(replies: list[Reply], packets: list[list[Packet]]) -> list[list[Reply]]:
    """The replies of each of the lists of packets."""
    ends = [0]
    for own in packets:
        ends.append(ends[-1] + len(own))
    return [replies[start:end] for start, end in itertools.pairwise(ends)]


def _parent(path: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return folder or slash or "."
