"""What can be configured, one file a kind. Pure: state from answers, edits from differences.

A resource has an address: its kind, and for some kinds a name after a dot (``net_entreprises.dupont``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Difference, Status
from iea_fleet.model.plan import Edit
from iea_fleet.model.request import Answer, ReadFile
from iea_fleet.model.target import Target

REGISTRY: Mapping[str, str] = {"server_connection": "iea_fleet.resources.server_connection"}

LATER: Mapping[str, str] = {
    "net_entreprises": "Net-Entreprises credentials are not pushed by this version of iea-fleet",
    "assistance_mode": "assistance mode is shown by the state probe; this version of iea-fleet does not set it",
    "software": "versions of IEA are shown by the version probe; this version of iea-fleet does not install them",
    "transfer": "transfers between dossiers are not carried out by this version of iea-fleet",
}
"""Kinds that the files may declare and no code here carries out yet, and what their cells say."""

Answers = Callable[[ReadFile], Answer]
"""What was answered to a read."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a workstation has: values by setting, those not there left out; and the digests they were read from."""

    values: Mapping[str, Scalar]
    read: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unobserved:
    """Why a workstation's state cannot be told: ``waiting`` for a person, or ``unknown``."""

    status: Status
    reason: str
    reason_code: str


class Kind(Protocol):
    """What every kind of resource offers."""

    def reads(self, target: Target, address: str) -> tuple[ReadFile, ...]:
        """What has to be read to know its state."""
        ...

    def observe(self, target: Target, address: str, answers: Answers) -> Observed | Unobserved:
        """The state that these answers show."""
        ...

    def wanted(self, target: Target, address: str) -> Mapping[str, Scalar]:
        """The values that the files ask for, by setting."""
        ...

    def same(self, setting: str, one: Scalar, other: Scalar) -> bool:
        """Whether two values of a setting mean the same to IEA."""
        ...

    def note(self, target: Target, setting: str, observed: Mapping[str, Scalar]) -> str:
        """A known leftover, named in words; "" for an ordinary difference."""
        ...

    def edits(
        self, target: Target, address: str, observed: Observed, differences: tuple[Difference, ...]
    ) -> tuple[Edit, ...]:
        """What has to be written for these differences to go."""
        ...


def kind_of(address: str) -> str:
    """The kind in an address.

    >>> kind_of("net_entreprises.dupont")
    'net_entreprises'
    """
    return address.partition(".")[0]


def kind_named(name: str) -> Kind | None:
    """The code of a kind, imported when it is first asked for; None for a kind of ``LATER``."""
    return cast("Kind", importlib.import_module(REGISTRY[name])) if name in REGISTRY else None
