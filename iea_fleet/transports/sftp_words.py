"""What the status codes of an SFTP server mean for one file, in sentences."""

from __future__ import annotations

import errno
import os
import stat
import struct
from typing import Final, NamedTuple

from iea_fleet.model.request import Failed, FileStat, Room
from iea_fleet.transports.sftp import (
    BAD_MESSAGE,
    NO_SUCH_FILE,
    PERMISSION_DENIED,
    STATVFS,
    UNSUPPORTED,
    Attributes,
    Packet,
    Reply,
    Sftp,
    Status,
    extended,
)

_READ_ONLY_FLAG: Final = 0x1
_OTHERS: Final = 0o077
_BY_TEXT: Final = {
    os.strerror(errno.ENOSPC): "disk_full",
    os.strerror(errno.EDQUOT): "disk_full",
    os.strerror(errno.EROFS): "read_only_file_system",
}
_REASONS: Final = {
    "disk_full": "the disk of the workstation is full ({path}); make room there",
    "read_only_file_system": "the disk with {path} is mounted read-only; look at the workstation for disk errors",
    "no_rights": "the user of the connection may not {verb} {path}; give it the right",
    "no_folder": "the folder of {path} is not there; look whether IEA is installed where the layout says",
    "bad_path": "the workstation does not accept the path {path}; correct it in the layout",
    "not_supported": "the SFTP server cannot {verb} {path}: it does not know how",
    "server_refused": "the SFTP server could not {verb} {path}{said}",
    "is_link": "{path} is a link, and links are never written through; put the real path into the layout",
    "leads_nowhere": "{path} is a link to something that is not there; repair it or remove it",
    "is_folder": "{path} is a folder where a file is expected; correct the layout",
    "not_a_file": "{path} is no ordinary file (a device or a pipe); correct the layout",
    "not_a_folder": "{path} is no folder; correct the layout",
    "too_large": "{path} has {size} bytes, more than the {limit} that a settings file may have",
    "many_names": "{path} is one of {count} names of the same file, and the others would be cut off; remove them",
    "names_unknown": "the SFTP server does not tell whether {path} has other names (hard links), so it is left alone",
    "owner_not_kept": "the user of the connection cannot keep owner, group and rights of {path}; log in as its owner",
    "keeps_changing": "{path} changed each time it was read; close the program that writes it",
    "no_such_file": "{path} is not there any more",
}


def failed(code: str, path: str, verb: str = "read", **more: object) -> Failed:
    """The answer with the sentence that belongs to this code."""
    return Failed(code, _REASONS[code].format(**{"path": path, "verb": verb, "said": "", **more}))


def is_absent(reply: Reply) -> bool:
    """Whether the server says that there is no such file."""
    return isinstance(reply, Status) and reply.code == NO_SUCH_FILE


def refusal(reply: Reply, path: str, verb: str) -> Failed:
    """The answer for a reply that is not what was hoped for, by its status code."""
    if not isinstance(reply, Status):
        return failed("server_refused", path, verb, said=" (it gave an answer to another question)")
    by_text = next((code for words, code in _BY_TEXT.items() if words in reply.text), None)
    if by_text:
        return failed(by_text, path, verb)
    codes = {
        PERMISSION_DENIED: "no_rights",
        NO_SUCH_FILE: "no_such_file" if verb in ("read", "remove") else "no_folder",
        BAD_MESSAGE: "bad_path",
        UNSUPPORTED: "not_supported",
    }
    said = f" (it says: {reply.text})" if reply.text and reply.text != "Failure" else ""
    return failed(codes.get(reply.code, "server_refused"), path, verb, said=said)


def ask_for_room(sftp: Sftp, folder: str) -> list[Packet]:
    """The question how full the disk is, for servers that can be asked (OpenSSH's statvfs extension)."""
    return [extended(STATVFS, folder)] if STATVFS in sftp.extensions else []


def refused_write(reply: Reply, room: Reply | None, path: str, size: int) -> Failed:
    """As ``refusal``, for a write of ``size`` bytes: OpenSSH says only "Failure" when a disk is full or read-only."""
    answer = refusal(reply, path, "write")
    if answer.reason_code != "server_refused" or not isinstance(room, bytes):
        return answer
    space = _space(room)
    if space is None:
        return answer
    if space.read_only:
        return failed("read_only_file_system", path)
    return failed("disk_full", path) if space.free <= size else answer


def as_room(room: bytes, path: str) -> Room | Failed:
    """The answer to ``MeasureRoom``, of what the statvfs extension tells."""
    space = _space(room)
    if space is None:
        return failed("server_refused", path, "measure the room of")
    return Room(0 if space.read_only else space.free)


class _Space(NamedTuple):
    free: int
    read_only: bool


def _space(room: bytes) -> _Space | None:
    """What is left for the user (OpenSSH's PROTOCOL, §4.4): eleven numbers, bytes in units of the second."""
    try:
        _, unit, _, _, free, _, _, _, _, flags, _ = struct.unpack(">11Q", room)
    except struct.error:
        return None
    return _Space(free * unit, bool(flags & _READ_ONLY_FLAG))


def kind_of(mode: int | None) -> str:
    """``file``, ``folder``, ``link`` or ``other``, from the type bits of a mode."""
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode or 0), "other")


def unfit(kind: str, path: str) -> Failed:
    """The answer for something that stands where an ordinary file is expected."""
    return failed({"folder": "is_folder", "link": "is_link"}.get(kind, "not_a_file"), path)


def as_stat(attributes: Attributes) -> FileStat:
    """The answer to ``Stat``. The owner is the number that the server knows it by."""
    mode = attributes.mode
    return FileStat(
        kind=kind_of(mode),  # type: ignore[arg-type]
        size=attributes.size or 0,
        owner="" if attributes.owner is None else str(attributes.owner),
        mode=None if mode is None else stat.S_IMODE(mode),
        modified=float(attributes.modified or 0),
        shared=None if mode is None else bool(mode & _OTHERS),
    )
