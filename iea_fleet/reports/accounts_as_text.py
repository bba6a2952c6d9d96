"""Identities and what is known of their accounts, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from iea_fleet.model.account import Answered, KnownIdentity
from iea_fleet.reports.indented import Indented
from iea_fleet.reports.safe import printable
from iea_fleet.reports.wording import ago, workstations

_STYLES = {Answered.ACCEPTED: "green", Answered.UNAVAILABLE: "cyan"}


def accounts_text(identities: Sequence[KnownIdentity], now: dt.datetime) -> RenderableType:
    """A paragraph for each identity: its account, who uses it, the last verdict and its age."""
    lines = [line for one in identities for line in _lines(one, now)]
    plural = "y" if len(identities) == 1 else "ies"
    return Group(*lines, Text(f"{len(identities)} identit{plural}", style="bold"))


def _lines(one: KnownIdentity, now: dt.datetime) -> Iterator[RenderableType]:
    account = one.account
    who = f"{account.siret} {account.nom} {account.prenom}, service {account.service}, {account.environment}"
    yield Indented(Text.assemble((printable(one.name), "bold"), f"  {printable(who)}"))
    used = f"{', '.join(map(printable, one.users)) or 'used by nobody'}"
    yield Indented(Text(f"{used}; {workstations(len(one.workstations))}", style="dim"), 2)
    if one.trouble:
        yield Indented(Text(f"not tested: {printable(one.trouble)}", style="red"), 2)
    if one.verdict is None:
        if not one.trouble:
            yield Indented(Text("never tested", style="cyan"), 2)
        return
    verdict = one.verdict
    word = verdict.answered.value.replace("_", " ")
    when = "asked now" if verdict.fresh else ago(verdict.at, now)
    other = ", with another password than that of today" if one.outdated else ""
    style = _STYLES.get(verdict.answered, "red")
    yield Indented(Text.assemble((word, style), f", {when}{other}: {printable(verdict.reason)}"), 2)
