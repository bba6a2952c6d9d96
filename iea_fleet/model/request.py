"""Everything the tool can do to a workstation, and every answer it can get. A closed set of frozen values.

A transport takes a batch of requests and returns one answer for each, in order. A batch is carried out as if in
order; consecutive reads, and consecutive replacements, may travel together. When a writing request of a batch is not
``Done``, the writing requests after it in that batch are answered ``NotTried``. A lost connection is a
``TransportError``, never an answer.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final, Literal

ABSENT: Final = "absent"
"""Stands where a digest would: there is no such file."""


def digest(content: bytes) -> str:
    """The digest by which a file's content is known in plans and requests.

    >>> digest(b"")[:14]
    'sha256:e3b0c44'
    """
    return "sha256:" + hashlib.sha256(content).hexdigest()


REGISTRY: Final = "HKLM/"
"""How the path of a registry key begins. Such a key counts as a file; only Windows workstations have any."""


def is_registry_key(path: str) -> bool:
    """Whether a path is that of a registry key, which stands in no folder.

    >>> is_registry_key("HKLM/SOFTWARE/Impact emploi/Connexion"), is_registry_key("C:/ProgramData/HKLM/x")
    (True, False)
    """
    return path.startswith(REGISTRY)


def as_shown(path: str) -> str:
    r"""A path in a sentence: a registry key with ``\``, as regedit and a layout take it.

    >>> print(as_shown("HKLM/SOFTWARE/Impact emploi"), as_shown("C:/IEA/connexion.ini"))
    HKLM\SOFTWARE\Impact emploi C:/IEA/connexion.ini
    """
    return path.replace("/", "\\") if is_registry_key(path) else path


_LONGEST_STEM = 200
_TOKEN = 16


def temporary_name(name: str, token: str) -> str:
    """What a file is called until it is renamed to ``name``; ``token`` is 16 random hexadecimal digits.

    >>> temporary_name("run.json", "0123456789abcdef")
    '.run.json.iea-fleet-0123456789abcdef'
    """
    encoded = name.encode("utf-8", "surrogateescape")
    stem = name if len(encoded) <= _LONGEST_STEM else hashlib.sha256(encoded).hexdigest()
    return f".{stem}.iea-fleet-{token}"


def is_leftover(found: str, name: str) -> bool:
    """Whether a file is one that somebody who died had not renamed to ``name`` yet.

    So is one that was to become such a file: there are some that are called so as long as they live.

    >>> is_leftover(temporary_name(temporary_name("run.json", "0" * 16), "1" * 16), "run.json")
    True
    """
    token, stem = found[-_TOKEN:], found[1 : -len(".iea-fleet-") - _TOKEN]
    if re.fullmatch(rf"[0-9a-f]{{{_TOKEN}}}", token) is None:
        return False
    return found == temporary_name(name, token) or (found == temporary_name(stem, token) and is_leftover(stem, name))


def is_temporary(found: str) -> bool:
    """Whether a file is called as one that is not renamed yet, to whatever name.

    >>> is_temporary(temporary_name("run.json", "0123456789abcdef"))
    True
    """
    return re.fullmatch(rf"\..+\.iea-fleet-[0-9a-f]{{{_TOKEN}}}", found, re.DOTALL) is not None


def aside_name(name: str, token: str) -> str:
    """What the old ``name`` is called while Windows puts the new one in its place; ``token`` as of a temporary name.

    >>> aside_name("run.json", "0123456789abcdef")
    '.run.json.old.iea-fleet-0123456789abcdef'
    """
    return temporary_name(f"{name}.old", token)


def set_aside_for(temporary: str, name: str) -> str:
    """What the old ``name`` is called that was moved away to make place for this temporary file."""
    return aside_name(name, temporary[-_TOKEN:])


def is_set_aside(found: str, name: str) -> bool:
    """Whether a file is the old ``name``, which somebody who died had moved away."""
    return is_leftover(found, f"{name}.old")


@dataclass(frozen=True, slots=True)
class ReadFile:
    """Read a whole file. Answers: FileContent, Absent, Failed (``too_large`` beyond ``limit`` bytes)."""

    path: str
    limit: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ListFolder:
    """List the names in a folder, sorted. Answers: FolderListing, Absent, Failed."""

    path: str


@dataclass(frozen=True, slots=True)
class Stat:
    """Look at a file or folder itself, never through a link. Answers: FileStat, Absent, Failed."""

    path: str


@dataclass(frozen=True, slots=True)
class ReplaceFile:
    """Put ``content`` where ``expected`` is (a digest, or ABSENT). Answers: Done, Moved, Failed, NotTried.

    The file is whole at every moment, the old or the new one. Owner, group and mode are kept. ``private``: it is
    readable by its owner and administrators alone, whoever could read the old one. ``secret``: it holds a secret,
    before or after, so the transaction keeps no copy of it once it is over.
    """

    path: str
    content: bytes = field(repr=False)
    expected: str
    private: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Remove a file whose content still has the digest ``expected``. Answers: Done, Moved, Failed, NotTried."""

    path: str
    expected: str


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder that is not there. Answers: Done, Moved (something is there already), Failed, NotTried."""

    path: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class RunAction:
    """Run a program of the layout, argv as it stands, no shell's word splitting. Answers: Ran, Failed, NotTried.

    ``timeout`` in seconds. ``reads``: the layout's word that it changes nothing.
    """

    argv: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)
    timeout: float = 30
    reads: bool = False


@dataclass(frozen=True, slots=True)
class OpenUrl:
    """Ask whether the workstation reaches a web address. Answers: Reached, NotReached, Failed.

    ``timeout`` in seconds. ``ca_file`` is a path on the controller; None is the trust store of whoever holds the TLS
    conversation: the controller, or the workstation where the agent asks.
    """

    url: str
    timeout: float = 15
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureRoom:
    """Ask how much room is left where a folder is. Answers: Room, Absent, Failed."""

    path: str


Reading = ReadFile | ListFolder | Stat | MeasureRoom | OpenUrl
Writing = ReplaceFile | RemoveFile | MakeFolder
Request = Reading | Writing | RunAction


def changes_workstation(request: Request) -> bool:
    """Whether a read-only session has to refuse this request."""
    return isinstance(request, Writing) or (isinstance(request, RunAction) and not request.reads)


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file, and their digest."""

    content: bytes = field(repr=False)
    digest: str

    @classmethod
    def of(cls, content: bytes) -> FileContent:
        """The answer for these bytes."""
        return cls(content, digest(content))


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such file or folder; nothing else is meant by it."""


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The sorted names in a folder, without ``.`` and ``..``."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileStat:
    """What a path is. ``modified`` is seconds since 1970 by the workstation's clock; ``mode`` the POSIX bits.

    ``owner`` is a number or a SID, "" where it is not told. ``shared``: others than its owner, administrators and the
    system may read it; None where that is not told.
    """

    kind: Literal["file", "folder", "link", "other"]
    size: int
    owner: str
    mode: int | None
    modified: float
    shared: bool | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes the user of the connection can still write there."""

    free: int


@dataclass(frozen=True, slots=True)
class Done:
    """The change was made. ``digest`` is that of the new content (ABSENT after a removal, "" for a folder)."""

    digest: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """Nothing was changed: something else than expected is there (``found``: its digest, or ABSENT)."""

    found: str


@dataclass(frozen=True, slots=True)
class NotTried:
    """A writing request of the same batch failed before this one."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The action ended. Its output may hold anything, so it is not shown by itself."""

    exit_code: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reached:
    """The server answered with an HTTP status below 500. ``note`` tells of a redirect, in words."""

    seconds: float
    http_status: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class NotReached:
    """The server was not reached, and the stage at which it ended."""

    stage: Literal["connect", "tls", "certificate", "answer"]
    reason_code: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The workstation could not do this one request; nothing was changed by it. The session goes on."""

    reason_code: str
    reason: str


Answer = (
    FileContent
    | Absent
    | FolderListing
    | FileStat
    | Room
    | Done
    | Moved
    | NotTried
    | Ran
    | Reached
    | NotReached
    | Failed
)
