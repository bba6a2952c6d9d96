"""Whether a workstation still is what a reviewed plan was made from, and what moved where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from iea_fleet.model.matrix import Cell, Difference, Status
from iea_fleet.model.plan import Hidden, TargetPlan
from iea_fleet.reports.safe import whole
from iea_fleet.reports.wording import change

ALREADY_DONE: Final = "already_done"
"""The reason code of a resource that the plan was to change, and that is right without it."""


def held_against(reviewed: TargetPlan, fresh: TargetPlan) -> tuple[Cell, ...] | None:
    """The cells of a workstation that is not as it was planned for; None when the reviewed plan may be carried out.

    ``fresh`` is what has just been planned from what is there now. Only equal changes from equal files are the plan
    that was reviewed.
    """
    if dict(reviewed.read) == dict(fresh.read) and _essence(reviewed) == _essence(fresh):
        return None
    reason, reason_code = _why(reviewed, fresh)
    wanted = {one.address for one in fresh.changes}
    planned = {one.address for one in reviewed.changes}
    cells = []
    for cell in fresh.cells:
        if cell.address in wanted:
            cells.append(replace(cell, status=Status.STALE, reason=reason, reason_code=reason_code))
        elif cell.address in planned and cell.status is Status.IN_SYNC:
            done = "already as the plan asks; nothing was written"
            cells.append(replace(cell, reason=done, reason_code=ALREADY_DONE))
        else:
            cells.append(cell)
    return tuple(cells)


def _why(reviewed: TargetPlan, fresh: TargetPlan) -> tuple[str, str]:
    if _secrets(reviewed) != _secrets(fresh) and dict(reviewed.read) == dict(fresh.read):
        return "a secret of the files was changed after the plan was made; nothing was written, plan again", (
            "secret_changed"
        )
    if dict(reviewed.read) == dict(fresh.read):
        return "the plan did not have these changes; nothing was written, plan again", "planned_otherwise"
    moved = "; ".join(change(difference) for difference in _moved(reviewed, fresh))
    if not moved:
        files = sorted({*reviewed.read.items()} ^ {*fresh.read.items()})
        moved = f"other lines of {', '.join(dict.fromkeys(path for path, _ in files))}"
    return f"the settings changed after the plan was made; nothing was written, plan again (moved: {moved})", (
        "moved_since_plan"
    )


def _secrets(plan: TargetPlan) -> dict[tuple[str, str], object]:
    """The marks of the secrets that are to be written, by address and setting."""
    return {
        (change.address, one.setting): one.after for change in plan.changes for one in change.differences if one.secret
    }


def _moved(reviewed: TargetPlan, fresh: TargetPlan) -> Iterator[Difference]:
    """The settings that are not what the plan saw: what it saw, and what is there now."""
    before = {cell.address: cell for cell in reviewed.cells}
    for now in fresh.cells:
        then = before.get(now.address)
        if then is None or not (_was_read(then) and _was_read(now)):
            continue
        saw = {difference.setting: difference for difference in then.differences}
        found = {difference.setting: difference for difference in now.differences}
        for setting in {**saw, **found}:
            # A setting without a difference was, or is, what the files ask for.
            was = saw[setting].before if setting in saw else found[setting].after
            is_now = found[setting].before if setting in found else saw[setting].after
            if _exact(was) != _exact(is_now):
                secret = (saw.get(setting) or found[setting]).secret
                yield Difference(setting, was, is_now, secret=secret)


def _was_read(cell: Cell) -> bool:
    return bool(cell.differences) or cell.status is Status.IN_SYNC


def _essence(plan: TargetPlan) -> list[object]:
    """What is done: neither when a setting was last right, nor how it is worded."""
    return [
        (
            one.address,
            [
                (difference.setting, _exact(difference.before), _exact(difference.after))
                for difference in one.differences
            ],
            [
                (
                    edit.path,
                    edit.format,
                    edit.encoding,
                    [(key, _exact(value)) for key, value in sorted(edit.values.items())],
                    # Of a file with a secret the plan has the mark of its digest, among what was read.
                    "" if edit.secret else edit.expected,
                    edit.new,
                    edit.private,
                    edit.secret,
                )
                for edit in one.edits
            ],
        )
        for one in plan.changes
    ]


def _exact(value: object) -> str:
    """A value of a setting by which True is not 1, as a plan file can hold it."""
    if isinstance(value, Hidden):
        return repr(value)
    assert value is None or isinstance(value, str | bool | int | float)
    return repr(whole(value))
