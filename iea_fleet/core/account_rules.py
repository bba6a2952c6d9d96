"""What has to hold between identities, the users of an office, its layouts and the service that tests accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from iea_fleet.core.credential_rules import field_faults, service_fault, service_warning, siret_warning
from iea_fleet.core.faults import Notes, Steps, nearest
from iea_fleet.core.joining import Inventory
from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import format_named
from iea_fleet.model.inventory import ABSENT_ACCOUNT, Identity, Office
from iea_fleet.model.layout import Layout, NetEntreprisesFile
from iea_fleet.model.target import Target
from iea_fleet.resources.accounts import ADMINISTRATOR

CONTROLLER = "controller"
"""Stands where a workstation would: accounts are tested from the machine that runs iea-fleet."""

_REMEDY = "write it as the portal shows it; it is sent as it stands"


def check_accounts(inventory: Inventory, targets: Sequence[Target], notes: Notes) -> None:
    """Note what is wrong with identities, and with the users that are to have them; warn of what is odd."""
    environment = inventory.net_entreprises_service.environment
    for name, identity in inventory.identities.items():
        path = ("identities", name)
        for field, wrong in field_faults(identity):
            notes.add((*path, field), wrong, _REMEDY)
        if mixed_up := service_fault(identity.service, environment):
            needs = (("net_entreprises_service", "environment"),)
            notes.add((*path, "service"), *mixed_up, needs=needs)
        for field, odd in (("siret", siret_warning(identity.siret)), ("service", service_warning(identity.service))):
            if odd is not None:
                notes.warn((*path, field), odd, "compare it with the portal")
    _check_one_password(inventory, notes)
    layouts = _layouts(targets)
    sizes = Counter(target.office for target in targets)
    for name, office in inventory.offices.items():
        if any(user.net_entreprises is not None for user in office.users.values()):
            _check_office(("offices", name), office, sizes[name], layouts.get(name, ()), notes)
    for layout, name in _kept_by(layouts, inventory):
        _check_characters(name, inventory.identities[name], layout, notes)
    _check_test_from(inventory, targets, notes)


def _check_one_password(inventory: Inventory, notes: Notes) -> None:
    """Two names of one account are the same account to Net-Entreprises, which locks it after a few wrong passwords."""
    first: dict[tuple[str, str, str], str] = {}
    for name, identity in inventory.identities.items():
        account = (identity.siret, identity.nom.casefold(), identity.prenom.casefold())
        other = first.setdefault(account, name)
        if inventory.identities[other].password != identity.password:
            wrong = f"is the account of `{other}` with another password"
            remedy = "an account has one: name the same secret in both, or keep one of them"
            notes.add(("identities", name, "password"), wrong, remedy, needs=(("identities", other, "password"),))


def _layouts(targets: Iterable[Target]) -> Mapping[str, Sequence[Layout]]:
    """The layouts by which accounts are kept on the workstations of each office, each once."""
    by_office: dict[str, dict[int, Layout]] = {}
    for target in targets:
        if not target.guided and target.layout is not None and target.layout.net_entreprises is not None:
            by_office.setdefault(target.office, {})[id(target.layout)] = target.layout
    return {office: list(found.values()) for office, found in by_office.items()}


def _given(office: Office) -> dict[str, str]:
    """The identities of an office's users, by user; without those whose account is removed."""
    wanted = {name: user.net_entreprises for name, user in office.users.items()}
    return {name: identity for name, identity in wanted.items() if identity not in (None, ABSENT_ACCOUNT)}


def _kept_by(layouts: Mapping[str, Sequence[Layout]], inventory: Inventory) -> Iterable[tuple[Layout, str]]:
    """Each layout with each identity that it has to hold in some office, once: looking at one takes its time."""
    return {
        (id(layout), name): (layout, name)
        for office, of_office in layouts.items()
        for layout in of_office
        for name in _given(inventory.offices[office]).values()
        if name in inventory.identities
    }.values()


def _check_office(path: Steps, office: Office, size: int, layouts: Iterable[Layout], notes: Notes) -> None:
    given = _given(office)
    if office.installation == "standalone":
        _check_monoposte(path, list(given), [user for user, one in office.users.items() if one.net_entreprises], notes)
    for layout in layouts:
        assert layout.net_entreprises is not None
        shared = office.installation == "network" and layout.net_entreprises.scope == "office"
        if shared and size > 1 and office.server is None:
            wrong = f"has no `server`, and the layout {layout.name} keeps the accounts once for the installation"
            remedy = "add server: and the workstation that holds them"
            notes.add(path, wrong, remedy, at_key=True, needs=((*path, "server"),))
        if sealing := _asks_iea_password(layout):
            for user in (user for user in given if office.users[user].iea_password is None):
                wrong = f"has no `iea_password`, and the action `{sealing}` of the layout {layout.name} asks for it"
                remedy = "add where that secret is, like iea_password: age:iea/dupont"
                needs = ((*path, "users", user, "iea_password"),)
                notes.add((*path, "users", user), wrong, remedy, at_key=True, needs=needs)


def _check_monoposte(path: Steps, users: list[str], all_users: list[str], notes: Notes) -> None:
    """A monoposte has one account that counts: « Administrateur », or the only one when that does not exist."""
    if ADMINISTRATOR in all_users and len(all_users) > 1:
        other = next(user for user in all_users if user != ADMINISTRATOR)
        wrong = f"on a monoposte {ADMINISTRATOR} also means the only account there is, which may be this one"
        remedy = f"keep {ADMINISTRATOR} alone, or write installation: network and each account by its name"
        notes.add((*path, "users", other), wrong, remedy, at_key=True, needs=((*path, "installation"),))
    if len(users) > 1 and ADMINISTRATOR not in users:
        wrong = f"a monoposte deposits with one account, and these are {len(users)}: {', '.join(users)}"
        remedy = f"keep one of them, or write {ADMINISTRATOR}, which also means the only account there is"
        needs = ((*path, "users", ADMINISTRATOR), (*path, "installation"))
        notes.add((*path, "users"), wrong, remedy, at_key=True, needs=needs)


def _asks_iea_password(layout: Layout) -> str | None:
    """The action that seals the password of an account with the user's own IEA password, if there is one."""
    assert layout.net_entreprises is not None
    action = layout.net_entreprises.keys.password.seal
    return action if action is not None and "iea_password" in layout.actions[action].stdin else None


def _check_characters(name: str, identity: Identity, layout: Layout, notes: Notes) -> None:
    file = layout.net_entreprises
    assert file is not None
    for field in ("nom", "prenom"):
        if not _holds(file, getattr(file.keys, field).key, getattr(identity, field)):
            wrong = f"has characters that the file of the layout {layout.name} cannot hold"
            remedy = f"is its encoding {file.encoding} right? the name has to be kept as the portal shows it"
            notes.add(("identities", name, field), wrong, remedy, topic="characters")


def _holds(file: NetEntreprisesFile, key: str, text: str) -> bool:
    """Whether a value can be written, as far as the layout says what the file is like."""
    if file.encoding is None:
        return True
    try:
        start = (file.new or "").encode(file.encoding)
        format_named(file.format).patch(start, {key: text}, file.encoding)
    except SettingsFormatError as error:
        return error.code != "cannot_hold"
    except (UnicodeError, LookupError):  # of `new` itself; that shows where a file is made of it
        return True
    return True


def _check_test_from(inventory: Inventory, targets: Sequence[Target], notes: Notes) -> None:
    name = inventory.net_entreprises_service.test_from
    if name == CONTROLLER:
        return
    path = ("net_entreprises_service", "test_from")
    found = next((target for target in targets if target.name == name), None)
    if found is None:
        names = [target.name for target in targets]
        needs = (("offices",), *(("offices", office, "workstations") for office in inventory.offices))
        remedy = nearest(name, [CONTROLLER, *names], "controller or a workstation")
        notes.add(path, f"there is no workstation `{name}`", remedy, needs=needs)
    # A faulty connection is taken for one that a person makes, and that fault is noted already.
    elif found.connection.transport != "ssh" and not notes.found:
        transport = found.connection.transport
        wrong = f"`{name}` has the transport {transport}, and accounts are tested through a connection of ssh"
        notes.add(path, wrong, "name a workstation with the transport ssh, or write controller")
