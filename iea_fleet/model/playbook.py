"""What a user writes in a playbook: which resources and probes, for which workstations, how carefully."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from iea_fleet.model.part import Name, Part, Switch, Text, Texts, Whole

ResourceKind = Literal["server_connection", "net_entreprises", "assistance_mode", "software", "transfer"]
ProbeName = Literal["servers", "state", "version"]
_SHARE = re.compile(r"(\d{1,3})%")


def _is_share(value: Any) -> Any:  # noqa: ANN401 - what YAML holds
    if isinstance(value, str):
        found = _SHARE.fullmatch(value)
        if not found or int(found[1]) > 100:
            raise ValueError("is no share; write a number of workstations or a percentage, like 10 or 10%")
    return value


Share = Annotated[Annotated[Whole, Field(ge=0)] | Text, AfterValidator(_is_share)]
"""A number of workstations, or a percentage of the selected ones."""


def _no_empty_list(value: Any) -> Any:  # noqa: ANN401 - what YAML holds
    if isinstance(value, list) and not value:
        raise ValueError("is empty; leave the key out to say everything")
    return value


class Rollout(Part):
    """Waves are cumulative shares of the selected workstations, rounded up; the budgets stop a rollout."""

    waves: Annotated[tuple[Share, ...], Field(min_length=1)] = (1, "10%", "100%")
    max_failed: Share = "5%"
    max_offline: Share | None = None


class Playbook(Part):
    """Which resources, identities and probes, for which workstations, in which waves.

    Without a playbook: everything declared, the probes servers, state and version, none required.
    """

    version: Literal[1] = 1
    name: Text = "everything declared"
    select: Texts = ("all",)
    resources: Annotated[tuple[ResourceKind, ...], BeforeValidator(_no_empty_list)] | None = None
    identities: Annotated[tuple[Name, ...], BeforeValidator(_no_empty_list)] | None = None
    probes: tuple[ProbeName, ...] = ("servers", "state", "version")
    required: tuple[ProbeName, ...] = ()
    test_first: Switch = True
    rollout: Rollout = Rollout()
