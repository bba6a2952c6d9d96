"""The folder of age files on disk: small files read whole, and written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iea_fleet.errors import SecretError

MOST_BYTES = 64 * 1024
ENDING = ".age"


def read_small(file: Path, shown: str, remedy: str) -> bytes:
    """A small file whole. SecretError in words when it cannot be read."""

    def refused(what: str, hint: str, code: str) -> SecretError:
        return SecretError(f"{shown} {what}", hint, code=code)

    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise refused("is no file", remedy, "secret_missing")
        if found.st_size > MOST_BYTES:
            raise refused("is larger than 64 KB", "is it the right file?", "secret_foreign")
        return file.read_bytes()
    except FileNotFoundError:
        raise refused("is not there", remedy, "secret_missing") from None
    except PermissionError:
        raise refused("may not be read by you", "check the permissions of the file", "secret_unreadable") from None
    except OSError as error:
        raise refused(f"cannot be read ({error.strerror})", "check the disk", "secret_unreadable") from None


def write_new(file: Path, content: bytes) -> None:
    """Make a file that only its owner can read, and that is not there yet. OSError when it is, or cannot be made."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def replace(file: Path, content: bytes, shown: str) -> None:
    """Put a whole file in the place of the one that may be there. SecretError leaves the old one as it was."""
    new = file.with_name(f".{secrets.token_hex(8)}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            write_new(new, content)
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)
        sync(file.parent)
    except OSError as error:
        raise not_written(shown, error) from None


def not_written(shown: str, error: OSError) -> SecretError:
    """The words for a file that cannot be written."""
    return SecretError(
        f"{shown} cannot be written ({error.strerror})", "check the folder's permissions and the disk",
        code="secret_not_written",
    )  # fmt: skip


def sync(folder: Path) -> None:
    """Let the disk know the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Let no other process of ours write below a folder meanwhile. It is made when it is not there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise not_written(f"the folder of secrets {folder}", error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def refuse_links(folder: Path, file: Path, shown: str) -> None:
    """SecretError when a file, or a folder on the way to it, is a link: what it leads to may be anybody's."""
    for place in (file, *file.parents):
        if place == folder:
            return
        if os.path.islink(place):  # noqa: PTH114 - a name that no disk can hold is no link
            raise SecretError(
                f"{shown} is a link, or lies behind one", "put the file itself there", code="secret_is_link"
            )


def kept(folder: Path) -> dict[str, float]:
    """Every secret below a folder by its path in a reference, in order; and when its file was changed (Unix seconds).

    Links are named and not followed.
    """

    def refused(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            hint = "check its permissions"
            raise SecretError(
                f"the folder {error.filename} cannot be read ({error.strerror})", hint, code="secret_unreadable"
            )

    files = [Path(place, name) for place, _, names in os.walk(folder, onerror=refused) for name in names]
    return {
        file.relative_to(folder).as_posix().removesuffix(ENDING): file.lstat().st_mtime
        for file in sorted(files)
        if file.suffix == ENDING
    }
