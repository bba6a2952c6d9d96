"""Selectors: which workstations a playbook or the command line means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from iea_fleet.core.faults import nearest
from iea_fleet.core.ranges import is_range, members
from iea_fleet.errors import UsageError
from iea_fleet.model.target import Target

_LABELS: dict[str, Callable[[Target], Iterable[str]]] = {
    "office": lambda target: (target.office,),
    "tag": lambda target: target.tags,
    "transport": lambda target: (target.connection.transport,),
    "identity": lambda target: [user.net_entreprises for user in target.users.values() if user.net_entreprises],
}
_FORMS = "write all, a name, nancy-*, nancy-[01:03], office:, tag:, transport: or identity: and a name"


def terms(selectors: str | Sequence[str]) -> list[str]:
    """The single selectors in a list, or in one comma-separated text as the command line has it."""
    texts = [selectors] if isinstance(selectors, str) else selectors
    return [term.strip() for text in texts for term in text.split(",")]


def matching(targets: Sequence[Target], term: str) -> set[str]:
    """The names of the workstations that one selector means, its ``!`` left aside.

    UsageError when it is no selector, or matches nothing: it then names the nearest name.
    """
    wanted = term.removeprefix("!").strip()
    if not wanted:
        raise UsageError("a selector is empty", _FORMS)
    if wanted == "all":
        return {target.name for target in targets}
    label, colon, value = wanted.partition(":")
    if colon and re.fullmatch(r"\w+", label):
        return _labelled(targets, label, value.strip())
    names = [target.name for target in targets]
    try:
        asked = {name for name, _ in members(wanted)} if is_range(wanted) else {wanted}
    except ValueError as error:
        wrong, _, remedy = str(error).partition("; ")
        raise UsageError(f"`{wanted}` {wrong}", remedy) from None
    found = asked.intersection(names)
    if not found and not is_range(wanted) and any(sign in wanted for sign in "*?["):
        found = {name for name in names if fnmatchcase(name, wanted)}
    if not found:
        raise UsageError(f"`{wanted}` matches no workstation", nearest(wanted, names, "workstations"))
    return found


def _labelled(targets: Sequence[Target], label: str, value: str) -> set[str]:
    if label not in _LABELS:
        raise UsageError(f"`{label}:` is no kind of selector", nearest(label, _LABELS))
    read = _LABELS[label]
    found = {target.name for target in targets if value in read(target)}
    if not found:
        known = dict.fromkeys(name for target in targets for name in read(target))
        raise UsageError(f"`{label}:{value}` matches no workstation", nearest(value, known))
    return found


def select(targets: Sequence[Target], selectors: str | Sequence[str]) -> list[Target]:
    """The selected workstations, in the order of the inventory.

    A list is a union; ``!`` in front excludes, and excludes alone mean all but these. UsageError for a selector that
    matches nothing, and when nothing is left.
    """
    listed = terms(selectors)
    included: set[str] = set()
    excluded: set[str] = set()
    for term in listed:
        (excluded if term.startswith("!") else included).update(matching(targets, term))
    if all(term.startswith("!") for term in listed):
        included = {target.name for target in targets}
    chosen = [target for target in targets if target.name in included and target.name not in excluded]
    if not chosen:
        raise UsageError("the selectors leave no workstation", "take an excluding one (!) away")
    return chosen
