"""The way in to each workstation: secrets resolved, trust decided; or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import SecretStr

from iea_fleet.core import matrix
from iea_fleet.engine import clock
from iea_fleet.engine.trust import owners
from iea_fleet.errors import IeaFleetError
from iea_fleet.model.matrix import Row, Status
from iea_fleet.model.target import GuidedConnection, Target, WinrmConnection
from iea_fleet.secrets import Secrets
from iea_fleet.transports.base import Reach

Stored = Mapping[str, tuple[str, ...]]
"""Accepted host keys by workstation."""


def without_connection(target: Target) -> Row | None:
    """The row of a workstation that this version never connects to; None for one that it does."""
    if target.guided:
        reason = f"a person sets this at the window; the fiche: iea-fleet plan INVENTORY --limit {target.name}"
        return matrix.whole(target, Status.WAITING, reason, "guided", clock.now())
    return None


def reaches(
    targets: Iterable[Target], secrets: Secrets, pinned: Stored, stored: Stored
) -> dict[str, Reach | IeaFleetError]:
    """The way in to each target, or why its secrets cannot be had.

    ``pinned`` are the inventory's host keys, ``stored`` the accepted ones of our own store, both of all
    workstations: a key that belongs to another one is named in the alarm.
    """
    known = owners({**stored, **pinned})
    return {target.name: _reach(target, secrets, stored, known) for target in targets}


def _reach(target: Target, secrets: Secrets, stored: Stored, known: Mapping[str, str]) -> Reach | IeaFleetError:
    connection = target.connection
    assert not isinstance(connection, GuidedConnection)
    try:
        common = Reach(
            workstation=target.name,
            address=target.address or "",
            port=connection.port,
            user=connection.user,
            timeout=connection.timeout,
            deadline=connection.deadline,
            password=_secret(secrets, connection.password),
            windows=target.windows,
            private_folder=target.files.get("private", ""),
        )
        if isinstance(connection, WinrmConnection):
            return replace(
                common,
                transport="winrm",
                tls=connection.tls,
                auth=connection.auth,
                certificate=connection.certificate,
                ca_file=connection.ca_file,
            )
        return replace(
            common,
            key_file=connection.key_file,
            key_passphrase=_secret(secrets, connection.key_passphrase),
            agent=connection.agent,
            jump=connection.jump,
            host_keys=target.host_keys or stored.get(target.name, ()),
            owners=known,
            pinned_in_inventory=bool(target.host_keys),
        )
    except IeaFleetError as error:
        return error


def _secret(secrets: Secrets, reference: str | None) -> SecretStr | None:
    return secrets.get(reference) if reference else None
