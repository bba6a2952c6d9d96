"""Age files as they are written: to all recipients, whole or not at all, and never over what is not ours."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from iea_fleet.core.credential_rules import secret_fault
from iea_fleet.errors import SecretError
from iea_fleet.model.inventory import AgeBackend
from iea_fleet.secrets import Secrets
from iea_fleet.secrets.age import AgeFolder
from iea_fleet.secrets.age_identity import IDENTITY_VARIABLE, PASSPHRASE_VARIABLE, OperatorIdentity, make_identity

LEGAL = st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(lambda text: secret_fault(text) is None)


def folder_of(tmp_path: Path, *recipients: str) -> AgeFolder:
    declared = AgeBackend(kind="age", recipients=recipients)
    opened = Secrets({"age": declared}, tmp_path).backend("age")
    assert isinstance(opened, AgeFolder)
    return opened


@pytest.fixture
def folder(tmp_path: Path, identity: pyrage.x25519.Identity) -> AgeFolder:
    return folder_of(tmp_path, str(identity.to_public()))


def got(folder: AgeFolder, path: str) -> str:
    return folder.get(path, None).get_secret_value()


def refused(folder: AgeFolder, path: str, value: str = "CANARY") -> SecretError:
    with pytest.raises(SecretError) as raised:
        folder.put(path, SecretStr(value))
    assert "CANARY" not in str(raised.value)
    return raised.value


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=LEGAL)
def test_what_is_set_is_what_is_got(folder: AgeFolder, text: str) -> None:
    folder.put("net/ligue", SecretStr(text))
    assert got(folder, "net/ligue") == text


def test_files_are_the_owners_alone_and_nothing_else_is_left(folder: AgeFolder) -> None:
    folder.put("net/ligue", SecretStr("one"))
    folder.put("net/ligue", SecretStr("two"))
    made = sorted(path.relative_to(folder.folder).as_posix() for path in folder.folder.rglob("*"))
    assert made == ["net", "net/ligue.age"]
    assert (folder.folder / "net/ligue.age").stat().st_mode & 0o777 == 0o600
    assert (folder.folder / "net").stat().st_mode & 0o777 == 0o700
    assert list(folder.kept()) == ["net/ligue"]


def test_every_recipient_can_read_it(tmp_path: Path, identity: pyrage.x25519.Identity) -> None:
    other = pyrage.x25519.Identity.generate()
    keys = {}
    for kind in ("ed25519", "rsa"):
        keys[kind] = tmp_path / f"id_{kind}"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", keys[kind]], check=True)
    public = [key.with_suffix(".pub").read_text().strip() for key in keys.values()]
    folder = folder_of(tmp_path, str(identity.to_public()), str(other.to_public()), *public)
    folder.put("x", SecretStr("CANARY"))
    encrypted = (tmp_path / "secrets/x.age").read_bytes()
    assert b"CANARY" not in encrypted
    readers = [identity, other, *(pyrage.ssh.Identity.from_buffer(key.read_bytes()) for key in keys.values())]
    assert [pyrage.decrypt(encrypted, [reader]) for reader in readers] == [b"CANARY"] * 4


def test_an_ssh_key_can_be_the_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    monkeypatch.setenv(IDENTITY_VARIABLE, str(key))
    folder = folder_of(tmp_path, key.with_suffix(".pub").read_text().strip())
    folder.put("x", SecretStr("CANARY"))
    assert got(folder, "x") == "CANARY"
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "phrase", "-f", key], check=True)
    with pytest.raises(SecretError, match="is an SSH key with a passphrase") as raised:
        got(folder_of(tmp_path, *folder.recipients), "x")
    assert raised.value.code == "identity_encrypted"


@pytest.mark.parametrize("wrong", ["age1" + "q" * 58, "ssh-ed25519 AAAAC3Nz"])
def test_a_recipient_that_is_none_is_named_by_its_place(tmp_path: Path, folder: AgeFolder, wrong: str) -> None:
    folder.put("x", SecretStr("before"))
    error = refused(folder_of(tmp_path, *folder.recipients, wrong), "x")
    assert error.code == "recipient_wrong"
    assert error.sentence == "number 2 of `recipients` is no recipient of age"
    assert got(folder, "x") == "before"


def test_cut_off_at_every_byte(folder: AgeFolder) -> None:
    folder.put("x", SecretStr("CANARY"))
    file = folder.folder / "x.age"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(SecretError) as raised:
            folder.get("x", None)
        assert raised.value.code == ("secret_damaged" if length else "secret_foreign"), length
        with pytest.raises(SecretError):
            folder.rekey("x")
        assert file.read_bytes() == whole[:length]


def test_two_writers_at_once_leave_one_whole_value(tmp_path: Path, folder: AgeFolder) -> None:
    values = [letter * 4000 for letter in "abcd"]
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_often, args=(tmp_path, folder.recipients, value)) for value in values]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert got(folder, "net/ligue") in values
    assert [path.name for path in (folder.folder / "net").iterdir()] == ["ligue.age"]


def write_often(tmp_path: Path, recipients: tuple[str, ...], value: str) -> None:
    folder = folder_of(tmp_path, *recipients)
    for _ in range(10):
        folder.put("net/ligue", SecretStr(value))
        folder.rekey("net/ligue")


def test_a_writer_that_is_killed_loses_nothing(tmp_path: Path, folder: AgeFolder) -> None:
    folder.put("x", SecretStr("before"))
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from pydantic import SecretStr\n"
        "from iea_fleet.secrets import age_files\n"
        "from iea_fleet.secrets.age import AgeFolder\n"
        "from iea_fleet.secrets.age_identity import OperatorIdentity\n"
        "sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGKILL) if event == 'os.rename' else None)\n"
        "AgeFolder(Path(sys.argv[1]), (sys.argv[2],), OperatorIdentity()).put('x', SecretStr('after'))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, folder.folder, folder.recipients[0]], check=False)
    assert ran.returncode == -9
    assert got(folder, "x") == "before"
    assert list(folder.kept()) == ["x"]
    folder.put("x", SecretStr("after"))
    assert got(folder, "x") == "after"


def test_links_are_not_written_through(tmp_path: Path, folder: AgeFolder) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.put("real", SecretStr("before"))
    (folder.folder / "inside.age").symlink_to("real.age")
    (folder.folder / "away.age").symlink_to(outside / "x.age")
    (folder.folder / "behind").symlink_to(outside)
    (folder.folder / "deep").mkdir()
    (folder.folder / "deep/behind").symlink_to("../deep")
    for path in ("inside", "away", "behind/x", "deep/behind/x"):
        assert refused(folder, path).code == "secret_is_link", path
    for path in ("inside", "away"):
        with pytest.raises(SecretError) as raised:
            folder.rekey(path)
        assert raised.value.code == "secret_is_link"
    assert list(outside.iterdir()) == []
    assert got(folder, "real") == "before"


def test_a_file_that_is_no_age_file_is_not_overwritten(folder: AgeFolder) -> None:
    folder.folder.mkdir()
    (folder.folder / "x.age").write_text("CANARY: somebody's notes")
    assert refused(folder, "x").code == "secret_foreign"
    (folder.folder / "y.age").mkdir()
    assert refused(folder, "y").code == "secret_missing"
    assert (folder.folder / "x.age").read_text() == "CANARY: somebody's notes"


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/../x", "a\\b", "a\nb"])
def test_nothing_is_written_outside(folder: AgeFolder, tmp_path: Path, path: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert refused(folder, path).code == "secret_path"
    assert sorted(tmp_path.rglob("*")) == before


def test_what_the_disk_refuses_is_told(folder: AgeFolder) -> None:
    assert refused(folder, "x" * 300).code == "secret_not_written"
    assert not folder.exists("x" * 300)
    with pytest.raises(SecretError) as raised:
        folder.get("x" * 300, None)
    assert raised.value.code == "secret_unreadable"
    folder.put("file", SecretStr("before"))
    (folder.folder / "file.age").rename(folder.folder / "file")
    assert refused(folder, "file/x").code == "secret_not_written"
    (folder.folder / "file").unlink()
    folder.folder.rmdir()
    folder.folder.write_text("a file")
    assert refused(folder, "x").code == "secret_not_written"


def test_too_much_is_refused(folder: AgeFolder) -> None:
    assert refused(folder, "x", "CANARY" * 11_000).code == "secret_too_long"
    assert not folder.exists("x")


def test_rekeying_takes_readers_in_and_out(tmp_path: Path, identity: pyrage.x25519.Identity, folder: AgeFolder) -> None:
    other = pyrage.x25519.Identity.generate()
    both = folder_of(tmp_path, *folder.recipients, str(other.to_public()))
    both.put("x", SecretStr("CANARY"))
    file = folder.folder / "x.age"
    assert pyrage.decrypt(file.read_bytes(), [other]) == b"CANARY"
    folder.rekey("x")
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(file.read_bytes(), [other])
    assert got(folder, "x") == "CANARY"


def test_rekeying_keeps_bytes_and_armor(folder: AgeFolder, identity: pyrage.x25519.Identity) -> None:
    folder.folder.mkdir()
    file = folder.folder / "x.age"
    file.write_bytes(pyrage.encrypt(b"CANARY\xff\r\n", [identity.to_public()], armored=True))
    folder.rekey("x")
    assert file.read_bytes().startswith(b"-----BEGIN AGE ENCRYPTED FILE-----")
    assert pyrage.decrypt(file.read_bytes(), [identity]) == b"CANARY\xff\r\n"


def test_nobody_locks_himself_out(tmp_path: Path, folder: AgeFolder) -> None:
    folder.put("x", SecretStr("CANARY"))
    before = (folder.folder / "x.age").read_bytes()
    foreign = folder_of(tmp_path, str(pyrage.x25519.Identity.generate().to_public()))
    with pytest.raises(SecretError) as raised:
        foreign.rekey("x")
    assert raised.value.code == "secret_would_be_lost"
    assert (folder.folder / "x.age").read_bytes() == before


def test_an_identity_with_a_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own/identity.txt"
    monkeypatch.setenv(IDENTITY_VARIABLE, str(file))
    recipient = make_identity(file, SecretStr("CANARY-phrase"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"AGE-SECRET-KEY" not in file.read_bytes()
    with pytest.raises(SecretError, match="is there already"):
        make_identity(file, None)
    folder_of(tmp_path, recipient).put("x", SecretStr("CANARY"))

    with pytest.raises(SecretError) as raised:
        got(folder_of(tmp_path, recipient), "x")
    assert raised.value.code == "identity_encrypted"
    assert PASSPHRASE_VARIABLE in raised.value.hint

    monkeypatch.setenv(PASSPHRASE_VARIABLE, "CANARY-other")
    wrong = folder_of(tmp_path, recipient)
    for _ in range(20):  # the key derivation takes seconds: it is done once
        with pytest.raises(SecretError) as raised:
            got(wrong, "x")
    assert raised.value.code == "identity_passphrase_wrong"
    assert "CANARY" not in str(raised.value)

    monkeypatch.setenv(PASSPHRASE_VARIABLE, "CANARY-phrase")
    assert got(folder_of(tmp_path, recipient), "x") == "CANARY"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(SecretError) as raised:
        OperatorIdentity().keys()
    assert raised.value.code in ("identity_foreign", "identity_passphrase_wrong")
    assert capfd.readouterr() == ("", "")
