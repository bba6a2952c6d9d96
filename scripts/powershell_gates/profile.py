"""What a real Windows 10 with Windows PowerShell 5.1 offers: its types and their members, as it was captured there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

COMMITTED: Final = Path(__file__).with_name("profile-5.1.17763.json")

Type = dict[str, Any]
"""``{"enum", "new", "static", "instance", "indexer"}``: constructors as numbers of arguments, members as
``{"type", "arguments", "set"}``, where ``arguments`` stands for methods alone; -1 is any number."""


@dataclass
class Profile:
    """The types by their full names, and PowerShell's short names for types and commands.

    ``used`` remembers what was asked for, so that a profile can be cut down to it.
    """

    types: dict[str, Type]
    accelerators: dict[str, str]
    aliases: frozenset[str]
    used: set[str] = field(default_factory=set)

    @classmethod
    def committed(cls) -> Profile:
        """The one in this folder, cut down to what the scripts use."""
        kept = json.loads(COMMITTED.read_text(encoding="utf-8"))
        return cls(kept["types"], kept["accelerators"], frozenset(kept["aliases"]))

    def full_name(self, name: str) -> str | None:
        """What PowerShell takes a type's name for; None when there is no such type."""
        bare = name.removesuffix("[]")
        wanted = self.accelerators.get(bare.lower(), bare)
        for candidate in (wanted, f"System.{wanted}"):
            if candidate in self.types:
                self.used.add(candidate)
                return candidate + name[len(bare) :]
        return None

    def member(self, type_name: str, name: str, *, static: bool) -> dict[str, Any] | None:
        """A member of a type, its name in any case; None when it has none of that name."""
        members: dict[str, dict[str, Any]] = self.type_of(type_name)["static" if static else "instance"]
        return next((each for key, each in members.items() if key.lower() == name.lower()), None)

    def type_of(self, full_name: str) -> Type:
        """The type of this full name; all arrays are alike."""
        name = "System.Array" if full_name.endswith("[]") else full_name.partition("[")[0]
        self.used.add(name)
        return self.types[name]

    def knows(self, full_name: str) -> bool:
        """Whether the members of such a type are known."""
        return full_name.endswith("[]") or full_name.partition("[")[0] in self.types
