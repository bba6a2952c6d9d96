"""A passphrase and a password by reference work, and their values are in nothing that is printed or kept."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import CommandLine, Ran
from lab_files import inventory, playbook
from labs import RunningLab

PASSPHRASE = "Loué-à-Nancy 54 kilomètres"
PASSWORD = "Mot-de-passe-du-poste 0815"
WRONG = "Encore-une-autre-phrase 99"


def locked_key(office: RunningLab, cli: CommandLine) -> Path:
    """An encrypted copy of the lab's client key."""
    key = cli.home / "id_locked"
    shutil.copyfile(office.directory / "id_ed25519", key)
    key.chmod(0o600)
    command = ["ssh-keygen", "-p", "-q", "-P", "", "-N", PASSPHRASE, "-f", key]
    subprocess.run(command, check=True, capture_output=True)
    return key


def with_secrets(office: RunningLab, cli: CommandLine, *connection: str) -> Path:
    """The inventory with these lines in place of the key file."""
    lines = "".join(f"    {line}\n" for line in connection)
    return inventory(
        office,
        "secrets",
        (f"    key_file: {office.directory / 'id_ed25519'}\n", lines),
        ("defaults:\n", "secrets: {env: {kind: env, names: [PHRASE, MOT]}}\ndefaults:\n"),
    )


def forms(secret: str) -> set[bytes]:
    """How a secret could look where it does not belong."""
    plain = secret.encode()
    return {
        plain,
        secret.encode("latin-1"),
        secret.encode("utf-16-le"),
        base64.b64encode(plain).rstrip(b"="),
        ascii(secret).strip("'").encode(),
        repr(plain)[2:-1].encode(),
    }


def nowhere(office: RunningLab, cli: CommandLine, *ran: Ran) -> None:
    """None of the secrets is in what was printed, kept, or logged by the lab."""
    kept = [path for root in (cli.home, office.directory) for path in root.rglob("*") if path.is_file()]
    assert cli.state / "history.sqlite" in kept
    texts = [(str(path), path.read_bytes()) for path in kept]
    texts += [
        (f"{place} of command {number}", said.encode())
        for number, one in enumerate(ran)
        for place, said in (("stdout", one.out), ("stderr", one.err))
    ]
    for where, text in texts:
        for secret in (PASSPHRASE, PASSWORD, WRONG):
            assert not any(form in text for form in forms(secret)), where


def given(cli: CommandLine, **variables: str) -> CommandLine:
    return CommandLine(cli.home, variables)


def test_a_passphrase_by_reference_opens_the_key(cli: CommandLine, office: RunningLab) -> None:
    path = with_secrets(office, cli, f"key_file: {locked_key(office, cli)}", "key_passphrase: env:PHRASE")
    with_phrase = given(cli, PHRASE=PASSPHRASE)
    assert with_phrase.run("validate", path).exit_code == 0
    apply = with_phrase.run("apply", path, "--yes", "--debug")
    assert apply.exit_code == 0, apply
    shown = with_phrase.run("show", "last", "--format", "json")
    nowhere(office, cli, apply, shown)


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"PHRASE": WRONG}, "passphrase_wrong", "correct the secret that key_passphrase refers to"),
        ({}, "secret_missing", "the environment variable PHRASE is not set"),
    ],
)
def test_a_wrong_or_missing_passphrase(
    cli: CommandLine, office: RunningLab, variables: dict[str, str], code: str, words: str
) -> None:
    path = with_secrets(office, cli, f"key_file: {locked_key(office, cli)}", "key_passphrase: env:PHRASE")
    whatever = playbook(office, "whatever-fails", max_failed="100%")
    ran = given(cli, **variables).run("apply", path, whatever, "--yes", "--debug", "--format", "json")
    assert ran.exit_code == 1
    for row in ran.workstations.values():
        assert (row["status"], row["reason_code"]) == ("failed", code)
        assert words in row["reason"]
    nowhere(office, cli, ran)


def test_an_encrypted_key_without_a_reference(cli: CommandLine, office: RunningLab) -> None:
    path = with_secrets(office, cli, f"key_file: {locked_key(office, cli)}")
    ran = cli.run("drift", path, "--format", "json")
    assert {row["reason_code"] for row in ran.workstations.values()} == {"passphrase_missing"}


def test_a_password_that_is_refused_is_not_told(cli: CommandLine, office: RunningLab) -> None:
    """The lab lets in by key alone, as the error says; the password goes nowhere else."""
    path = with_secrets(office, cli, "password: env:MOT")
    ran = given(cli, MOT=PASSWORD).run("drift", path, "--debug", "--format", "json")
    assert ran.exit_code == 1
    assert {row["reason_code"] for row in ran.workstations.values()} == {"password_not_accepted"}
    nowhere(office, cli, ran)


def test_a_secret_in_place_of_a_reference_is_not_shown(cli: CommandLine, office: RunningLab) -> None:
    path = with_secrets(office, cli, f"password: {PASSWORD}")
    ran = cli.run("drift", path)
    assert (ran.exit_code, ran.out) == (2, "")
    assert str(path) in ran.err
    assert PASSWORD not in ran.err
