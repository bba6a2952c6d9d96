"""Secrets that open a key, log in at a jump host and are pushed as an account: from every back-end, said nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from bastion import Bastion
from canaries import Watched, leaks
from kept_secrets import BACKENDS, MASTER, in_vault
from labs import RunningLab
from login_secrets import ACCOUNT, PASSWORD, PHRASE, inventory_of, locked, registered
from openbao import ROOT_TOKEN

SECRETS = (PHRASE, PASSWORD, ACCOUNT, MASTER, ROOT_TOKEN)


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
    values = {"phrase": PHRASE, "password": PASSWORD, "account": ACCOUNT}
    filled = backend != "vault" and BACKENDS[backend](kept, values)
    secrets = filled or in_vault(request.getfixturevalue("vault"), values)
    watched.environment |= secrets.environment
    path = inventory_of(
        lab,
        secrets,
        "account",
        key_file=str(locked(lab, watched.home)),
        key_passphrase="phrase",
        password="password",
        jump={"address": "127.0.0.1", "port": bastion.port, "user": "passerelle", "host_keys": [bastion.host_key]},
    )
    registered(lab)
    apply = watched.run("apply", path, "--yes", "--debug", "--format", "json")
    assert apply.exit_code == 0, apply
    assert lab.account("nancy-01", "dupont")["password"] == ACCOUNT
    assert set(bastion.seen) == {PASSWORD}
    nowhere(watched, lab)
