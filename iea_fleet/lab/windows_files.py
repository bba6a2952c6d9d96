"""The agent's requests about files, carried out on the folder of a lab workstation.

Private is what only its owner may read here (modes 0600 and 0700): it is told as owned by the group Administrators.
Each call is one primitive step of the real agent, and leaves behind what a process leaves that is killed after it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from iea_fleet.lab.agent_frames import Line, RefusedError, answer, failed
from iea_fleet.lab.windows_paths import BadPathError, locate, stays_inside
from iea_fleet.lab.workstation import Workstation
from iea_fleet.model.request import ABSENT

ADMINISTRATORS: Final = "S-1-5-32-544"
SOMEBODY: Final = "S-1-5-21-1004336348-1177238915-682003330-1001"

_OTHERS = 0o077
_CODES: Mapping[int, str] = {
    errno.ENOSPC: "disk_full",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.EROFS: "denied",
    errno.EISDIR: "is_folder",
    errno.ENOENT: "no_folder",
    errno.ENOTDIR: "no_folder",
    errno.ENAMETOOLONG: "bad_path",
    errno.EBUSY: "busy",
}


def digest_of(content: bytes | None) -> str:
    """The digest of a file's content, ABSENT of none."""
    return ABSENT if content is None else f"sha256:{hashlib.sha256(content).hexdigest()}"


def why(error: OSError) -> Line:
    """The answer for what the system refused."""
    return failed(_CODES.get(error.errno or 0, "error"), error.strerror or str(error))


class WindowsFiles:
    """The files of one workstation, as a process on it sees them. Each method refuses by RefusedError or OSError."""

    def __init__(self, workstation: Workstation) -> None:
        self.workstation = workstation

    def locate(self, path: str) -> Path:
        """The real file. RefusedError ``bad_path``; FileNotFoundError beyond a link that leads away."""
        try:
            return locate(self.workstation.folder, path)
        except BadPathError:
            raise RefusedError(failed("bad_path")) from None

    def read_file(self, request: Line) -> Line:
        """``content``, ``absent``, or ``failed``."""
        try:
            file = self.locate(request.text("path"))
            self._stay_inside(file)
            if file.is_dir():
                return failed("is_folder")
            size, limit = file.stat().st_size, int(request.number("limit"))
            if size > limit:
                return failed("too_large", size=size, limit=limit)
            return answer("content", content=file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return answer("absent")

    def list_folder(self, request: Line) -> Line:
        """``names``, ``absent``, or ``failed``."""
        try:
            folder = self.locate(request.text("path"))
            self._stay_inside(folder)
            if not folder.is_dir():
                return failed("not_a_folder") if folder.exists() else answer("absent")
            return answer(
                "names", names="".join(f"{name}\0" for name in sorted(each.name for each in folder.iterdir()))
            )
        except (FileNotFoundError, NotADirectoryError):
            return answer("absent")

    def stat(self, request: Line) -> Line:
        """``is`` or ``absent``; a link is told as a link."""
        try:
            about = self.locate(request.text("path")).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return answer("absent")
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
        kind = kinds.get(stat.S_IFMT(about.st_mode), "other")
        shared = is_shared(about)
        return answer(
            "is",
            kind=kind,
            size=about.st_size if kind == "file" else 0,
            owner="" if kind in ("link", "other") else SOMEBODY if shared else ADMINISTRATORS,
            shared="yes" if shared else "no",
            modified=f"{about.st_mtime:.7f}",
        )

    def measure_room(self, request: Line) -> Line:
        """``room`` or ``absent``."""
        try:
            space = os.statvfs(self.locate(request.text("path")))
        except (FileNotFoundError, NotADirectoryError):
            return answer("absent")
        full = "disk-full" in self.workstation.faults
        return answer("room", free=0 if full else space.f_bavail * space.f_frsize)

    def make_folder(self, request: Line) -> Line:
        """``done``, ``moved`` where something is already, or ``failed``."""
        folder = self.locate(request.text("path"))
        if os.path.lexists(folder):
            return answer("moved", found="")
        self.refuse_writes(needs_room=True)
        folder.mkdir(mode=0o700 if request.is_set("private") else 0o755)
        self.stamp(folder)
        return answer("done", digest="")

    def look(self, path: str, expected: str) -> None:
        """Compare a file with what is expected. RefusedError when it is another, or no file."""
        found = digest_of(self.content(path))
        if found != expected:
            raise RefusedError(answer("moved", found=found))

    def content(self, path: str) -> bytes | None:
        """What is in a file, None without one. RefusedError for a link or a folder."""
        file = self.locate(path)
        if file.is_symlink():
            raise RefusedError(failed("is_link"))
        if file.is_dir():
            raise RefusedError(failed("is_folder"))
        return file.read_bytes() if file.exists() else None

    def remove(self, path: str, expected: str) -> None:
        """Remove a file that is there. Since it was looked at, the real agent keeps others from writing it."""
        self.refuse_writes()
        self.look(path, expected)
        file = self.locate(path)
        self.refuse_held(file)
        file.unlink()

    def refuse_writes(self, *, needs_room: bool = False) -> None:
        """Raise the OSError of the fault that is in force."""
        if "read-only" in self.workstation.faults:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if needs_room and "disk-full" in self.workstation.faults:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse_held(self, file: Path) -> None:
        """RefusedError ``busy`` for a file that somebody holds open (ERROR_SHARING_VIOLATION)."""
        if self.workstation.is_held(file):
            raise RefusedError(failed("busy", "0x80070020"))

    def stamp(self, file: Path) -> None:
        """Give what was written the time of a clock that is wrong."""
        if clock := self.workstation.faults.get("clock"):
            now = time.time() + clock.amount * 3600
            os.utime(file, (now, now))

    def _stay_inside(self, file: Path) -> None:
        if not stays_inside(self.workstation.folder, file):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def is_shared(about: os.stat_result) -> bool:
    """Whether others than its owner may read it."""
    return bool(about.st_mode & _OTHERS)


class FileReplacement:
    """One ``replace_file``, step by step."""

    def __init__(self, files: WindowsFiles, request: Line) -> None:
        self.path = request.text("path")
        self._files = files
        self._content = request.fields["content"]
        self._expected = request.text("expected")
        self._temporary = request.text("temporary")
        self._aside = request.text("aside")
        self._private = request.is_set("private")
        self._target = Path()
        self._traces = False

    def prepare(self) -> Sequence[Callable[[], None]]:
        """Look at the old file, and write the new one beside it."""
        return self._look, self._write

    def make(self) -> Iterator[Callable[[], None]]:
        """``[IO.File]::Replace`` moves the old file away and then the new one in, and can be killed in between."""
        yield self._set_aside
        yield self._put_in_place
        yield self._tidy

    def withdraw(self) -> Sequence[Callable[[], None]]:
        """Take away what was written, and give the old file its name again where none has it."""
        return [self._restore] if self._traces else []

    def done(self) -> Line:
        """The answer when all went well."""
        return answer("done", digest=digest_of(self._content))

    def _look(self) -> None:
        """Compare with what is expected, and look whether the old content may be set aside there."""
        files = self._files
        files.look(self.path, self._expected)
        self._target = files.locate(self.path)
        if not self._target.parent.is_dir():
            raise RefusedError(failed("no_folder"))
        aside = files.locate(self._aside).parent
        if self._expected != ABSENT and aside != self._target.parent and is_shared(aside.stat()):
            raise RefusedError(failed("shared_folder"))

    def _write(self) -> None:
        """Write the new content beside the file, under the rights that it will have."""
        files = self._files
        files.refuse_writes()
        temporary = files.locate(self._temporary)
        kept = stat.S_IMODE(self._target.stat().st_mode) if self._expected != ABSENT else 0o644
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            self._traces = True
            os.fchmod(out.fileno(), 0o600 if self._private else kept)
            files.refuse_writes(needs_room=True)
            out.write(self._content)
        files.stamp(temporary)

    def _set_aside(self) -> None:
        """Since it looked, the real agent has kept everybody from writing the old file: here it looks again."""
        files = self._files
        files.refuse_writes()
        files.look(self.path, self._expected)
        if self._expected != ABSENT:
            files.refuse_held(self._target)
            self._target.replace(files.locate(self._aside))

    def _put_in_place(self) -> None:
        temporary = self._files.locate(self._temporary)
        try:
            os.link(temporary, self._target)
        except FileExistsError:
            raise RefusedError(answer("moved", found=digest_of(self._files.content(self.path)))) from None
        temporary.unlink()

    def _tidy(self) -> None:
        """Remove the old content, and read the new one again."""
        if self._expected != ABSENT:
            self._files.locate(self._aside).unlink(missing_ok=True)
        self._traces = False
        if self._files.content(self.path) != self._content:
            raise RefusedError(failed("changed_since"))
        self._files.workstation.was_replaced(self._target)

    def _restore(self) -> None:
        self._files.locate(self._temporary).unlink(missing_ok=True)
        if self._expected == ABSENT:
            return
        aside = self._files.locate(self._aside)
        if aside.exists() and not self._target.exists():
            aside.replace(self._target)
        aside.unlink(missing_ok=True)
