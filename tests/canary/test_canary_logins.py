"""Secrets that open a key and log in at a jump host: from every back-end, failing at each stage, said nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from bastion import Bastion
from canaries import Watched, leaks
from kept_secrets import BACKENDS, MASTER, in_vault
from labs import RunningLab
from login_secrets import PASSWORD, PHRASE, inventory_of, locked
from openbao import ROOT_TOKEN

SECRETS = (PHRASE, PASSWORD, MASTER, ROOT_TOKEN)


def nowhere(watched: Watched, lab: RunningLab) -> None:
    assert leaks(watched.places(lab.directory), *SECRETS) == []


@pytest.mark.parametrize("backend", [*BACKENDS, "vault"])
def test_a_secret_of_every_back_end_logs_in_and_is_said_nowhere(
    backend: str,
    watched: Watched,
    kept: Path,
    lab: RunningLab,
    bastion: Bastion,
    request: pytest.FixtureRequest,
) -> None:
    values = {"phrase": PHRASE, "password": PASSWORD}
    filled = backend != "vault" and BACKENDS[backend](kept, values)
    secrets = filled or in_vault(request.getfixturevalue("vault"), values)
    watched.environment |= secrets.environment
    path = inventory_of(
        lab,
        secrets,
        key_file=str(locked(lab, watched.home)),
        key_passphrase="phrase",
        password="password",
        jump={"address": "127.0.0.1", "port": bastion.port, "user": "passerelle", "host_keys": [bastion.host_key]},
    )
    assert watched.run("validate", path).exit_code == 0, watched.said
    apply = watched.run("apply", path, "--yes", "--debug", "--format", "json")
    assert apply.exit_code == 0, apply
    assert set(bastion.seen) == {PASSWORD}
    watched.run("plan", path, "--debug", "-o", "plan.json")
    nowhere(watched, lab)
