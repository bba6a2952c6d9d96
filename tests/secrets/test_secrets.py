"""Secrets from real age files and a real environment; no value in any error."""

import os
import threading
from pathlib import Path

import pyrage
import pytest

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import AgeBackend, EnvBackend
from iea_fleet.secrets import Secrets
from iea_fleet.secrets.age_identity import IDENTITY_VARIABLE, identity_path

VALUE = "hunter2 é\n"


@pytest.fixture
def secrets(tmp_path: Path, identity: pyrage.x25519.Identity) -> Secrets:
    (tmp_path / "secrets/net").mkdir(parents=True)
    keep(tmp_path, "net/ligue", VALUE.encode(), identity)
    age = AgeBackend(kind="age", recipients=(str(identity.to_public()),))
    return Secrets({"age": age, "env": EnvBackend(kind="env", names=("IEA_TEST", "IEA_OTHER"))}, tmp_path)


def keep(folder: Path, name: str, value: bytes, identity: pyrage.x25519.Identity, *, armored: bool = False) -> Path:
    file = folder / "secrets" / f"{name}.age"
    file.write_bytes(pyrage.encrypt(value, [identity.to_public()], armored=armored))
    return file


def refusal(secrets: Secrets, reference: str) -> str:
    with pytest.raises(SecretError) as raised:
        secrets.get(reference)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    return str(raised.value)


def test_age_values_come_as_they_were_encrypted(secrets: Secrets) -> None:
    assert secrets.exists("age:net/ligue")
    assert not secrets.exists("age:net/other")
    value = secrets.get("age:net/ligue")
    assert value.get_secret_value() == VALUE
    assert "hunter2" not in repr(value) + repr(secrets) + repr(vars(secrets))


def test_armored_files_are_read_too(secrets: Secrets, tmp_path: Path, identity: pyrage.x25519.Identity) -> None:
    keep(tmp_path, "armored", b"hunter2", identity, armored=True)
    assert secrets.get("age:armored").get_secret_value() == "hunter2"


def test_existence_needs_no_identity(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IDENTITY_VARIABLE, "/nowhere")
    assert secrets.exists("age:net/ligue")
    assert "who never had one: iea-fleet secrets INVENTORY init" in refusal(secrets, "age:net/ligue")


def test_each_value_is_read_once(secrets: Secrets, tmp_path: Path) -> None:
    secrets.get("age:net/ligue")
    refusal(secrets, "age:late")
    (tmp_path / "secrets/net/ligue.age").rename(tmp_path / "secrets/late.age")
    assert secrets.get("age:net/ligue").get_secret_value() == VALUE
    assert "is not there" in refusal(secrets, "age:late")


def test_many_threads_get_the_same(secrets: Secrets) -> None:
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(secrets.get("age:net/ligue"))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 32
    assert len({id(value) for value in found}) == 1


def test_files_that_do_not_open(secrets: Secrets, tmp_path: Path, identity: pyrage.x25519.Identity) -> None:
    whole = keep(tmp_path, "cut", b"hunter2", identity).read_bytes()
    folder = tmp_path / "secrets"
    (folder / "cut.age").write_bytes(whole[:-4])
    (folder / "head.age").write_bytes(whole[:60])
    (folder / "changed.age").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (folder / "foreign.age").write_bytes(b"hunter2")
    (folder / "none.age").write_bytes(b"")
    (folder / "huge.age").write_bytes(b"x" * 70_000)
    (folder / "folder.age").mkdir()
    keep(tmp_path, "other", b"hunter2", pyrage.x25519.Identity.generate())
    keep(tmp_path, "bytes", b"hunter2\xff", identity)
    keep(tmp_path, "empty", b"", identity)
    where = f"of {folder}"
    assert refusal(secrets, "age:cut") == f"the secret cut {where} is damaged or cut off; restore it from git"
    assert refusal(secrets, "age:head") == f"the secret head {where} is damaged or cut off; restore it from git"
    assert refusal(secrets, "age:changed") == f"the secret changed {where} is damaged or cut off; restore it from git"
    assert refusal(secrets, "age:foreign") == f"the secret foreign {where} is no age file; encrypt it again with age"
    assert refusal(secrets, "age:none") == f"the secret none {where} is no age file; encrypt it again with age"
    assert refusal(secrets, "age:huge") == f"the secret huge {where} is larger than 64 KB; is it the right file?"
    assert f"the secret folder {where} is no file; " in refusal(secrets, "age:folder")
    assert f"the secret gone {where} is not there; " in refusal(secrets, "age:gone")
    assert f"the secret other {where} is not encrypted to your identity; " in refusal(secrets, "age:other")
    assert refusal(secrets, "age:bytes") == f"the secret bytes {where} is no UTF-8 text; encrypt it again as UTF-8"
    assert refusal(secrets, "age:empty") == f"the secret empty {where} is empty; encrypt it again"
    assert refusal(secrets, "age:net/ligue#field").startswith("a secret in an age file has no fields; ")


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//b", "./a", "a\\b", "..", "a/"])
def test_paths_stay_in_the_folder(path: str, secrets: Secrets) -> None:
    assert refusal(secrets, f"age:{path}").startswith("a secret reference leads out of its folder; ")


def test_links_stay_in_the_folder_too(secrets: Secrets, tmp_path: Path, identity: pyrage.x25519.Identity) -> None:
    keep(tmp_path, "real", b"hunter2", identity).rename(tmp_path / "outside.age")
    (tmp_path / "secrets/link.age").symlink_to("../outside.age")
    (tmp_path / "secrets/inside.age").symlink_to("net/ligue.age")
    assert "is a link out of" in refusal(secrets, "age:link")
    assert secrets.get("age:inside").get_secret_value() == VALUE


def test_identities_that_are_not_taken(secrets: Secrets, tmp_path: Path) -> None:
    file = identity_path()

    def said() -> str:
        fresh = Secrets(secrets._declared, tmp_path)
        return refusal(fresh, "age:net/ligue")

    file.chmod(0o640)
    assert said() == f"the age identity {file} can be read by others; run: chmod 600 {file}"
    file.chmod(0o600)
    file.write_bytes(b"age-encryption.org/v1\n-> scrypt AAAA 18\n")
    assert f"the age identity {file} is protected by a passphrase, and there is no terminal" in said()
    for content in ("", "AGE-SECRET-KEY-1hunter2\n", "ssh-ed25519 AAAA\n"):
        file.write_text(content)
        assert said() == f"the age identity {file} holds no age identity; make one with age-keygen"


def test_the_identity_has_a_place_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(IDENTITY_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert identity_path() == tmp_path / "iea-fleet/age-identity.txt"


def test_only_listed_variables_are_read(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IEA_TEST", " hunter2 ")
    monkeypatch.setenv("IEA_SECRET", "hunter2")
    monkeypatch.setenv("IEA_OTHER", "")
    assert secrets.get("env:IEA_TEST").get_secret_value() == " hunter2 "
    assert secrets.exists("env:IEA_TEST")
    assert not secrets.exists("env:IEA_SECRET")
    assert refusal(secrets, "env:IEA_SECRET").startswith(
        "a secret reference names an environment variable that is not listed; "
    )
    assert refusal(secrets, "env:IEA_OTHER") == "the environment variable IEA_OTHER is empty; set it for this command"
    assert refusal(secrets, "env:IEA_TEST#x").startswith("an environment variable has no fields; ")
    fresh = Secrets(secrets._declared, Path())
    monkeypatch.delenv("IEA_TEST")
    assert refusal(fresh, "env:IEA_TEST") == "the environment variable IEA_TEST is not set; set it for this command"
    monkeypatch.setenv("IEA_TEST", os.fsdecode(b"hunter2\xff"))
    assert "is not UTF-8" in refusal(Secrets(secrets._declared, Path()), "env:IEA_TEST")


def test_back_ends_that_are_not_there() -> None:
    secrets = Secrets({"env": EnvBackend(kind="env", names=("A",))}, Path())
    assert refusal(secrets, "hunter2:x") == "a secret reference names a back-end that is not declared; declared: env"
