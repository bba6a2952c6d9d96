"""A plan for the person who is about to say yes: the same change once, then who needs it, then the exceptions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from iea_fleet.model.matrix import Cell, Difference, Status
from iea_fleet.model.plan import Change, Plan, TargetPlan
from iea_fleet.model.request import ABSENT
from iea_fleet.model.target import ServerConnection, Target
from iea_fleet.reports.fiche import fiche
from iea_fleet.reports.folding import folded
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import (
    LOOKS,
    change,
    changes,
    found,
    heading,
    last_right_value,
    marked,
    moment,
    wanted,
    workstations,
)

_IN_THE_GROUPS: Final = frozenset({Status.DRIFTED, Status.PENDING})
_WELL: Final = frozenset({Status.IN_SYNC, Status.CHANGED})

_Likeness = tuple[tuple[str, bool, bool, tuple[tuple[str, ...], ...]], ...]
"""What makes the changes of two workstations the same: all but when they were last right."""


def plan_text(
    plan: Plan,
    offices: Mapping[str, str],
    guided: Iterable[Target] = (),
    *,
    zone: dt.tzinfo | None = None,
) -> RenderableType:
    """The plan in words. ``offices`` maps an office to its title; ``guided`` are the targets that get a fiche.

    ``zone`` is that of the times; None is this machine's.
    """
    by_hand = {target.name: target for target in guided}
    return Group(
        *_groups([target for target in plan.targets if target.changes], zone),
        *_exceptions([target for target in plan.targets if target.workstation not in by_hand]),
        *_nothing_to_do([target for target in plan.targets if target.workstation not in by_hand]),
        *_fiches(by_hand.values(), offices),
        Text(_total(plan, len(by_hand)), style="bold"),
    )


def _groups(targets: Sequence[TargetPlan], zone: dt.tzinfo | None) -> Iterator[RenderableType]:
    groups: dict[_Likeness, list[TargetPlan]] = {}
    for target in targets:
        groups.setdefault(_likeness(target), []).append(target)
    for alike in sorted(groups.values(), key=len, reverse=True):
        yield Text(f"{workstations(len(alike))}:", style="bold")
        for one in alike[0].changes:
            yield from _change(one, _drifted(alike[0], one), [_same_change(target, one) for target in alike], zone)
        yield Indented(Text(folded(target.workstation for target in alike), style="cyan"), 2)
        yield Text("")


def _likeness(target: TargetPlan) -> _Likeness:
    return tuple(
        (
            one.address,
            _drifted(target, one),
            _makes_file(one),
            # repr tells True from 1, which are equal.
            tuple(
                (d.setting, found(d), wanted(d))
                if d.secret
                else (d.setting, repr(d.before), repr(d.after), d.note, repr(d.last_right))
                for d in one.differences
            ),
        )
        for one in target.changes
    )


def _change(one: Change, drifted: bool, alike: Sequence[Change], zone: dt.tzinfo | None) -> Iterator[RenderableType]:
    status = Status.DRIFTED if drifted else Status.PENDING
    line = Text.assemble((marked(status), LOOKS[status].style), f" {heading(one.address)}")
    if _makes_file(one):
        line.append(" (the file is not there yet and is made)")
    yield Indented(line, 2)
    if not drifted:
        yield from (Indented(Text(said), 6) for said in changes(one.differences))
        return
    for place, difference in enumerate(one.differences):
        yield Indented(Text(change(difference)), 6)
        if said := (_last_right([other.differences[place] for other in alike], zone)):
            yield Indented(Text(said, style="dim"), 8)


def _last_right(alike: Sequence[Difference], zone: dt.tzinfo | None) -> str:
    """When the same setting of several workstations was last right."""
    times = [difference.last_right_at for difference in alike if difference.last_right_at]
    if not times:
        return ""
    first, last = moment(min(times), zone), moment(max(times), zone)
    when = f"was right until {last}" if first == last else f"was last right between {first} and {last}"
    return when + last_right_value(alike[0])


def _exceptions(targets: Sequence[TargetPlan]) -> Iterator[RenderableType]:
    """What is neither a change nor well: who, and why. The same reason once."""
    reasons: dict[tuple[Status, str], list[str]] = {}
    for target in targets:
        said: dict[tuple[Status, str], list[Cell]] = {}
        for cell in target.cells:
            if cell.status not in _IN_THE_GROUPS | _WELL:
                said.setdefault((cell.status, printable(cell.reason)), []).append(cell)
        for (status, reason), cells in said.items():
            whole = len(cells) == len(target.cells)
            of = "" if whole else ", ".join(heading(cell.address) for cell in cells)
            words = ": ".join(part for part in (of, reason) if part)
            reasons.setdefault((status, words), []).append(target.workstation)
    for (status, words), names in sorted(reasons.items(), key=lambda item: (item[0][0].badness, item[0][1])):
        line = Text.assemble((marked(status), LOOKS[status].style), ": ", (folded(names), "cyan"))
        yield Indented(line)
        if words:
            yield Indented(Text(words), 4)
    if reasons:
        yield Text("")


def _nothing_to_do(targets: Sequence[TargetPlan]) -> Iterator[RenderableType]:
    names = [
        target.workstation
        for target in targets
        if not target.changes and all(cell.status in _WELL for cell in target.cells)
    ]
    if names:
        yield Indented(Text.assemble(f"Nothing to do on {workstations(len(names))}: ", (folded(names), "cyan")))
        yield Text("")


def _fiches(guided: Iterable[Target], offices: Mapping[str, str]) -> Iterator[RenderableType]:
    """One fiche for all workstations of an office that are to be set alike."""
    alike: dict[tuple[str, ServerConnection], list[str]] = {}
    unset: list[str] = []
    for target in guided:
        if target.server_connection is not None and target.server_connection.wanted():
            alike.setdefault((target.office, target.server_connection), []).append(target.name)
        else:
            unset.append(target.name)
    for (office, settings), names in alike.items():
        said = f"A person at the window sets {workstations(len(names))}: "
        yield Indented(Text.assemble(said, (folded(names), "cyan"), "; the fiche:"))
        yield Text("")
        yield Indented(Text(fiche(", ".join(names), offices.get(office) or office, settings)), 4)
    if unset:
        said = f"No connection to {workstations(len(unset))}, and no connection settings to hand on: "
        yield Indented(Text.assemble(said, (folded(unset), "cyan")))
        yield Text("")


def _total(plan: Plan, by_hand: int) -> str:
    changed = sum(1 for target in plan.targets if target.changes)
    parts = [f"{workstations(len(plan.targets))}: {changed} to change"]
    if by_hand:
        parts.append(f"{by_hand} by a person at the window")
    return ", ".join(parts)


def _drifted(target: TargetPlan, one: Change) -> bool:
    return any(cell.address == one.address and cell.status is Status.DRIFTED for cell in target.cells)


def _makes_file(one: Change) -> bool:
    return any(edit.expected == ABSENT for edit in one.edits)


def _same_change(target: TargetPlan, one: Change) -> Change:
    return next(other for other in target.changes if other.address == one.address)
