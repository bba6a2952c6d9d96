"""Which IEA accounts an installation has, by the files that a layout keeps for each of them.

Source: the fiches of a monoposte take the account « Administrateur », or the only one when it does not exist.
"""

from __future__ import annotations

from iea_fleet.model.matrix import Status
from iea_fleet.model.request import Answer, FolderListing
from iea_fleet.model.target import Target
from iea_fleet.resources import Unobserved

ADMINISTRATOR = "Administrateur"


def on(target: Target, listed: Answer) -> tuple[str, ...]:
    """The accounts in a listing of the folder of accounts; none when there is no folder."""
    if not isinstance(listed, FolderListing) or target.user_files is None:
        return ()
    named = (target.user_files.user_of(name) for name in listed.names)
    return tuple(name for name in named if name is not None)


def is_the_only_one(target: Target, user: str) -> bool:
    """Whether a user of the inventory means whichever account a monoposte has."""
    return target.installation == "standalone" and user == ADMINISTRATOR


def only_one(target: Target, listed: Answer) -> str | Unobserved:
    """The account of a monoposte: « Administrateur », or the only one when that one does not exist."""
    found = on(target, listed)
    named = [name for name in found if folded(target, name) == folded(target, ADMINISTRATOR)]
    if named or not found:
        return named[0] if named else ADMINISTRATOR
    if len(found) == 1:
        return found[0]
    shown = ", ".join(f"« {name} »" for name in found)
    return Unobserved(
        Status.FAILED,
        f"this monoposte has several accounts ({shown}) and none is « {ADMINISTRATOR} »; "
        "name the right one under users",
        "account_unclear",
    )


def folded(target: Target, name: str) -> str:
    """A name in the form by which the workstation's files tell two apart."""
    return name.casefold() if target.windows else name
