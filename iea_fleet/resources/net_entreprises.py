"""The tab « Net Entreprise » of one IEA user: the account by which DSN files are deposited.

Source: the fiche of 3 July 2019. The values have to be identical to those of the portal, case and special characters
included; the same account may serve several users, and is typed for each of them.

    users:
      dupont: {net_entreprises: ligue-54}
      parti: {net_entreprises: absent}
"""

from __future__ import annotations

from collections.abc import Mapping

from iea_fleet.model.inventory import ABSENT_ACCOUNT
from iea_fleet.model.layout import Key, NetEntreprisesFile, Scalar
from iea_fleet.model.matrix import Cell, Difference, Status
from iea_fleet.model.plan import Edit, Hidden
from iea_fleet.model.request import ABSENT, Absent, Answer, Failed, FolderListing, ListFolder, ReadFile, Request
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target
from iea_fleet.resources import Answers, Knowledge, Marks, Observed, Unobserved, accounts
from iea_fleet.resources.settings_file import edit_file, observe_file

KIND = "net_entreprises"
PASSWORD = "password"  # noqa: S105 - the name of a setting
SEALED = "password.sealed"
"""What is remembered beside a sealed password: the mark of the text that stood in the file when it was right."""
_NOT_IN_LAYOUT = Unobserved(
    Status.WAITING,
    "the layout does not say where IEA keeps these accounts; a person types this one (Administrer > Comptes "
    "utilisateurs > « Net Entreprise »)",
    "not_in_layout",
)
_FIELDS = ("siret", "nom", "prenom", PASSWORD, "service")


def reads(target: Target, address: str, known: Mapping[Request, Answer]) -> tuple[ReadFile | ListFolder, ...]:
    """The user's file, and the folder that shows which accounts there are."""
    if address not in target.files:
        return ()
    folder = _folder(target)
    path = _path(target, address, known.get(folder) if folder else None)
    files = (ReadFile(path),) if isinstance(path, str) else ()
    return (*files, folder) if folder else files


def observe(target: Target, address: str, answers: Answers, knowledge: Knowledge) -> Observed | Unobserved:
    """The account of this user, its password as a mark.

    A sealed password is seen as the one last pushed while the sealed text is the one written then.
    """
    if address not in target.files:
        return _NOT_IN_LAYOUT
    folder = _folder(target)
    path = _path(target, address, answers(folder) if folder else None)
    if isinstance(path, Unobserved):
        return path
    answer = answers(ReadFile(path))
    if isinstance(answer, Absent) and _identity(target, address) is None:
        return Observed({}, {path: ABSENT})
    file, keys = _file(target)
    found = observe_file(file, keys, path, answer)
    if isinstance(found, Unobserved) or found.values.get(PASSWORD) is None:
        return found
    mark = knowledge.marks.of(str(found.values[PASSWORD]))
    if keys[PASSWORD].seal is None:
        return Observed({**found.values, PASSWORD: mark}, found.read)
    pushed = _pushed(knowledge.memories.get(address), mark)
    return Observed({**found.values, PASSWORD: pushed}, found.read, {SEALED: mark})


def wanted(target: Target, address: str, marks: Marks) -> Mapping[str, Scalar] | Unobserved:
    """The fields of the identity, the password as its mark; none of them for a user who left."""
    name = _identity(target, address)
    if name is None:
        return dict.fromkeys(_FIELDS)
    mark = marks.password(name)
    if isinstance(mark, Unobserved):
        return mark
    identity = target.identities[name]
    return {
        "siret": identity.siret,
        "nom": identity.nom,
        "prenom": identity.prenom,
        PASSWORD: mark,
        "service": identity.service,
    }


def same(setting: str, one: Scalar, other: Scalar) -> bool:  # noqa: ARG001 - the same for all kinds
    """Whether two values are the same, letter by letter."""
    return one == other and type(one) is type(other)


def is_secret(setting: str) -> bool:
    """The password is."""
    return setting == PASSWORD


def note(setting: str, observed: Mapping[str, Scalar], wanted: Mapping[str, Scalar]) -> str:
    """Which of the usual typing errors a difference is, by the fiche: blanks and upper case."""
    found, want = observed.get(setting), wanted.get(setting)
    if setting == PASSWORD or not isinstance(found, str) or not isinstance(want, str):
        return ""
    if found.strip() == want:
        return "a blank at its beginning or end"
    if found.split() == want.split():
        return "blanks differ"
    return "upper and lower case differ" if found.casefold() == want.casefold() else ""


def edits(target: Target, address: str, observed: Observed, differences: tuple[Difference, ...]) -> tuple[Edit, ...]:
    """One edit of the user's file; the password is only named in it."""
    file, keys = _file(target)
    name = _identity(target, address)
    values: dict[str, Scalar | Hidden] = {difference.setting: difference.after for difference in differences}
    if PASSWORD in values and name is not None:
        values[PASSWORD] = Hidden(name, user_of(address), keys[PASSWORD].seal)
    (path,) = observed.read
    return (edit_file(file, keys, path, observed, values, secret=True),)


def besides(target: Target, answers: Answers) -> tuple[Cell, ...]:
    """The accounts of this installation that the inventory does not know; nothing of them for some users alone."""
    given = {f"{KIND}.{name}" for name, user in target.users.items() if user.net_entreprises is not None}
    if not given.issubset(target.resources):
        return ()
    folder = _folder(target)
    listed = answers(folder) if folder else None
    if not isinstance(listed, FolderListing):
        return ()
    known = {accounts.folded(target, name) for name in (*target.users, *_stands_in(target, listed))}
    strangers = [name for name in accounts.on(target, listed) if accounts.folded(target, name) not in known]
    return tuple(Cell(f"{KIND}.{name}", Status.WARN, _unknown(name), "account_unknown") for name in strangers)


def _unknown(name: str) -> str:
    remedy = "write it under users (absent takes its credentials away), or remove it in IEA"
    return f"the inventory does not know the IEA account « {name} »; {remedy}"


def user_of(address: str) -> str:
    """The IEA user in an address.

    >>> user_of("net_entreprises.dupont")
    'dupont'
    """
    return address.removeprefix(f"{KIND}.")


def _identity(target: Target, address: str) -> str | None:
    """The identity that a user is to have; None when it is to have none any more."""
    name = target.users[user_of(address)].net_entreprises
    return None if name == ABSENT_ACCOUNT else name


def _path(target: Target, address: str, listed: Answer | None) -> str | Unobserved:
    """The file of a user. ``listed`` is what was answered about the folder of accounts; None when it was not asked."""
    user = user_of(address)
    if not accounts.is_the_only_one(target, user) or listed is None or target.user_files is None:
        return target.files[address]
    if isinstance(listed, Failed):
        return Unobserved(
            Status.UNKNOWN, f"which accounts there are cannot be told: {listed.reason}", "accounts_unread"
        )
    name = accounts.only_one(target, listed)
    return name if isinstance(name, Unobserved) else target.user_files.path(name)


def _stands_in(target: Target, listed: FolderListing) -> tuple[str, ...]:
    """The account that stands in for « Administrateur » on a monoposte."""
    if not any(accounts.is_the_only_one(target, user) for user in target.users):
        return ()
    name = accounts.only_one(target, listed)
    return (name,) if isinstance(name, str) else ()


def _folder(target: Target) -> ListFolder | None:
    return ListFolder(target.user_files.folder) if target.user_files else None


def _file(target: Target) -> tuple[NetEntreprisesFile, dict[str, Key]]:
    assert target.layout is not None
    assert target.layout.net_entreprises is not None
    file = target.layout.net_entreprises
    return file, {field: getattr(file.keys, field) for field in _FIELDS}


def _pushed(memory: Memory | None, sealed: str) -> Scalar:
    """The mark of the password in a sealed text, if it is the one that we last pushed; else a value like no other."""
    if memory is not None and memory.values.get(SEALED) == sealed:
        return memory.values.get(PASSWORD)
    return f"sealed:{sealed}"
