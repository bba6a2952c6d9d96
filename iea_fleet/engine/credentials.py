"""What a push of credentials needs beside the workstation: the secrets, and whether Net-Entreprises accepts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from iea_fleet.core.planner import Reading
from iea_fleet.model.account import AccountVerdict
from iea_fleet.model.inventory import ABSENT_ACCOUNT
from iea_fleet.model.matrix import Cell, Status
from iea_fleet.model.plan import TargetPlan
from iea_fleet.model.run import Memory
from iea_fleet.model.target import Target
from iea_fleet.resources import Knowledge, Unobserved, kind_of
from iea_fleet.resources.net_entreprises import KIND, SEALED, user_of
from iea_fleet.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Credentials:
    """What every push of a run shares.

    ``refusal`` says why the password of an identity must not be pushed, None when it may be: the first one who asks
    has the account tested, unless accounts are not ``tested``. ``open_elsewhere`` says why the one copy that an
    installation has must not be written.
    """

    secrets: Secrets
    refusal: Callable[[str], AccountVerdict | None]
    open_elsewhere: Callable[[Target], Unobserved | None]
    tested: bool = True


def changes_accounts(plan: TargetPlan) -> bool:
    """Whether accounts are to be written."""
    return any(kind_of(change.address) == KIND for change in plan.changes)


def without_refused(plan: TargetPlan, target: Target, credentials: Credentials) -> TargetPlan:
    """The plan without the accounts that Net-Entreprises does not accept; their cells say why."""
    refused = {}
    for change in plan.changes:
        identity = target.users[user_of(change.address)].net_entreprises if kind_of(change.address) == KIND else None
        if identity is not None and identity != ABSENT_ACCOUNT and (verdict := credentials.refusal(identity)):
            refused[change.address] = verdict
    if not refused:
        return plan
    cells = tuple(_refused(cell, refused[cell.address]) if cell.address in refused else cell for cell in plan.cells)
    return replace(plan, cells=cells, changes=tuple(change for change in plan.changes if change.address not in refused))


def used_by(targets: Iterable[Target]) -> tuple[str, ...]:
    """The identities that these workstations are to have, each once."""
    named = (
        target.users[user_of(address)].net_entreprises
        for target in targets
        for address in target.resources
        if kind_of(address) == KIND
    )
    return tuple(dict.fromkeys(name for name in named if name is not None and name != ABSENT_ACCOUNT))


def after_sealing(reading: Reading, sealed: Mapping[str, str]) -> Knowledge:
    """What is known once the sealed texts (by address) were written: of a sealed value nothing else can be told."""
    knowledge = reading.knowledge
    written = {}
    for address, text in sealed.items():
        wanted = reading.wanted[address]
        assert not isinstance(wanted, Unobserved)
        written[address] = Memory({**wanted, SEALED: knowledge.marks.of(text)}, reading.at)
    return replace(knowledge, memories={**knowledge.memories, **written})


def _refused(cell: Cell, verdict: AccountVerdict) -> Cell:
    reason = f"not pushed, the old credentials stay: {verdict.reason}"
    return replace(cell, status=Status.SKIPPED, reason=reason, reason_code=verdict.reason_code)
