"""Which age identity is read: the one that is named, the one beside the secrets, the operator's own."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import AgeBackend
from iea_fleet.secrets import Secrets
from iea_fleet.secrets.age_identity import IDENTITY_VARIABLE

PLACES = ("named", "beside", "own")


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """An identity at each place, each another one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv(IDENTITY_VARIABLE, str(tmp_path / "named.txt"))
    files = {
        "named": tmp_path / "named.txt",
        "beside": tmp_path / "lab/age-identity.txt",
        "own": tmp_path / "config/iea-fleet/age-identity.txt",
    }
    for file in files.values():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{pyrage.x25519.Identity.generate()}\n")
        file.chmod(0o600)
    return files


def secrets_for(identity: Path, folder: Path) -> Secrets:
    """One secret ``x`` below ``folder``, encrypted to an identity; meant from a folder that has none beside it."""
    recipient = pyrage.x25519.Identity.from_str(identity.read_text().strip()).to_public()
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    (folder / "secrets/x.age").write_bytes(pyrage.encrypt(b"value", [recipient]))
    declared = AgeBackend(kind="age", folder=str(folder / "secrets"), recipients=(str(recipient),))
    return Secrets({"age": declared}, folder.parent / "elsewhere")


@pytest.mark.parametrize("there", [PLACES, PLACES[1:], PLACES[2:]])
def test_the_nearest_that_is_there_is_read(
    keys: dict[str, Path], there: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "named" not in there:
        monkeypatch.delenv(IDENTITY_VARIABLE)
    for place in set(PLACES) - set(there):
        keys[place].unlink()
    folder = keys["beside"].parent
    assert secrets_for(keys[there[0]], folder).get("age:x").get_secret_value() == "value"
    for farther in there[1:]:
        with pytest.raises(SecretError, match="not encrypted to your identity"):
            secrets_for(keys[farther], folder).get("age:x")


def test_one_that_others_can_read_is_refused_and_not_passed_over(
    keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(IDENTITY_VARIABLE)
    keys["beside"].chmod(0o644)
    with pytest.raises(SecretError, match="can be read by others") as refused:
        secrets_for(keys["own"], keys["beside"].parent).get("age:x")
    assert refused.value.code == "identity_open"
