"""Files of the user as bytes and as text: bounded, and refused in words when they are no text."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from iea_fleet.errors import Mistake

MOST_BYTES = 4 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")


def read_bytes(path: Path, shown: str) -> bytes | Mistake:
    """The content of a file of at most 4 MB. The size is looked at before anything is read."""
    try:
        refused = _no_file(path.stat())
        if refused is None:
            with path.open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
            if len(data) <= MOST_BYTES:
                return data
            refused = _TOO_LARGE  # it grew since
    except FileNotFoundError:
        refused = "is not there", "check the name and the folder you are in"
    except PermissionError:
        refused = "may not be read by you", "check its permissions"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its name is no name of a file"
        refused = f"cannot be read ({reason})", "check the name and the disk"
    return Mistake(shown, 0, 0, "", *refused)


_TOO_LARGE = ("is larger than 4 MB", "is this the file you meant? else split it with include")


def _no_file(found: os.stat_result) -> tuple[str, str] | None:
    if stat.S_ISDIR(found.st_mode):
        return "is a folder", "name a file in it"
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file", "save the text in a file and name that"
    return _TOO_LARGE if found.st_size > MOST_BYTES else None


def decode(data: bytes, shown: str) -> str | Mistake:
    """UTF-8 text, with or without a byte order mark, that holds no control characters."""

    def refused(at: int, wrong: str, remedy: str) -> Mistake:
        before = data[:at]
        start = before[before.rfind(b"\n") + 1 :].removeprefix(_BOM)
        column = len(start.decode("utf-8", "replace")) + 1
        return Mistake(shown, before.count(b"\n") + 1, column, "", wrong, remedy)

    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Mistake(shown, 0, 0, "", "is UTF-16 text", "save it as UTF-8")
    if (nul := data.find(b"\0")) >= 0:
        return refused(nul, "holds binary data", "is this the file you meant? a text file saved as UTF-8 is wanted")
    body = data.removeprefix(_BOM)
    skipped = len(data) - len(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return refused(error.start + skipped, "is not UTF-8 at this place", "save the file as UTF-8")
    if found := _UNPRINTABLE.search(text):
        at = len(text[: found.start()].encode()) + skipped
        return refused(at, f"holds a control character (U+{ord(found[0]):04X})", "delete it")
    return text
