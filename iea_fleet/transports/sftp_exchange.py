"""One file on its way from old to new: what is asked of the SFTP server in each round trip, and what follows."""

from __future__ import annotations

import re
import secrets
import stat
from dataclasses import dataclass, field
from typing import Final

from iea_fleet.model.request import ABSENT, Answer, Moved, ReplaceFile, digest, is_leftover, temporary_name
from iea_fleet.transports.sftp import (
    CLOSE,
    FOR_NEW_FILE,
    FOR_READING,
    FSTAT,
    FSYNC,
    LSTAT,
    OK,
    PIECE,
    POSIX_RENAME,
    RENAME,
    Attributes,
    Handle,
    Packet,
    Reply,
    Status,
    extended,
    of,
    open_file,
    read,
    set_owner_and_mode,
    text,
    write,
)
from iea_fleet.transports.sftp_reads import Listing, contiguous
from iea_fleet.transports.sftp_words import failed, is_absent, kind_of, refusal, unfit

LARGEST: Final = 16 * 1024 * 1024
"""Files beyond this are neither replaced nor removed: they are no settings."""

_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_NAMES: Final = re.compile(r"^\S{10,11}\s+(\d+)\s")


@dataclass
class Exchange:
    """One file on its way from old to new."""

    request: ReplaceFile
    temporary: str = field(init=False)
    handle: Handle | None = None
    old: Attributes | None = None
    old_handle: Handle | None = None
    answer: Answer | None = None
    refused: Reply | None = None
    leftovers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        name = self.path.rpartition("/")[2]
        self.temporary = _beside(self.path, temporary_name(name, secrets.token_hex(8)))

    @property
    def path(self) -> str:
        """Where the file stands."""
        return self.request.path

    def first(self) -> list[Packet]:
        """Look at the target, open it, and make the new file."""
        private = self.request.private or self.request.expected != ABSENT
        return [
            of(LSTAT, self.path),
            open_file(self.path, FOR_READING),
            open_file(self.temporary, FOR_NEW_FILE, 0o600 if private else 0o666),
        ]

    def look(self, replies: list[Reply], extensions: frozenset[bytes]) -> None:
        """Decide from the answers to ``first`` whether this can be written."""
        about, opened, made = replies
        self.old_handle = opened if isinstance(opened, Handle) else None
        if isinstance(made, Handle):
            self.handle = made
        elif is_absent(about) and self.request.expected != ABSENT:
            self.answer = Moved(ABSENT)
        else:
            self.refused = made
        if isinstance(about, Attributes):
            self.old = about
            self._look_at_old(about, opened, extensions)
        elif not is_absent(about):
            self.answer = refusal(about, self.path, "read")
        elif self.request.expected != ABSENT:
            self.answer = Moved(ABSENT)

    def _look_at_old(self, about: Attributes, opened: Reply, extensions: frozenset[bytes]) -> None:
        kind = kind_of(about.mode)
        if kind != "file":
            self.answer = unfit(kind, self.path)
        elif not isinstance(opened, Handle):
            self.answer = refusal(opened, self.path, "read")
        elif (about.size or 0) > LARGEST:
            self.answer = failed("too_large", self.path, size=about.size, limit=LARGEST)
        elif POSIX_RENAME not in extensions and self.request.expected != ABSENT:
            self.answer = failed("not_supported", self.path, "replace in one step")

    def reading(self) -> list[Packet]:
        """Read what is there now."""
        if self.old_handle is None or self.old is None:
            return []
        length = (self.old.size or 0) + 1
        reads = [read(self.old_handle, at, PIECE) for at in range(0, length, PIECE)]
        return [*reads, of(FSTAT, self.old_handle), of(CLOSE, self.old_handle)]

    def writing(self, extensions: frozenset[bytes]) -> list[Packet]:
        """Fill the new file and give it the owner, group and mode of the old one, less what is not private."""
        assert self.handle is not None
        packets = write(self.handle, self.request.content)
        if self.old is not None:
            owner, group, mode = self.old.owner, self.old.group, self.old.mode
            if owner is None or group is None or mode is None:
                self.answer = failed("owner_not_kept", self.path)
                return []
            packets.append(set_owner_and_mode(self.handle, owner, group, stat.S_IMODE(self._mode(mode))))
        packets.append(of(FSTAT, self.handle))
        if FSYNC in extensions:
            packets.append(extended(FSYNC, self.handle))
        return [*packets, of(CLOSE, self.handle)]

    def check_old(self, replies: list[Reply]) -> None:
        """Whether the file that was read is the one that is expected."""
        if self.answer is not None or not replies:
            return
        *pieces, about, _ = replies
        content, _ = contiguous(pieces, PIECE)
        whole = isinstance(about, Attributes) and about.size == len(content)
        found = digest(content) if whole else ""
        if not whole or found != self.request.expected:
            self.answer = Moved(found)

    def check_new(self, replies: list[Reply]) -> None:
        """Whether every byte of the new file arrived, and belongs to whom it should."""
        if self.answer is not None or not replies:
            return
        count = -(-len(self.request.content) // PIECE)
        writes, rest = replies[:count], replies[count:]
        kept = rest.pop(0) if self.old is not None else Status(OK, "")
        about, *ends = rest
        bad = next((each for each in [*writes, *ends] if not is_ok(each)), None)
        if bad is not None:
            self.refused = bad
        elif not isinstance(about, Attributes):
            self.refused = about
        elif about.size != len(self.request.content):
            self.refused = Status(-1, "it kept less than was sent")
        elif not is_ok(kept) or not self._is_as_the_old(about):
            self.answer = failed("owner_not_kept", self.path)

    def _is_as_the_old(self, about: Attributes) -> bool:
        old = self.old
        if old is None or old.mode is None:
            return True
        return (about.owner, about.group, about.mode) == (old.owner, old.group, self._mode(old.mode))

    def _mode(self, old: int) -> int:
        return old & ~_OF_OTHERS if self.request.private else old

    def check_names(self, listing: Listing) -> None:
        """Whether the target has this one name, and which files a dead run left beside it."""
        name = self.path.rpartition("/")[2]
        own = self.temporary.rpartition("/")[2]
        described = ""
        for entry in listing.names:
            if entry.name == name:
                described = entry.described
            elif entry.name != own and is_leftover(entry.name, name):
                self.leftovers.append(_beside(self.path, entry.name))
        if self.answer is not None or self.refused is not None or self.old is None:
            return
        if listing.answer is not None:
            self.answer = listing.answer
        elif not (count := _NAMES.match(described)):
            self.answer = failed("names_unknown", self.path)
        elif int(count[1]) > 1:
            self.answer = failed("many_names", self.path, count=count[1])

    def rename(self) -> Packet:
        """Put the new file in place. Where nothing is expected, by the request that does not overwrite."""
        if self.request.expected == ABSENT:
            return RENAME, text(self.temporary) + text(self.path)
        return extended(POSIX_RENAME, self.temporary, self.path)


def is_ok(reply: Reply) -> bool:
    """Whether a request was carried out."""
    return isinstance(reply, Status) and reply.code == OK


def _beside(path: str, name: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{name}"
