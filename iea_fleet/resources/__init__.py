"""What can be configured, one file a kind. Pure: state from answers, edits from differences.

A resource has an address: its kind, and for some kinds a name after a dot (``net_entreprises.dupont``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Cell, Difference, Status
from iea_fleet.model.plan import Edit
from iea_fleet.model.request import Answer, ListFolder, ReadFile, Request
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target

REGISTRY: Mapping[str, str] = {
    "server_connection": "iea_fleet.resources.server_connection",
    "net_entreprises": "iea_fleet.resources.net_entreprises",
}

LATER: Mapping[str, str] = {
    "assistance_mode": "assistance mode is shown by the state probe; this version of iea-fleet does not set it",
    "software": "versions of IEA are shown by the version probe; this version of iea-fleet does not install them",
    "transfer": "transfers between dossiers are not carried out by this version of iea-fleet",
}
"""Kinds that the files may declare and no code here carries out yet, and what their cells say."""

Read = ReadFile | ListFolder
Answers = Callable[[Read], Answer]
"""What was answered to a read."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a workstation has: values by setting, those not there left out; and the digests they were read from.

    ``besides`` is to be remembered with the values when they are right.
    """

    values: Mapping[str, Scalar]
    read: Mapping[str, str]
    besides: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unobserved:
    """Why a workstation's state cannot be told: ``waiting`` for a person, ``unknown``, or ``failed``."""

    status: Status
    reason: str
    reason_code: str


class Marks(Protocol):
    """Secrets as pure rooms may know them: a mark tells whether two are the same, and nothing else."""

    def of(self, text: str) -> str:
        """The mark of a text that was read on a workstation."""
        ...

    def password(self, identity: str) -> str | Unobserved:
        """The mark of an identity's password; why it cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known before a workstation is asked: what we last wrote there or saw right, by address; and marks."""

    memories: Mapping[str, Memory]
    marks: Marks


class Kind(Protocol):
    """What every kind of resource offers."""

    def reads(self, target: Target, address: str, known: Mapping[Request, Answer]) -> tuple[Read, ...]:
        """What has to be read to know its state, as far as that can be said from the answers ``known`` so far."""
        ...

    def observe(self, target: Target, address: str, answers: Answers, knowledge: Knowledge) -> Observed | Unobserved:
        """The state that these answers show."""
        ...

    def wanted(self, target: Target, address: str, marks: Marks) -> Mapping[str, Scalar] | Unobserved:
        """The values that the files ask for, by setting; None is a setting that must not be there."""
        ...

    def same(self, setting: str, one: Scalar, other: Scalar) -> bool:
        """Whether two values of a setting mean the same to IEA."""
        ...

    def is_secret(self, setting: str) -> bool:
        """Whether the values of a setting are marks of secrets."""
        ...

    def note(self, setting: str, observed: Mapping[str, Scalar], wanted: Mapping[str, Scalar]) -> str:
        """A known leftover, named in words; "" for an ordinary difference."""
        ...

    def edits(
        self, target: Target, address: str, observed: Observed, differences: tuple[Difference, ...]
    ) -> tuple[Edit, ...]:
        """What has to be written for these differences to go."""
        ...

    def besides(self, target: Target, answers: Answers) -> tuple[Cell, ...]:
        """What was found that the inventory does not know of, and somebody should look at."""
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
