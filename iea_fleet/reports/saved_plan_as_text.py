"""A saved plan as a reviewer wants it: where it comes from, then each change once, then the exceptions."""

from __future__ import annotations

import datetime as dt

from rich.console import Group, RenderableType
from rich.text import Text

from iea_fleet.model.saved_plan import SavedPlan
from iea_fleet.reports.facts import facts_text
from iea_fleet.reports.plan_as_text import plan_text
from iea_fleet.reports.wording import moment


def saved_plan_text(saved: SavedPlan, *, signed: bool, zone: dt.tzinfo | None = None) -> RenderableType:
    """The plan in words. ``signed``: its signature holds. ``zone`` is that of the times; None is this machine's."""
    signature = "holds" if signed else "of another history: whether this was edited cannot be told here"
    facts = {
        "plan of": saved.plan.inventory,
        "playbook": saved.playbook,
        "limit": ", ".join(saved.limit),
        "made": f"{moment(saved.plan.created_at, zone)} by {saved.user} on {saved.host}",
        "run": saved.run,
        "commit": saved.commit or "",
        "signature": signature,
    }
    return Group(*facts_text(facts, saved.files), Text(""), plan_text(saved.plan, saved.offices, zone=zone))
