"""What secret references, identities and other names have to point to. No reference is ever shown."""

from __future__ import annotations

from collections.abc import Iterator

from iea_fleet.core.faults import Notes, Steps, nearest
from iea_fleet.core.joining import Inventory
from iea_fleet.model.inventory import ABSENT_ACCOUNT, Backend, EnvBackend, KeepassBackend, Settings, VaultBackend
from iea_fleet.model.part import split_reference
from iea_fleet.model.playbook import Playbook

_KINDS = ("age", "env", "keepass", "keyring", "vault")
"""The kinds that an inventory may declare, and what people call such a back-end."""

_WITHOUT_FIELDS = ("age", "env", "keyring", "command")


def check_references(inventory: Inventory, notes: Notes) -> None:
    """Note every reference of the inventory that leads nowhere."""
    for path, reference in references(inventory):
        _check_reference(path, reference, inventory, notes)
    for name in inventory.secrets:
        if name in inventory.operator:
            wrong = f"`{name}` is declared in {_own(inventory)} already"
            notes.add(("secrets", name), wrong, "give one of them another name", at_key=True)
        _no_circle(name, inventory, notes)
    if ABSENT_ACCOUNT in inventory.identities:
        path = ("identities", ABSENT_ACCOUNT)
        notes.add(path, "`absent` means an account that is removed", "give the identity another name", at_key=True)
    for office_name, office in inventory.offices.items():
        for user_name, user in office.users.items():
            wanted = user.net_entreprises
            if wanted is not None and wanted != ABSENT_ACCOUNT and wanted not in inventory.identities:
                path = ("offices", office_name, "users", user_name, "net_entreprises")
                remedy = nearest(wanted, inventory.identities, "identities")
                notes.add(path, f"there is no identity `{wanted}`", remedy, needs=(("identities", wanted),))


def _check_reference(path: Steps, reference: str, inventory: Inventory, notes: Notes) -> None:
    backends = inventory.backends
    name, secret, field = split_reference(reference)
    backend = backends.get(name)
    if backend is None:
        lead = f"one that runs a program goes into {_own(inventory)}"
        if name in _KINDS:
            lead = f"declare `{name}` below `secrets:`"
        remedy = f"declared: {', '.join(backends) or 'none'}; {lead}"
        notes.add(path, "names a secret back-end that is not declared", remedy, needs=(("secrets", name),))
    elif isinstance(backend, EnvBackend) and secret not in backend.names:
        wrong = f"names a variable that `{name}` does not list"
        notes.add(path, wrong, f"add it to secrets.{name}.names", needs=(("secrets", name, "names"),))
    elif field is not None and backend.kind in _WITHOUT_FIELDS:
        notes.add(path, f"names a field, and secrets of `{name}` have none", "delete the # and what follows")


def references(inventory: Inventory) -> Iterator[tuple[Steps, str]]:
    """Every secret reference of an inventory, and where it stands."""
    for name, backend in inventory.secrets.items():
        for key, reference in _own_references(backend):
            yield ("secrets", name, key), reference
    for name, identity in inventory.identities.items():
        yield ("identities", name, "password"), identity.password
    yield from _of_settings(("defaults",), inventory.defaults)
    for office_name, office in inventory.offices.items():
        path = ("offices", office_name)
        yield from _of_settings(path, office)
        for name, user in office.users.items():
            if user.iea_password is not None:
                yield (*path, "users", name, "iea_password"), user.iea_password
        for name, workstation in office.workstations.items():
            yield from _of_settings((*path, "workstations", name), workstation)


def _own(inventory: Inventory) -> str:
    return f"your own configuration file ({inventory.operator_file or 'config.yml'})"


def _own_references(backend: Backend) -> Iterator[tuple[str, str]]:
    if isinstance(backend, KeepassBackend) and backend.password is not None:
        yield "password", backend.password
    if isinstance(backend, VaultBackend):
        yield "token", backend.token


def _of_settings(path: Steps, settings: Settings | None) -> Iterator[tuple[Steps, str]]:
    if settings is not None and settings.connection is not None:
        for key in ("password", "key_passphrase"):
            if (reference := getattr(settings.connection, key)) is not None:
                yield (*path, "connection", key), reference


def _no_circle(name: str, inventory: Inventory, notes: Notes) -> None:
    """A back-end's own secret must not lie, in the end, in that back-end itself."""
    start, seen = name, {name}
    while (backend := inventory.secrets.get(name)) is not None:
        own = next(_own_references(backend), None)
        if own is None:
            return
        name = split_reference(own[1])[0]
        if name == start:
            key = next(_own_references(inventory.secrets[start]))[0]
            notes.add(("secrets", start, key), "leads back to this back-end", "keep it in another one, like env")
        if name in seen:
            return
        seen.add(name)


def check_playbook(playbook: Playbook, inventory: Inventory, notes: Notes) -> None:
    """Note what a playbook names and the inventory does not know; the selectors apart."""
    for index, identity in enumerate(playbook.identities or ()):
        if identity not in inventory.identities:
            remedy = nearest(identity, inventory.identities, "identities")
            path = ("identities", index)
            notes.add(
                path, f"there is no identity `{identity}`", remedy, needs=(("inventory", "identities", identity),)
            )
    for index, probe in enumerate(playbook.required):
        if probe not in playbook.probes:
            path = ("required", index)
            remedy = "add it to probes, or delete it here"
            notes.add(path, f"requires the probe `{probe}`, which is not asked", remedy, needs=(("probes",),))
