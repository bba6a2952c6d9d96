"""The files of a Windows workstation over SFTP, as the sftp-server of OpenSSH for Windows serves them.

Read in its source (github PowerShell/openssh-portable, latestw_all): w32fd.c, fileio.c, misc.c, sftp-server.c. It
tells neither owner nor rights, and it is no way to write settings: a rename keeps no ACL and fails over an open file.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
import stat
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import asyncssh

from iea_fleet.lab.sftp_files import Files
from iea_fleet.lab.ssh_server import USER
from iea_fleet.lab.windows_paths import BadPathError, locate

HOME: Final = f"C:/Users/{USER}"
_DRIVE: Final = re.compile(r"/?([A-Za-z]:)(?=/|$)")
_READ_ONLY: Final = 0o222


class WindowsSftp(Files):
    """The drives of the visited workstation."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(chan)
        self._open_files: Counter[Path] = Counter()

    def exit(self) -> None:
        """The connection is gone, and with it the process that held files open."""
        self.workstation.open_files -= self._open_files

    def map_path(self, path: bytes) -> bytes:
        """Where ``/C:/…``, ``C:/…``, either with backslashes, or a path below the home folder really is."""
        assert self._chroot is not None
        root = os.fsdecode(self._chroot)
        text = os.fsdecode(path).replace("\\", "/").replace("__PROGRAMDATA__", "C:/ProgramData")
        if text.startswith("/") and posixpath.normpath(text).strip("/") == "":
            return self._chroot
        if not (named := _DRIVE.match(text)):
            text = f"{HOME}/{text}"
        drive = named[1] if named else HOME[:2]
        below = posixpath.normpath("/" + text[named.end() if named else 2 :].lstrip("/"))
        try:
            return os.fsencode(locate(Path(root), f"{drive}{below}"))
        except (BadPathError, FileNotFoundError):
            raise asyncssh.SFTPNoSuchFile("No such file") from None

    def perform(self, name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401 - asyncssh's
        """Do it as Windows would: sharing rules, rights from the folder, the read-only attribute in place of modes."""
        match name:
            case "open":
                return self._open(real, *args)
            case "close":
                self._let_go(args[0])
            case "remove" | "rename" | "posix_rename":
                for path in args:
                    self._refuse_held(self.map_path(path))
            case "mkdir":
                result = real(self, *args)
                folder = Path(os.fsdecode(self.map_path(args[0])))
                folder.chmod(0o700 if _is_private(folder.parent) else 0o755)
                return result
            case "setstat" | "lsetstat" | "fsetstat":
                return self._set_attributes(real, *args)
            case "fstatvfs":
                raise asyncssh.SFTPOpUnsupported("Operation unsupported")
        result = real(self, *args)
        return self.attributes(result) if isinstance(result, os.stat_result) else result

    def attributes(self, about: os.stat_result) -> asyncssh.SFTPAttrs:
        """What is told of a file: the mode says nothing but whether it is read-only, nobody owns it."""
        told = asyncssh.SFTPAttrs.from_local(about)
        writable = about.st_mode & stat.S_IWUSR
        bits = (0o600 if writable else 0o400) | (0o100 if stat.S_ISDIR(about.st_mode) else 0)
        told.permissions = stat.S_IFMT(about.st_mode) | bits
        told.uid = told.gid = 0
        told.owner = told.group = ""
        return told

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """A folder's entries; above the drives nothing but drives."""
        above = self.map_path(path) == self._chroot
        async for found in super().scandir(path):
            name = os.fsdecode(found.filename)
            if not above or name in (".", "..") or _DRIVE.fullmatch(name):
                yield found

    def _open(self, real: Callable[..., Any], path: bytes, flags: int, attrs: asyncssh.SFTPAttrs) -> Any:  # noqa: ANN401
        file = Path(os.fsdecode(self.map_path(path)))
        is_new = not file.exists()
        if flags & asyncssh.FXF_WRITE and not is_new:
            self._refuse_held(os.fsencode(file), asyncssh.FX_FAILURE)
        attrs.permissions = 0o600 if _is_private(file.parent) else 0o644
        opened = real(self, path, flags, attrs)
        self.workstation.open_files[file] += 1
        self._open_files[file] += 1
        return opened

    def _let_go(self, opened: Any) -> None:  # noqa: ANN401 - asyncssh's
        closed = Counter([Path(os.fsdecode(opened.name))])
        self._open_files -= closed
        self.workstation.open_files -= closed

    def _set_attributes(self, real: Callable[..., Any], what: Any, attrs: asyncssh.SFTPAttrs) -> Any:  # noqa: ANN401
        if attrs.uid is not None or attrs.gid is not None:
            raise asyncssh.SFTPFailure("Failure")
        if attrs.permissions is not None:
            file = Path(os.fsdecode(self.map_path(what) if isinstance(what, bytes) else what.name))
            now = stat.S_IMODE(file.stat().st_mode)
            writable = attrs.permissions & stat.S_IWUSR
            attrs.permissions = now | stat.S_IWUSR if writable else now & ~_READ_ONLY
        return real(self, what, attrs)

    def _refuse_held(self, mapped: bytes, code: int = asyncssh.FX_PERMISSION_DENIED) -> None:
        file = Path(os.fsdecode(mapped))
        if self.workstation.is_held(file):
            raise asyncssh.SFTPError(code, "")
        if file.is_file() and not file.stat().st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _is_private(folder: Path) -> bool:
    return not stat.S_IMODE(folder.stat().st_mode) & 0o077
