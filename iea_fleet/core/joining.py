"""Several files of one inventory, joined: offices, identities and secrets by name, everything else once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from iea_fleet.core.faults import Notes, Steps
from iea_fleet.model.inventory import (
    Backend,
    Contact,
    Identity,
    InventoryFile,
    NetEntreprisesService,
    Office,
    Settings,
)
from iea_fleet.model.operator import AnyBackend, CommandBackend

_BY_NAME = ("secrets", "identities", "offices")
_ONCE = ("name", "layout", "contact", "net_entreprises_service", "defaults")


@dataclass(frozen=True, slots=True)
class Inventory:
    """All files of an inventory as one. ``owners`` tells which file holds a top-level key or a named entry."""

    main: str
    name: str
    contact: Contact | None = None
    layout: str | None = None
    secrets: Mapping[str, Backend] = field(default_factory=dict)
    net_entreprises_service: NetEntreprisesService = field(default_factory=NetEntreprisesService)
    identities: Mapping[str, Identity] = field(default_factory=dict)
    defaults: Settings | None = None
    offices: Mapping[str, Office] = field(default_factory=dict)
    owners: Mapping[Steps, str] = field(default_factory=dict)
    operator: Mapping[str, CommandBackend] = field(default_factory=dict)
    """The back-ends of the operator's own configuration file, which ``operator_file`` names."""
    operator_file: str = ""

    @property
    def backends(self) -> Mapping[str, AnyBackend]:
        """Every back-end that a secret reference may name."""
        return {**self.operator, **self.secrets}

    def file_of(self, path: Steps) -> str:
        """The file that holds a path, as it is shown to the user."""
        return self.owners.get(path[:2]) or self.owners.get(path[:1]) or self.main


def join(files: Sequence[tuple[str, InventoryFile]]) -> tuple[Inventory, Notes]:
    """Join the files; the first is the main one. What stands in two files is noted where it stands again."""
    owners: dict[Steps, str] = {}
    reading = [files[0][0]]
    notes = Notes(lambda _path: reading[0])
    named: dict[str, dict[str, object]] = {key: {} for key in _BY_NAME}
    once: dict[str, object] = {}
    for shown, file in files:
        reading[0] = shown
        for key in _ONCE:
            if getattr(file, key) is None:
                continue
            if _is_free((key,), owners, notes):
                once[key] = getattr(file, key)
                owners[key,] = shown
        for key in _BY_NAME:
            for name, value in getattr(file, key).items():
                if _is_free((key, name), owners, notes):
                    named[key][name] = value
                    owners[key, name] = shown
    inventory = Inventory(main=files[0][0], owners=owners, **{"name": "", **once, **named})  # type: ignore[arg-type]
    _needed_keys(inventory, notes, reading)
    return inventory, notes


def _is_free(path: Steps, owners: Mapping[Steps, str], notes: Notes) -> bool:
    if path not in owners:
        return True
    other = owners[path]
    if len(path) == 1:
        notes.add(path, f"`{path[0]}` stands in {other} already", "keep it in one file", at_key=True)
    else:
        notes.add(path, f"`{path[1]}` stands in {other} already", "keep one, or give it another name", at_key=True)
    return False


def _needed_keys(inventory: Inventory, notes: Notes, reading: list[str]) -> None:
    reading[0] = inventory.main
    if not inventory.name:
        remedy = "add name: and what the network is called; the history is kept under it"
        notes.add((), "lacks the key `name`", remedy, needs=(("name",),))
    if not any(office.workstations for office in inventory.offices.values()):
        remedy = "add offices: with a workstation in one of them"
        needs = (("offices",), *(("offices", name, "workstations") for name in inventory.offices))
        notes.add((), "has no workstation", remedy, needs=needs)
    defaults = inventory.defaults
    if inventory.layout is not None and defaults is not None and defaults.layout is not None:
        reading[0] = inventory.owners["defaults",]
        if reading[0] != inventory.owners["layout",]:
            remedy = f"keep this one or `layout` in {inventory.owners['layout',]}"
            notes.add(("defaults", "layout"), "layout stands at the top and in defaults", remedy)
