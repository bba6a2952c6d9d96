"""The file tree of a lab workstation over SFTP, answered as OpenSSH's sftp-server answers, faults included."""

from __future__ import annotations

import contextlib
import errno
import inspect
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncssh

if TYPE_CHECKING:
    from iea_fleet.lab.ssh_server import Visit

_READS = ("open", "close", "read", "lstat", "fstat", "stat", "realpath", "readlink", "statvfs", "fstatvfs")
_WRITES = ("write", "remove", "mkdir", "rmdir", "rename", "posix_rename", "symlink", "link")
_WRITES_OF_RIGHTS = ("setstat", "lsetstat", "fsetstat", "fsync")
_NEED_SPACE = ("write", "mkdir", "symlink")
_JOURNALLED = ("remove", "mkdir", "rmdir", "rename", "posix_rename", "symlink", "link")
_FOLLOW_LINKS = ("open", "stat", "setstat", "statvfs")
_WRITING = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC

# errno_to_portable() of OpenSSH's sftp-server.c; all else, a full disk too, is plain "Failure".
_CODES = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP), asyncssh.FX_NO_SUCH_FILE),
    **dict.fromkeys((errno.EPERM, errno.EACCES, errno.EFAULT), asyncssh.FX_PERMISSION_DENIED),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.EINVAL), asyncssh.FX_BAD_MESSAGE),
    errno.ENOSYS: asyncssh.FX_OP_UNSUPPORTED,
}
_TEXTS = {
    asyncssh.FX_EOF: "End of file",
    asyncssh.FX_NO_SUCH_FILE: "No such file",
    asyncssh.FX_PERMISSION_DENIED: "Permission denied",
    asyncssh.FX_BAD_MESSAGE: "Bad message",
    asyncssh.FX_OP_UNSUPPORTED: "Operation unsupported",
}


@contextlib.contextmanager
def _errors_as_openssh() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _as_openssh(_CODES.get(error.errno or 0, asyncssh.FX_FAILURE)) from error
    except asyncssh.SFTPError as error:
        raise _as_openssh(error.code) from error


def _as_openssh(code: int) -> asyncssh.SFTPError:
    return asyncssh.SFTPError(code if code in _TEXTS else asyncssh.FX_FAILURE, _TEXTS.get(code, "Failure"))


class Files(asyncssh.SFTPServer):
    """The folder of the visited workstation as its whole file system."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._visit = cast("Visit", chan.get_connection().get_owner())
        self.workstation = self._visit.workstation
        super().__init__(chan, chroot=os.fsencode(self.workstation.folder))

    async def carry_out(self, name: str, real: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - asyncssh's
        """One request: counted, delayed, refused or done as the faults of the workstation say."""
        if self._visit.lost:
            # asyncssh closes the open files of a connection that is gone; nothing else is carried out.
            if name != "close":
                raise asyncssh.SFTPConnectionLost("dropped")
            return self.perform(name, real, args)
        async with self._visit.request():
            self._refuse_by_fault(name, args)
            with _errors_as_openssh():
                if name in _FOLLOW_LINKS:
                    self._stay_inside(self.map_path(args[0]))
                result = self.perform(name, real, args)
                if inspect.isawaitable(result):
                    result = await result
                self._stamp(name, args, result)
            if name in _JOURNALLED:
                self._visit.note(
                    f"{name} {' -> '.join(repr(_shown(path)) for path in args if isinstance(path, bytes))}"
                )
            if name == "posix_rename":
                self.workstation.was_replaced(Path(os.fsdecode(self.map_path(args[1]))))
            return self._without_space(result) if name.endswith("statvfs") else result

    def perform(self, name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401 - asyncssh's
        """Do it on the disk."""
        del name
        return real(self, *args)

    def attributes(self, about: os.stat_result) -> asyncssh.SFTPAttrs:
        """What is told of a file."""
        return asyncssh.SFTPAttrs.from_local(about)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """A folder's entries; a listing is one request, however long."""
        async with self._visit.request():
            with _errors_as_openssh():
                folder = self.map_path(path)
                self._stay_inside(folder)
                parent = self.map_path(path + b"/..")
                found = [(b".", os.lstat(folder)), (b"..", os.lstat(parent))]
                with os.scandir(folder) as entries:
                    found += [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        for name, stat in found:
            yield asyncssh.SFTPName(name, attrs=self.attributes(stat))

    def map_path(self, path: bytes) -> bytes:
        """Where a path of the workstation really is. SFTPNoSuchFile when a linked folder leads out of it."""
        mapped = super().map_path(path)
        if mapped != self._chroot:
            self._stay_inside(os.path.dirname(mapped))  # noqa: PTH120 - a path of the far side, in bytes
        return mapped

    def fsync(self, file_obj: object) -> None:
        """Nothing of the lab has to survive a power cut, and a real fsync would stop all its workstations."""

    def _refuse_by_fault(self, name: str, args: tuple[Any, ...]) -> None:
        faults = self.workstation.faults
        writes = name in _WRITES or name in _WRITES_OF_RIGHTS or (name == "open" and args[1] & _WRITING)
        if writes and "read-only" in faults:
            raise _as_openssh(asyncssh.FX_PERMISSION_DENIED)
        if name in _NEED_SPACE and "disk-full" in faults:
            raise _as_openssh(asyncssh.FX_FAILURE)

    def _stamp(self, name: str, args: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401 - asyncssh's
        """Give what was written the time of a clock that is wrong."""
        clock = self._visit.faults.get("clock")
        if clock is None:
            return
        now = time.time() + clock.amount * 3600
        if name == "open" and args[1] & _WRITING:
            os.utime(result.fileno(), (now, now))
        elif name == "write":
            os.utime(args[0].fileno(), (now, now))
        elif name == "mkdir":
            os.utime(self.map_path(args[0]), (now, now))

    def _stay_inside(self, mapped: bytes) -> None:
        """A link that leads out of the workstation leads nowhere, as it would on a machine of its own."""
        self.reverse_map_path(os.path.realpath(mapped))

    def _without_space(self, result: os.statvfs_result) -> asyncssh.SFTPVFSAttrs:
        space = asyncssh.SFTPVFSAttrs.from_local(result)
        if "disk-full" in self.workstation.faults:
            space.bfree = space.bavail = 0
        return space


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _as_request(name: str) -> Callable[..., Awaitable[Any]]:
    real = getattr(Files, name)

    async def operation(self: Files, *args: Any) -> Any:  # noqa: ANN401 - asyncssh's
        return await self.carry_out(name, real, *args)

    return operation


for _name in (*_READS, *_WRITES, *_WRITES_OF_RIGHTS):
    setattr(Files, _name, _as_request(_name))
