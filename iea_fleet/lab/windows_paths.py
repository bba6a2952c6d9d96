"""Where a path such as ``C:/ProgramData`` really is: names match without regard to case, as on NTFS."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

# Microsoft, "Naming Files, Paths, and Namespaces": characters, endings and devices that no name may have.
_DRIVE = re.compile(r"[A-Za-z]:")
_BAD = re.compile(r"""[<>:"|?*\\\x00-\x1f]|[ .]$""")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin[$]|conout[$])(?:[. ].*)?", re.IGNORECASE)


class BadPathError(ValueError):
    """No path of a file on Windows."""


def locate(root: Path, path: str) -> Path:
    """The file behind ``C:/…``, with the case that it has on the disk; BadPathError for what is no such path.

    ``root`` holds one folder a drive. What is not there has the name that was asked for. A link is not followed where
    it is the last part; one that leads out of ``root`` leads nowhere (FileNotFoundError).
    """
    drive, slash, below = path.partition("/")
    names = below.split("/") if below else []
    if not _DRIVE.fullmatch(drive) or not slash:
        raise BadPathError(path)
    found = _child(root, drive)
    for name in names:
        if not name or _BAD.search(name) or _DEVICE.fullmatch(name):
            raise BadPathError(path)
        found = _child(found, name)
    if not stays_inside(root, found.parent):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return found


def stays_inside(root: Path, file: Path) -> bool:
    """Whether a path does not lead out of the workstation through links."""
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(root))


def same_name(one: str, other: str) -> bool:
    """Whether Windows takes two names for one.

    >>> same_name("Été.XML", "été.xml"), same_name("ß", "SS")
    (True, False)
    """
    return _upper(one) == _upper(other)


def _upper(name: str) -> str:
    # NTFS folds each character by itself: none becomes two.
    return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in name)


def _child(folder: Path, name: str) -> Path:
    exact = folder / name
    if os.path.lexists(exact):
        return exact
    try:
        return next((found for found in sorted(folder.iterdir()) if same_name(found.name, name)), exact)
    except OSError:
        return exact
