"""Answers that are expected, or not: what ``windows-check`` says of each, and how it damages what it sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from iea_fleet.model.request import Answer, Failed, FileContent, FileStat, NotReached, Reached
from iea_fleet.transports.base import Ended
from iea_fleet.transports.windows.agent import Run

Came = tuple[str, str]
"""The class that came, and what to say of it."""
_Answer = TypeVar("_Answer")


class OtherCameError(Exception):
    """An answer that was not expected: its class, and what to say of it."""

    def __init__(self, came: str, reason: str = "") -> None:
        super().__init__(came)
        self.came = came
        self.reason = reason


def wanted(answer: Answer, kind: type[_Answer]) -> _Answer:
    """The answer, which has to be of this kind. OtherCameError."""
    if isinstance(answer, kind):
        return answer
    raise OtherCameError(class_of(answer), getattr(answer, "reason", ""))


def class_of(answer: Answer) -> str:
    """The class of an answer in words.

    >>> class_of(Failed("file_busy", "")), class_of(FileContent.of(b""))
    ('failed: file_busy', 'content')
    """
    match answer:
        case Failed(code, _):
            return f"failed: {code}"
        case NotReached(stage, code, _, _):
            return f"not reached: {stage}, {code}"
        case FileContent():
            return "content"
        case _:
            return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(answer).__name__)[1:]


def who_reads(about: FileStat) -> str:
    """Who may look into a file or folder."""
    words = {True: "others may read it", False: "for administrators alone", None: "who may read it is not told"}
    return words[about.shared]


def judged(answers: Sequence[Answer]) -> Came:
    """What came of asking web addresses, all of which have to be reached."""
    reached = [wanted(answer, Reached) for answer in answers]
    return "reached", ", ".join(f"{one.http_status} in {one.seconds:.2f} s" for one in reached)


def spoilt(run: Run, spoil: Callable[[bytes], bytes]) -> Run:
    """A way to run the agent that damages its standard input."""

    def damaging(command: str, stdin: bytes, seconds: float) -> Ended:
        return run(command, spoil(stdin), seconds)

    return damaging


def changed(stdin: bytes) -> bytes:
    """With one letter of the last line turned into another."""
    at = len(stdin) - 12
    return stdin[:at] + (b"A" if stdin[at : at + 1] != b"A" else b"B") + stdin[at + 1 :]


def cut_short(stdin: bytes) -> bytes:
    """Without its last lines, as an old SSH server left it (PowerShell/Win32-OpenSSH, issue 908)."""
    return b"\n".join(stdin.split(b"\n")[:-3]) + b"\n"
