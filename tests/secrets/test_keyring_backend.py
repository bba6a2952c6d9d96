"""Keyrings of the package keyring: a file of keyrings.alt, none at all, and one that is locked."""

from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend as KeyringOfADesktop
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import InitError, KeyringLocked

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import KeyringBackend
from iea_fleet.secrets import Secrets


class Closed(KeyringOfADesktop):
    """A desktop's keyring whose owner does not open it."""

    error: Exception = KeyringLocked("CANARY")

    def get_password(self, *_names: str) -> str | None:
        raise self.error

    set_password = delete_password = get_password


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def refused(set_one: KeyringOfADesktop) -> SecretError:
    keyring.set_keyring(set_one)
    secrets = Secrets({"ring": KeyringBackend(kind="keyring")}, Path())
    with pytest.raises(SecretError) as raised:
        secrets.get("ring:ligue-54")
    with pytest.raises(SecretError) as untold:
        secrets.exists("ring:ligue-54")
    assert untold.value.code == raised.value.code
    assert "CANARY" not in str(raised.value)
    return raised.value


def test_a_machine_without_a_keyring() -> None:
    error = refused(NoKeyring())
    assert error.code == "keyring_missing"
    assert str(error) == (
        "there is no keyring on this machine; a desktop session has one; elsewhere keep secrets in age files"
    )


def test_a_locked_keyring() -> None:
    error = refused(Closed())
    assert error.code == "keyring_locked"
    assert str(error) == "the keyring is locked; unlock it, then try again"


@pytest.mark.parametrize("raised", [InitError("CANARY"), OSError("CANARY"), ValueError("CANARY")])
def test_a_keyring_that_fails(raised: Exception) -> None:
    failing = Closed()
    failing.error = raised
    assert refused(failing).code == "keyring_failed"
