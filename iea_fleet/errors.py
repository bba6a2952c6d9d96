"""Every exception of iea-fleet.

IeaFleetError                 one sentence, one hint, one stable code
├── UsageError                the command line asks for something that cannot be (exit 2)
├── InvalidFilesError         the files of the user hold mistakes; carries all of them (exit 2)
├── SettingsFormatError       a settings file cannot be read, or cannot hold a value
├── TransportError            something between us and a workstation
│   ├── OfflineError          no TCP connection: no name, no route, no answer, refused
│   ├── NotLetInError         connected, and then refused: host key, authentication
│   └── BrokenError           connected, and then silent, lost, or speaking nonsense
│       └── NotBegunError     connected, and nothing of what was asked was begun there
├── SecretError               a secret reference that cannot be resolved
├── HistoryError              the history of runs cannot be read or written
├── TrustError                the store of host keys cannot be read or written
└── LabError                  the embedded lab cannot do what was asked
"""

from __future__ import annotations

from dataclasses import dataclass


class IeaFleetError(Exception):
    """What went wrong in one sentence, what to do in another, and a code that stays the same between releases."""

    code = "error"

    def __init__(self, sentence: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        if code:
            self.code = code

    def __str__(self) -> str:
        return f"{self.sentence}; {self.hint}" if self.hint else self.sentence


class UsageError(IeaFleetError):
    """The command line asks for something that cannot be."""

    code = "usage"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a file of the user: where it stands, what is wrong and what to do.

    ``line`` and ``column`` count from 1; 0 means the file as a whole. ``path`` is the dotted place in the document.
    """

    file: str
    line: int
    column: int
    path: str
    wrong: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        said = f"{self.wrong}; {self.remedy}" if self.remedy else self.wrong
        return f"{place}: {self.path}: {said}" if self.path else f"{place}: {said}"


class InvalidFilesError(IeaFleetError):
    """The files of the user hold mistakes. ``mistakes`` has all of them, in the order of the files."""

    code = "invalid_files"

    def __init__(self, mistakes: list[Mistake]) -> None:
        count = len(mistakes)
        super().__init__(f"{count} mistake{'s' if count != 1 else ''} in the files")
        self.mistakes = mistakes


class SettingsFormatError(IeaFleetError):
    """A settings file cannot be read in its format, or cannot hold a value. Nothing was written."""

    code = "format"


class TransportError(IeaFleetError):
    """Something between us and a workstation. ``code`` becomes the ``reason_code`` of its cells."""

    code = "transport"


class OfflineError(TransportError):
    """No TCP connection: no name, no route, no answer, or refused."""

    code = "no_answer"


class NotLetInError(TransportError):
    """Connected and not let in: host key, key, password."""

    code = "auth_refused"


class BrokenError(TransportError):
    """Connected, and then silent, lost, or speaking nonsense."""

    code = "connection_lost"


class NotBegunError(BrokenError):
    """Connected, and what was asked for was not begun: nothing was changed by it."""


class SecretError(IeaFleetError):
    """A secret reference cannot be resolved. Never holds the value."""

    code = "secret"


class HistoryError(IeaFleetError):
    """The history of runs cannot be read or written."""

    code = "history"


class TrustError(IeaFleetError):
    """The store of host keys cannot be read or written."""

    code = "trust"


class LabError(IeaFleetError):
    """The embedded lab cannot do what was asked."""

    code = "lab"
