"""Secrets for the pure rooms: known by their marks alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.history.key import HistoryKey
from iea_fleet.model.inventory import Identity
from iea_fleet.model.matrix import Status
from iea_fleet.resources import Unobserved
from iea_fleet.secrets import Secrets


@dataclass(frozen=True, slots=True)
class SecretMarks:
    """Marks by one history's key. Each password is read and marked once a run, when it is first asked for.

    One object serves all threads: two that ask at the same moment come to the same mark.
    """

    key: HistoryKey
    secrets: Secrets
    identities: Mapping[str, Identity]
    _known: dict[str, str | Unobserved] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, text: str) -> str:
        """The mark of a text that was read on a workstation."""
        return self.key.mark(SecretStr(text))

    def password(self, identity: str) -> str | Unobserved:
        """The mark of an identity's password; why it cannot be had here."""
        if identity not in self._known:
            self._known[identity] = self._marked(identity)
        return self._known[identity]

    def _marked(self, identity: str) -> str | Unobserved:
        try:
            return self.key.mark(self.secrets.password(self.identities[identity].password))
        except SecretError as error:
            return Unobserved(Status.UNKNOWN, f"the password of {identity} cannot be had: {error}", error.code)
