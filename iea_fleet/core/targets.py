"""From an inventory to targets: inheritance, ranges and templates resolved, and every rule between them checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from iea_fleet.core import settings_rules
from iea_fleet.core.account_rules import check_accounts
from iea_fleet.core.faults import Notes, Steps, nearest
from iea_fleet.core.inheritance import Layer, layer, merge, settle
from iea_fleet.core.joining import Inventory
from iea_fleet.core.layout_rules import USER_FILES, Paths
from iea_fleet.core.members import Register
from iea_fleet.core.reference_rules import check_references
from iea_fleet.core.settings_rules import Level, Levels, as_values, overrides
from iea_fleet.core.templates import TemplateError
from iea_fleet.model.inventory import Identity, Office, Settings, Workstation
from iea_fleet.model.layout import Layout
from iea_fleet.model.playbook import Playbook
from iea_fleet.model.target import (
    Connection,
    GuidedConnection,
    ServerConnection,
    Software,
    Target,
    UserFiles,
)

GUIDED_LAYOUT = "none"


@dataclass(frozen=True, slots=True)
class KnownLayout:
    """A layout that was read and is right, and its paths."""

    layout: Layout
    paths: Paths


@dataclass(frozen=True, slots=True)
class LayoutName:
    """A layout as one file names it: the same name means another file in another folder."""

    file: str
    name: str


Layouts = Mapping[LayoutName, KnownLayout]
"""The layouts that could be read. One that is not here was refused before, and is passed over."""


@dataclass(frozen=True, slots=True)
class Files:
    """The paths of one workstation's files, and where those of its users are."""

    paths: dict[str, str] = field(default_factory=dict)
    of_users: UserFiles | None = None


@dataclass(frozen=True, slots=True)
class Common:
    """What the workstations of an office that override nothing have in common."""

    levels: Levels
    connection: Connection
    known: KnownLayout | None
    server_connection: ServerConnection | None
    software: Software | None
    variables: Mapping[str, str]
    resources: tuple[str, ...]
    identities: Mapping[str, Identity] = field(default_factory=dict)
    files: Files | None = None
    """Paths on each of the workstations; None when they depend on its name."""


@dataclass(slots=True)
class _Resolver:
    inventory: Inventory
    layouts: Layouts
    playbook: Playbook
    notes: Notes
    targets: list[Target] = field(default_factory=list)
    register: Register = field(init=False)

    def __post_init__(self) -> None:
        self.register = Register(self.inventory.file_of, self.notes)

    def all(self) -> None:
        top = Level((), {"layout": self.inventory.layout})
        upper = (top, Level(("defaults",), self.inventory.defaults))
        above = merge(self._layer(top), self._layer(upper[1]))
        for name, office in self.inventory.offices.items():
            self._office(name, office, upper, above)

    def _office(self, name: str, office: Office, upper: tuple[Level, ...], above: Layer) -> None:
        level = Level(("offices", name), office)
        levels = Levels((*upper, level))
        merged = merge(above, self._layer(level))
        shared: dict[bool, Common] = {}
        first = len(self.targets)
        for key, workstation in office.workstations.items():
            reachable = workstation.address is not None
            if overrides(workstation):
                own = Level((*level.path, "workstations", key), workstation)
                below = merge(merged, self._layer(own))
                common = self._common(name, office, below, Levels((*levels.levels, own)), reachable=reachable)
            else:
                if reachable not in shared:
                    shared[reachable] = self._common(name, office, merged, levels, reachable=reachable)
                common = shared[reachable]
            self._members(name, office, key, workstation, common)
        self._server(name, office, first)

    def _layer(self, level: Level) -> Layer:
        """The layer of a level; the name of a layout carries along which file says it."""
        if isinstance(level.settings, Settings):
            said = level.settings.model_fields_set.intersection(Settings.model_fields)
            made = layer({key: getattr(level.settings, key) for key in said})
        else:
            made = layer(level.settings or {})
        if (name := made.entries.get("layout")) is None:
            return made
        owner = LayoutName(self.inventory.file_of(level.path or ("layout",)), name)
        return Layer({**made.entries, "layout": owner})

    def _common(self, office_name: str, office: Office, merged: Layer, levels: Levels, *, reachable: bool) -> Common:
        settled = settle(merged)
        named: LayoutName | None = settled.get("layout")
        if named is None:
            remedy = "name one, here or at the top, or write layout: none when a person does it"
            self.notes.add(levels.lowest, "has no layout", remedy, at_key=True, needs=levels.needs("layout"))
        by_hand = named is None or named.name == GUIDED_LAYOUT
        known = self.layouts.get(named) if named is not None else None
        asked = settled.get("connection", {})
        if by_hand and not reachable and asked.get("transport") != "none":
            asked = {"transport": "none"}  # what it inherits is for the others
        connection = settings_rules.connection(asked, levels, self.notes)
        layout = known.layout if known else None
        servers = settings_rules.server_connection(settled.get("server_connection", {}), layout, levels, self.notes)
        software = settings_rules.software(settled.get("software", {}), levels, self.notes)
        variables = {"office": office_name, **as_values(settled.get("vars", {}))}
        resources = self._resources(office, servers, software)
        used = {user.net_entreprises for user in office.users.values()}
        identities = {name: identity for name, identity in self.inventory.identities.items() if name in used}
        common = Common(levels, connection, known, servers, software, variables, resources, identities)
        if known is not None and "workstation" in known.paths.names:
            return common
        return replace(common, files=self._files(common, office, variables, levels.lowest))

    def _resources(
        self, office: Office, servers: ServerConnection | None, software: Software | None
    ) -> tuple[str, ...]:
        """The addresses of what the inventory declares and the playbook wants, transfers apart."""
        addresses = []
        if servers is not None and servers.wanted() and self._wants("server_connection"):
            addresses.append("server_connection")
        if self._wants("net_entreprises"):
            only = self.playbook.identities
            addresses += [
                f"net_entreprises.{name}"
                for name, user in office.users.items()
                if user.net_entreprises is not None and (only is None or user.net_entreprises in only)
            ]
        if software is not None and self._wants("software"):
            addresses.append("software")
        return tuple(addresses)

    def _wants(self, kind: str) -> bool:
        return self.playbook.resources is None or kind in self.playbook.resources

    def _files(self, common: Common, office: Office, values: Mapping[str, str], here: Steps) -> Files:
        """The paths on a workstation. What does not fit is noted at the variable that brings it in."""
        if common.known is None:
            return Files()
        paths, office_path = common.known.paths, common.levels.levels[2].path
        places = {"workstation": here, "office": office_path}
        files: dict[str, str] = {}
        try:
            files.update(paths.fill(values))
        except TemplateError as error:
            self._misfit(error, common, values, places)
        owners: dict[str, str] = {}
        for user in office.users if paths.users is not None else ():
            places["user"] = (*office_path, "users", user)
            try:
                path = paths.fill_user(user, values)
            except TemplateError as error:
                self._misfit(error, common, values, places)
                continue
            other = owners.setdefault(path.casefold(), user)
            if other != user:
                remedy = "name users apart by more than case, and write {{ user }} in the layout's path"
                self.notes.add(places["user"], f"has the same file as the user `{other}`", remedy, at_key=True)
            files[f"{USER_FILES}.{user}"] = path
        return Files(files, paths.user_files(values) if owners else None)

    def _misfit(
        self, error: TemplateError, common: Common, values: Mapping[str, str], places: Mapping[str, Steps]
    ) -> None:
        assert common.known is not None
        name, wrong, remedy = error.variable, error.wrong, error.remedy
        if name.startswith("vars.") and name not in values:
            wrong = f"the layout {common.known.layout.name} uses `{name}`, which has no value"
            remedy = f"add vars: {{{name.removeprefix('vars.')}: …}}"
        place = places.get(name) or common.levels.where(*name.split("."))
        self.notes.add(place, wrong, remedy, at_key=name in places, needs=common.levels.needs("vars"))

    def _members(self, office_name: str, office: Office, key: str, workstation: Workstation, common: Common) -> None:
        path = ("offices", office_name, "workstations", key)
        guided = isinstance(common.connection, GuidedConnection)
        self._host_keys(path, workstation, common)
        self._way_in(common)
        template = self.register.address_template(path, workstation, common.levels, guided=guided)
        for name, number in self.register.members(path):
            values = {**common.variables, "workstation": name, "name": name} if template or common.files is None else {}
            address = None
            if template is not None:
                address = self.register.address(path, template, values, number, common.levels)
                self.register.claim_address(path, name, address, common.connection)
            files = common.files
            if files is None:
                files = self._files(common, office, values, path)
            self.targets.append(
                Target(
                    name=name,
                    office=office_name,
                    installation=office.installation,
                    address=address,
                    connection=common.connection,
                    layout=common.known.layout if common.known else None,
                    files=files.paths,
                    user_files=files.of_users,
                    tags=workstation.tags,
                    host_keys=workstation.host_keys,
                    hold=workstation.hold,
                    server_connection=common.server_connection,
                    software=common.software,
                    users=office.users,
                    identities=common.identities,
                    transfers=office.transfers,
                    resources=common.resources,
                )
            )

    def _host_keys(self, path: Steps, workstation: Workstation, common: Common) -> None:
        if workstation.host_keys and common.connection.transport == "winrm":
            wrong = "are keys of ssh, and the transport is winrm"
            self.notes.add((*path, "host_keys"), wrong, "pin connection.certificate instead", at_key=True)

    def _way_in(self, common: Common) -> None:
        layout = common.known.layout if common.known else None
        if common.connection.transport == "winrm" and layout is not None and layout.os != "windows":
            place = common.levels.where("connection", "transport")
            wrong = f"winrm is the way in to Windows, and the layout {layout.name} is of os: {layout.os}"
            self.notes.add(place, wrong, "name a layout of os: windows, or connect by ssh")

    def _server(self, name: str, office: Office, first: int) -> None:
        """Check the office's server, and give it the office's transfers."""
        own = self.targets[first:]
        path = ("offices", name, "server")
        server = office.server or (own[0].name if own else None)
        index = next((first + place for place, target in enumerate(own) if target.name == server), None)
        if index is None:
            if office.server is not None:
                remedy = nearest(office.server, [target.name for target in own], "workstations of this office")
                needs = (("offices", name, "workstations"),)
                self.notes.add(path, f"`{office.server}` is no workstation of this office", remedy, needs=needs)
        else:
            for place in range(first, len(self.targets)):
                self.targets[place] = self._shared(self.targets[place], office, is_server=place == index)

    def _shared(self, target: Target, office: Office, *, is_server: bool) -> Target:
        """A target with what an installation has once, which stands on its office's server alone."""
        kept = target.layout.net_entreprises if target.layout else None
        addresses = target.resources
        # Each monoposte is an installation of its own.
        shared = office.installation == "network" and kept is not None and kept.scope == "office"
        if shared and not is_server:
            addresses = tuple(address for address in addresses if not address.startswith(f"{USER_FILES}."))
        if is_server and office.transfers and self._wants("transfer"):
            addresses = (*addresses, *(f"transfer.{name}" for name in office.transfers))
        return target if addresses == target.resources else replace(target, resources=addresses)


def resolve(inventory: Inventory, layouts: Layouts, playbook: Playbook, notes: Notes) -> list[Target]:
    """Every workstation with everything that applies to it, in the order of the inventory.

    What is wrong goes to ``notes``; the targets are of use only when nothing went there.
    """
    resolver = _Resolver(inventory, layouts, playbook, notes)
    resolver.all()
    check_references(inventory, notes)
    check_accounts(inventory, resolver.targets, notes)
    return resolver.targets
