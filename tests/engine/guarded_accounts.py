"""Accounts of one made-up inventory, asked through a portal of the test's own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portals import Portal

from iea_fleet.engine.accounts import Accounts
from iea_fleet.history import History
from iea_fleet.model.inventory import EnvBackend, Identity, NetEntreprisesService
from iea_fleet.secrets import Secrets

SIRET = "78334512700014"
_numbers = itertools.count(1)


def identity(variable: str, **changes: str) -> Identity:
    """An identity whose password stands in this variable of the environment."""
    fields = {"siret": SIRET, "nom": "LEFÈVRE", "prenom": "Hélène", "service": "97", "password": f"env:{variable}"}
    return Identity.model_validate({**fields, **changes})


def accounts_of(
    history: History,
    portal: Portal,
    passwords: Mapping[str, str],
    identities: Mapping[str, Identity],
    **rest: Any,
) -> Accounts:
    """A run of its own. ``passwords`` maps variables to their values; they are read when they are first needed."""
    os.environ.update(passwords)
    described = {"environment": "test", "ca_file": portal.ca_file, "proxy": portal.proxy}
    return Accounts(
        history,
        Secrets({"env": EnvBackend(kind="env", names=tuple(passwords))}, Path()),
        identities,
        NetEntreprisesService.model_validate({**described, **rest.pop("service", {})}),
        f"run-{os.getpid()}-{next(_numbers)}",
        **rest,
    )
