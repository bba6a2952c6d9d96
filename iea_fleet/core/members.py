"""Workstations by name and by address: ranges spelt out, each name once, each address once."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from iea_fleet.core import ranges, templates
from iea_fleet.core.faults import Notes, Steps
from iea_fleet.core.settings_rules import Levels
from iea_fleet.core.templates import Template, TemplateError
from iea_fleet.model.inventory import Workstation, is_host
from iea_fleet.model.target import Connection, GuidedConnection, SshConnection

MOST_WORKSTATIONS = 50_000


@dataclass(slots=True)
class Register:
    """The names and addresses that are taken, and what is wrong with the ones that come."""

    file_of: Callable[[Steps], str]
    notes: Notes
    _names: dict[str, Steps] = field(default_factory=dict)
    _addresses: dict[tuple[str, int, str, int], str] = field(default_factory=dict)

    def members(self, path: Steps) -> Iterator[tuple[str, int | None]]:
        """The names that stand at a path, with their numbers in a range. Names that are taken are left out."""
        key = str(path[-1])
        try:
            listed = ranges.members(key)
        except ValueError as error:
            wrong, _, remedy = str(error).partition("; ")
            self.notes.add(path, wrong, remedy, at_key=True)
            return
        for name, number in listed:
            folded = name.casefold()
            if folded in self._names:
                other = self._names[folded]
                wrong = f"`{name}` stands in {self.file_of(other)} already, in {other[1]} as `{other[3]}`"
                remedy = "a workstation stands in one office once; rename or delete one"
                self.notes.add(path, wrong, remedy, at_key=True, topic="twice")
                continue
            if len(self._names) >= MOST_WORKSTATIONS:
                wrong = f"the inventory has more than {MOST_WORKSTATIONS:,} workstations"
                self.notes.add(path, wrong, "split it in several inventories", at_key=True)
                return
            self._names[folded] = path
            yield name, number

    def address_template(
        self, path: Steps, workstation: Workstation, levels: Levels, *, guided: bool
    ) -> Template | None:
        """The address as the file gives it; None when there is none, and noted when there has to be one."""
        if workstation.address is None:
            if not guided:
                remedy = "add address:, or connection: {transport: none} when a person does it"
                needs = ((*path, "address"), *levels.needs("connection"), *levels.needs("layout"))
                self.notes.add(path, "has no address", remedy, at_key=True, needs=needs)
            return None
        try:
            return templates.read(workstation.address)
        except TemplateError as error:
            self.notes.add((*path, "address"), error.wrong, error.remedy)
            return None

    def address(
        self, path: Steps, template: Template, values: Mapping[str, str], number: int | None, levels: Levels
    ) -> str | None:
        """The address of one workstation. ``number`` is its number in a range, the variable ``index``."""
        here = (*path, "address")
        known = {name: value for name, value in values.items() if name != "workstation"} if template.names else {}
        if number is not None:
            known["index"] = str(number)
        try:
            address = template.fill(known)
        except TemplateError as error:
            self.notes.add(here, error.wrong, error.remedy, needs=levels.needs("vars"))
            return None
        if not is_host(address):
            remedy = "write a name like nancy-01.example.org or an IP address"
            self.notes.add(here, f"`{address}` is no address of a workstation", remedy, topic="address")
        return address

    def claim_address(self, path: Steps, name: str, address: str | None, connection: Connection) -> None:
        """Take an address, port and jump host for one workstation, and note when another has them."""
        if address is None or isinstance(connection, GuidedConnection):
            return
        jump = connection.jump if isinstance(connection, SshConnection) else None
        through = (jump.address.casefold(), jump.port) if jump else ("", 0)
        other = self._addresses.setdefault((_canonical(address), connection.port, *through), name)
        if other != name:
            wrong = f"`{name}` has the address and port of `{other}`"
            remedy = "give each workstation its own address, with {{ index }} in a range"
            self.notes.add((*path, "address"), wrong, remedy, topic="same address")


def _canonical(address: str) -> str:
    folded = address.casefold().removesuffix(".")
    try:
        return str(ipaddress.ip_address(folded)) if ":" in folded else folded
    except ValueError:  # it was noted that this is no address
        return folded
