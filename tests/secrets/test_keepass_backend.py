"""Real KeePass files: fields, references between entries, and files that do not open."""

import shutil
from pathlib import Path
from typing import Any

import pykeepass
import pytest
from keepass_files import keepass_file, put
from keepers import KEEPASS_PASSWORD

from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import EnvBackend, KeepassBackend
from iea_fleet.secrets import Secrets


@pytest.fixture
def coffre(tmp_path: Path, empty_coffre: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("IEA_TEST_COFFRE", KEEPASS_PASSWORD)
    shutil.copyfile(empty_coffre, tmp_path / "coffre.kdbx")
    return pykeepass.PyKeePass(str(tmp_path / "coffre.kdbx"), KEEPASS_PASSWORD)


def of(folder: Path, **more: str) -> Secrets:
    declared = KeepassBackend(kind="keepass", **{"file": "coffre.kdbx", "password": "env:IEA_TEST_COFFRE", **more})
    return Secrets({"coffre": declared, "env": EnvBackend(kind="env", names=("IEA_TEST_COFFRE",))}, folder)


def refused(secrets: Secrets, reference: str) -> SecretError:
    with pytest.raises(SecretError) as raised:
        secrets.get(reference)
    assert "CANARY" not in str(raised.value)
    assert raised.value.__cause__ is None
    return raised.value


def test_fields_of_an_entry(coffre: Any, tmp_path: Path) -> None:
    entry = put(coffre, "Groupe/Entrée", "CANARY-1")
    entry.username, entry.notes = "dupont", "CANARY-2"
    entry.set_custom_property("code", "CANARY-3", protect=True)
    coffre.save()
    secrets = of(tmp_path)
    assert secrets.get("coffre:Groupe/Entrée").get_secret_value() == "CANARY-1"
    assert secrets.get("coffre:Groupe/Entrée#Password").get_secret_value() == "CANARY-1"
    assert secrets.get("coffre:Groupe/Entrée#UserName").get_secret_value() == "dupont"
    assert secrets.get("coffre:Groupe/Entrée#Notes").get_secret_value() == "CANARY-2"
    assert secrets.get("coffre:Groupe/Entrée#code").get_secret_value() == "CANARY-3"
    error = refused(secrets, "coffre:Groupe/Entrée#Code")
    assert error.code == "secret_no_field"
    assert error.hint == "its fields: Title, UserName, Password, URL, Notes, code"
    assert refused(secrets, "coffre:Groupe/Entrée#URL").code == "secret_empty"


def test_groups_are_followed_by_name(coffre: Any, tmp_path: Path) -> None:
    put(coffre, "A/B/x", "one")
    put(coffre, "B/x", "two")
    put(coffre, "x", "three")
    secrets = of(tmp_path)
    assert secrets.get("coffre:A/B/x").get_secret_value() == "one"
    assert secrets.get("coffre:B/x").get_secret_value() == "two"
    assert secrets.get("coffre:x").get_secret_value() == "three"
    assert refused(secrets, "coffre:A/x").code == "secret_missing"
    assert secrets.exists("coffre:B/x")
    assert not secrets.exists("coffre:A/x")


def test_two_entries_of_one_title_are_ambiguous(coffre: Any, tmp_path: Path) -> None:
    group = coffre.add_group(coffre.root_group, "G")
    coffre.add_entry(group, "x", "a", "CANARY-1")
    coffre.add_entry(group, "x", "b", "CANARY-2")
    coffre.save()
    assert refused(of(tmp_path), "coffre:G/x").code == "secret_ambiguous"


def test_references_between_entries_are_followed(coffre: Any, tmp_path: Path) -> None:
    kept = put(coffre, "kept", "CANARY-1")
    put(coffre, "led", f"{{REF:P@I:{kept.uuid.hex.upper()}}}")
    put(coffre, "lost", "{REF:P@I:00000000000000000000000000000000}")
    put(coffre, "odd", "{ref:P@I:nonsense}")
    secrets = of(tmp_path)
    assert secrets.get("coffre:led").get_secret_value() == "CANARY-1"
    for name in ("lost", "odd"):
        error = refused(secrets, f"coffre:{name}")
        assert error.code == "secret_missing"
        assert "refers to another entry that is not there" in error.sentence


def test_a_wrong_password(coffre: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(coffre, "x", "CANARY-1")
    monkeypatch.setenv("IEA_TEST_COFFRE", "CANARY-wrong")
    assert refused(of(tmp_path), "coffre:x").code == "keepass_refused"
    monkeypatch.delenv("IEA_TEST_COFFRE")
    error = refused(of(tmp_path), "coffre:x")
    assert str(error) == "the environment variable IEA_TEST_COFFRE is not set; set it for this command"


def test_a_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IEA_TEST_COFFRE", KEEPASS_PASSWORD)
    key = tmp_path / "coffre.keyx"
    key.write_bytes(b"CANARY-key" * 7)
    put(keepass_file(tmp_path / "coffre.kdbx", KEEPASS_PASSWORD, key), "x", "CANARY-1")
    assert of(tmp_path, key_file="coffre.keyx").get("coffre:x").get_secret_value() == "CANARY-1"
    assert refused(of(tmp_path), "coffre:x").code == "keepass_refused"
    error = refused(of(tmp_path, key_file="gone.keyx"), "coffre:x")
    assert error.code == "keepass_missing"
    assert "the key file" in error.sentence


def test_files_that_are_none(coffre: Any, tmp_path: Path) -> None:
    put(coffre, "x", "CANARY-1")
    file = tmp_path / "coffre.kdbx"
    whole = file.read_bytes()
    for content in (b"", b"CANARY", whole[:4], whole[:100], whole[:300], whole[: len(whole) // 2], whole[:-1]):
        file.write_bytes(content)
        assert refused(of(tmp_path), "coffre:x").code == "keepass_damaged", len(content)
    for place in range(0, len(whole), 211):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :])
        assert refused(of(tmp_path), "coffre:x").code in ("keepass_damaged", "keepass_refused"), place
    file.unlink()
    assert refused(of(tmp_path), "coffre:x").code == "keepass_missing"
    file.mkdir()
    assert refused(of(tmp_path), "coffre:x").code == "keepass_unreadable"


def test_it_is_opened_once_a_run(coffre: Any, tmp_path: Path) -> None:
    put(coffre, "x", "CANARY-1")
    put(coffre, "y", "CANARY-2")
    secrets = of(tmp_path)
    secrets.get("coffre:x")
    (tmp_path / "coffre.kdbx").unlink()
    assert secrets.get("coffre:y").get_secret_value() == "CANARY-2"
