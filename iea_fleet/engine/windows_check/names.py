"""Names that are not to be in a record: plain words in their place, the same everywhere in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from iea_fleet.engine.windows_check.trials import FINDSTR, VERSION_KEY
from iea_fleet.model.target import GuidedConnection, Target

_SID: Final = re.compile(r"\bS-1-5-21-\d+-\d+-\d+(-\d+)?")
"""Of an account: the three numbers in the middle are those of the machine or the domain ([MS-DTYP] 2.4.2.4)."""

_OURS: Final = f"{FINDSTR} {VERSION_KEY} C:/ProgramData/iea-fleet run.json windows-check"
"""What is said everywhere, whatever the names are."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names in lower case, and the words that stand in their place."""

    words: Mapping[str, str]

    @classmethod
    def of(cls, target: Target, *, keep: bool) -> Self:
        """The names of a workstation, its address, its account, and the servers that it is asked about."""
        connection = target.connection
        assert not isinstance(connection, GuidedConnection)
        if keep:
            return cls({})
        names = {target.name: "workstation", target.address or "": "address.example", connection.user: "account"}
        names |= dict.fromkeys(re.split(r"[\\@]", connection.user), "account")
        wanted = target.server_connection.wanted() if target.server_connection else {}
        names |= {urlsplit(url).hostname or "": "server.example" for url in wanted.values() if isinstance(url, str)}
        return cls({name.lower(): word for name, word in names.items() if name and not _standing(name).search(_OURS)})

    def hidden(self, part: object) -> object:
        """A part of a document with every name in it replaced, and the middle of every SID."""
        match part:
            case str():
                for name in sorted(self.words, key=len, reverse=True):
                    part = _standing(name).sub(self.words[name], part)
                return _SID.sub(r"S-1-5-21-0-0-0\1", part) if self.words else part
            case list() | tuple():
                return [self.hidden(one) for one in part]
            case dict():
                return {key: self.hidden(one) for key, one in part.items()}
            case _:
                return part


def _standing(name: str) -> re.Pattern[str]:
    """A name as a word of its own, in whatever case."""
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
