"""What ``windows-check`` writes on a workstation, and the names that it gives to it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import shake_256
from typing import Final

from iea_fleet.engine.lease import CLOCK
from iea_fleet.formats import registry
from iea_fleet.model.journal import NAME
from iea_fleet.model.request import OpenUrl

OLD: Final = b"made by iea-fleet windows-check\r\n"
ODD: Final = "Paramètres « Nancy », 漢字, \u00a0\r\n\r\n\n\r\t".encode() + bytes(range(256))
LARGE: Final = shake_256(b"iea-fleet windows-check").digest(600_000)
RACERS: Final = (b"one agent\r\n", b"another agent\r\n")
KINDS: Final[Sequence[tuple[str, str, bytes]]] = (
    ("", "String", "Paramètres « 1 »".encode()),
    ("Chemin", "ExpandString", b"%ProgramData%\\iea-fleet"),
    ("Grand", "QWord", b"18446744073709551615"),
    ("Liste", "MultiString", b"un\0deux\0"),
    ("Nombre", "DWord", b"4294967295"),
    ("Octets", "Binary", bytes(range(256))),
    ("Rien", "None", b""),
)
KEY: Final = b"".join(
    sorted(b"%b %b %b\n" % (base64.b64encode(n.encode()), k.encode(), base64.b64encode(d)) for n, k, d in KINDS)
)
"""A registry key with a value of each kind, in our form."""

CHANGED_KEY: Final = registry.patch(KEY, {"Nombre": "7"})

FOUND: Final = b"deux mots\r\n"
LINES: Final = (b"un\r\n" + FOUND, b"trois\r\n")
"""In the first of them findstr finds a line, in the second none."""

CONTENTS: Final[Mapping[str, bytes]] = {
    "old": OLD,
    "odd": ODD,
    "large": LARGE,
    "one_agent": RACERS[0],
    "another_agent": RACERS[1],
    "key": KEY,
    "changed_key": CHANGED_KEY,
    "lines": LINES[0],
    "other_lines": LINES[1],
    "found": FOUND,
    "empty": b"",
}
"""All that is written here, by name: nothing of it is anybody's."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a check is about. ``files`` are read, ``addresses`` asked; ``token`` is 16 hexadecimal digits for names."""

    transport: str
    private: str
    files: tuple[str, ...]
    addresses: Mapping[str, OpenUrl]
    token: str

    def lasting(self) -> Subject:
        """The same without the places of files on this controller."""
        return replace(self, addresses={name: replace(asked, ca_file=None) for name, asked in self.addresses.items()})

    @property
    def run_file(self) -> str:
        """Where another run's lease would be."""
        return f"{self.private}/{NAME}"

    @property
    def scratch(self) -> str:
        """The scratch file: where a check dies, the next apply removes it."""
        return f"{self.private}/{CLOCK}{self.token}"

    @property
    def other(self) -> str:
        """A second one, which is never made."""
        return f"{self.private}/{CLOCK}{self.token[::-1]}"

    @property
    def key(self) -> str:
        """The scratch registry key."""
        return f"HKLM/SOFTWARE/iea-fleet-{self.token}"
