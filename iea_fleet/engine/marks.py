"""Secrets for the pure rooms: known by their marks alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.history.key import HistoryKey
from iea_fleet.model.inventory import Identity
from iea_fleet.model.matrix import Status
from iea_fleet.resources import Unobserved
from iea_fleet.secrets import Secrets


@dataclass(frozen=True, slots=True)
class SecretMarks:
    """Marks by one history's key. Each password is read once a run, when it is first asked for."""

    key: HistoryKey
    secrets: Secrets
    identities: Mapping[str, Identity]

    def of(self, text: str) -> str:
        """The mark of a text that was read on a workstation."""
        return self.key.mark(SecretStr(text))

    def password(self, identity: str) -> str | Unobserved:
        """The mark of an identity's password; why it cannot be had here."""
        try:
            return self.key.mark(self.secrets.password(self.identities[identity].password))
        except SecretError as error:
            return Unobserved(Status.UNKNOWN, f"the password of {identity} cannot be had: {error}", error.code)
