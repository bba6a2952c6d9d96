"""The version of an IEA installation, as people, release notes and files write it.

The publisher writes ``V72``, ``V-70``, ``V.3.01.002`` and ``3.02.004`` (release notes of 2019 to 2024); ``Vnn`` is
short for 3.00.nn. Versions are ordered as numbers: 3.00.105 comes before 3.01.002.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import Self

_SHORT = re.compile(r"v?[-. ]?(\d{1,3})", re.IGNORECASE)
_FULL = re.compile(r"v?[-. ]?(\d{1,2})[.](\d{1,2})[.](\d{1,3})", re.IGNORECASE)
_BOUND = re.compile(r"\s*(>=|<=|==|>|<)\s*(.+?)\s*")
_COMPARE = {">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True, slots=True, order=True)
class IeaVersion:
    """A version such as 3.02.004.

    >>> IeaVersion.parse("V72") < IeaVersion.parse("3.01.002")
    True
    >>> str(IeaVersion.parse("V-70"))
    '3.00.70'
    """

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read any of the published ways of writing a version. ValueError when it is none of them."""
        text = text.strip()
        if found := _FULL.fullmatch(text):
            return cls(int(found[1]), int(found[2]), int(found[3]))
        if found := _SHORT.fullmatch(text):
            return cls(3, 0, int(found[1]))
        raise ValueError(f"{text!r} is no version of IEA; write it like 3.02.004 or V72")

    def __str__(self) -> str:
        # The fiches write 3.00.nn with two digits; from 2023 on the last part has three.
        digits = 2 if (self.major, self.minor) == (3, 0) else 3
        return f"{self.major}.{self.minor:02}.{self.patch:0{digits}}"


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Bounds such as ``>=3.00.72,<3.03``; a bound may leave out its last parts.

    >>> IeaVersion(3, 2, 4) in VersionRange.parse(">=3.00.72,<3.03")
    True
    """

    bounds: tuple[tuple[str, IeaVersion], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a comma-separated list of bounds. ValueError when one is not understood."""
        bounds = []
        for part in text.split(","):
            found = _BOUND.fullmatch(part)
            if not found:
                raise ValueError(f"{part.strip()!r} is no bound of versions; write it like >=3.00.72,<3.03")
            number = found[2] if found[2].count(".") != 1 else f"{found[2]}.0"
            bounds.append((found[1], IeaVersion.parse(number)))
        return cls(tuple(bounds))

    def __contains__(self, version: IeaVersion) -> bool:
        return all(_COMPARE[sign](version, bound) for sign, bound in self.bounds)
