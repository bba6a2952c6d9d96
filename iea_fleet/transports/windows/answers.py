"""The lines of the agent as answers, and what its failures mean to a person."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeVar, cast, get_args

from iea_fleet.model.request import (
    Absent,
    Answer,
    Done,
    Failed,
    FileContent,
    FileStat,
    FolderListing,
    ListFolder,
    MakeFolder,
    MeasureRoom,
    Moved,
    NotTried,
    OpenUrl,
    Ran,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Request,
    Room,
    RunAction,
    Stat,
    as_shown,
    changes_workstation,
)
from iea_fleet.transports.actions import timed_out
from iea_fleet.transports.sftp_words import failed
from iea_fleet.transports.url import Stage, not_reached, reached

VERSION: Final = "1"
Kind = Literal["file", "folder", "link", "other"]
_Result = TypeVar("_Result")
_LONGEST_DETAIL: Final = 200

# The codes of the agent that SFTP servers have words for too: a person reads one language.
_AS_OVER_SFTP: Final = {
    "denied": "no_rights",
    "disk_full": "disk_full",
    "no_folder": "no_folder",
    "is_folder": "is_folder",
    "not_a_folder": "not_a_folder",
    "is_link": "is_link",
    "bad_path": "bad_path",
}
_REASONS: Final = {
    "busy": (
        "file_busy",
        "another program on the workstation holds {path} open; close IEA (or wait for the antivirus)",
    ),
    "read_only": ("read_only", "{path} is left alone, because this session may only read"),
    "agent_busy": ("agent_busy", "another run has been writing there for 10 s; run it again when that one is over"),
    "changed_since": ("changed_since", "another program wrote to {path} while it was replaced; look which one"),
    "action_not_found": ("action_not_found", "there is no program {path} there; correct the action in the layout"),
    "shared_folder": (
        "shared_folder",
        "others can read the private folder, where the old content of {path} would be for a moment; remove that folder",
    ),
    "error": ("windows_refused", "Windows could not {verb} {path}{said}; look at the workstation"),
}
_VERBS: Final[Mapping[type[Request], str]] = {
    ReadFile: "read",
    Stat: "read",
    ListFolder: "list",
    MeasureRoom: "measure the room of",
    ReplaceFile: "replace",
    RemoveFile: "remove",
    MakeFolder: "make",
    RunAction: "run",
    OpenUrl: "ask for",
}


class NonsenseError(Exception):
    """A line that the protocol does not know."""


class About(NamedTuple):
    """What the agent says of itself: the versions of PowerShell and of Windows, and the language mode."""

    identity: str
    powershell: str
    language: str
    windows: str


def about(line: bytes) -> About:
    """The first line of the answers. NonsenseError also for another version of the protocol."""
    fields = _Fields(line)
    if fields.word != "agent" or fields.text("version") != VERSION:
        raise NonsenseError
    return fields.all_read(About(*(_short(fields.text(name)) for name in ("id", "powershell", "language", "windows"))))


def answer(request: Request, line: bytes) -> Answer:
    """The answer to this request. NonsenseError for a class, a field or a code that is none of its own."""
    fields = _Fields(line)
    if fields.word == "failed":
        return fields.all_read(_failure(request, fields))
    if fields.word == "not_tried" and changes_workstation(request):
        return fields.all_read(NotTried())
    read = _READERS.get((fields.word, type(request)))
    if read is None:
        raise NonsenseError
    return fields.all_read(read(request, fields))


class _Fields:
    """The fields of one line, each of which has to be read once."""

    def __init__(self, line: bytes) -> None:
        self.word, *rest = line.decode("ascii", "replace").split(" ")
        self._values: dict[str, bytes] = {}
        for each in rest:
            name, equals, encoded = each.partition("=")
            if not equals or name in self._values:
                raise NonsenseError
            try:
                self._values[name] = binascii.a2b_base64(encoded, strict_mode=True) if encoded else b""
            except ValueError as error:
                raise NonsenseError from error

    def binary(self, name: str) -> bytes:
        if name not in self._values:
            raise NonsenseError
        return self._values.pop(name)

    def text(self, name: str) -> str:
        # Windows allows names that are no Unicode; .NET sends U+FFFD for what it cannot say.
        return self.binary(name).decode("utf-8", "replace")

    def number(self, name: str) -> float:
        return float(self._matching(name, r"-?[0-9]{1,20}([.][0-9]{1,20})?"))

    def whole(self, name: str) -> int:
        return int(self._matching(name, r"-?[0-9]{1,20}"))

    def truth(self, name: str) -> bool:
        return self._matching(name, "yes|no") == "yes"

    def digest(self, name: str) -> str:
        return self._matching(name, "(sha256:[0-9a-f]{64}|absent)?")

    def _matching(self, name: str, pattern: str) -> str:
        value = self.text(name)
        if not re.fullmatch(pattern, value, re.ASCII):
            raise NonsenseError
        return value

    def all_read(self, result: _Result) -> _Result:
        if self._values:
            raise NonsenseError
        return result


def _names(_: Request, fields: _Fields) -> Answer:
    names = fields.text("names")
    if names and not names.endswith("\0"):
        raise NonsenseError
    return FolderListing(tuple(sorted(names.split("\0")[:-1])))


def _is(_: Request, fields: _Fields) -> Answer:
    kind = fields.text("kind")
    if kind not in get_args(Kind):
        raise NonsenseError
    return FileStat(
        kind=cast("Kind", kind),
        size=fields.whole("size"),
        owner=fields.text("owner"),
        mode=None,
        modified=fields.number("modified"),
        shared=fields.truth("shared"),
    )


def _ran(_: Request, fields: _Fields) -> Answer:
    # .NET has signed exit codes, Windows and SSH unsigned ones: 0xC0000005 is a crash either way.
    code = fields.whole("exit_code") & 0xFFFFFFFF
    return Ran(code, fields.binary("stdout"), fields.binary("stderr"))


def _reached(request: Request, fields: _Fields) -> Answer:
    assert isinstance(request, OpenUrl)
    return reached(request, fields.whole("status"), fields.text("location"), fields.number("seconds"))


def _not_reached(request: Request, fields: _Fields) -> Answer:
    assert isinstance(request, OpenUrl)
    stage, code, detail = fields.text("stage"), fields.text("code"), fields.text("detail")
    if stage not in get_args(Stage):
        raise NonsenseError
    judge = "this controller" if request.ca_file else "the workstation"
    try:
        return not_reached(request, cast("Stage", stage), code, _short(detail), fields.number("seconds"), judge)
    except KeyError as error:
        raise NonsenseError from error


def _failure(request: Request, fields: _Fields) -> Failed:
    code, said = fields.text("code"), _short(fields.text("detail"))
    if code == "action_timeout" and isinstance(request, RunAction):
        return timed_out(request)
    path, verb = _what(request), _VERBS[type(request)]
    if code == "too_large":
        return failed("too_large", path, size=fields.whole("size"), limit=fields.whole("limit"))
    if code in _AS_OVER_SFTP:
        return failed(_AS_OVER_SFTP[code], path, verb)
    if code not in _REASONS:
        raise NonsenseError
    reason_code, reason = _REASONS[code]
    return Failed(reason_code, reason.format(path=path, verb=verb, said=f" (it says: {said})" if said else ""))


def _what(request: Request) -> str:
    if isinstance(request, RunAction):
        return request.argv[0]
    return request.url if isinstance(request, OpenUrl) else as_shown(request.path)


def _short(detail: str) -> str:
    return "".join(each if each.isprintable() else " " for each in detail[:_LONGEST_DETAIL]).strip()


_Reader = Callable[[Request, _Fields], Answer]
_READERS: Final[Mapping[tuple[str, type[Request]], _Reader]] = {
    ("content", ReadFile): lambda _, fields: FileContent.of(fields.binary("content")),
    **{("absent", each): lambda _, __: Absent() for each in (ReadFile, ListFolder, Stat, MeasureRoom)},
    ("names", ListFolder): _names,
    ("is", Stat): _is,
    ("room", MeasureRoom): lambda _, fields: Room(fields.whole("free")),
    **{
        ("done", each): lambda _, fields: Done(fields.digest("digest"))
        for each in (ReplaceFile, RemoveFile, MakeFolder)
    },
    **{
        ("moved", each): lambda _, fields: Moved(fields.digest("found"))
        for each in (ReplaceFile, RemoveFile, MakeFolder)
    },
    ("ran", RunAction): _ran,
    ("reached", OpenUrl): _reached,
    ("not_reached", OpenUrl): _not_reached,
}
