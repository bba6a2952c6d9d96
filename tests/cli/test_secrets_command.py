"""``iea-fleet secrets``: on a terminal, from a pipe, as JSON; no value ever comes out again."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import jsonschema
import pyrage
import pytest
from command_line import COMMAND, CommandLine, Ran

from iea_fleet.engine.schemas import documents

CANARY = "CANARY-mot-de-passe-54"
INVENTORY = """\
version: 1
name: Réseau
layout: none
secrets:
  age: {{kind: age, folder: secrets, recipients: [{recipients}]}}
  env: {{kind: env, names: [IEA_TEST_USED, IEA_TEST_UNUSED]}}
identities:
  ligue-54: {{siret: "73282932000074", nom: D, prenom: M, password: age:net-entreprises/ligue-54, service: "25"}}
  ligue-55: {{siret: "73282932000074", nom: E, prenom: M, password: age:net-entreprises/ligue-54, service: "25"}}
defaults:
  connection: {{transport: ssh, user: iea, password: env:IEA_TEST_USED}}
offices:
  nancy:
    users: {{dupont: {{net_entreprises: ligue-54, iea_password: age:iea/dupont}}}}
    workstations: {{nancy-01: {{address: nancy-01.example.org}}}}
"""


def write(cli: CommandLine, *recipients: str) -> Path:
    path = cli.home / "inventory.yml"
    path.write_text(INVENTORY.format(recipients=", ".join(recipients)))
    return path


@pytest.fixture
def inventory(cli: CommandLine) -> Path:
    """An inventory that encrypts to the identity that `init` made."""
    made = cli.run("secrets", cli.home / "inventory.yml", "init")
    assert made.exit_code == 0, made
    return write(cli, made.out.strip())


def identity(cli: CommandLine) -> Path:
    return cli.home / ".config/iea-fleet/age-identity.txt"


def decrypted(cli: CommandLine, path: str) -> str:
    key = next(line for line in identity(cli).read_text().splitlines() if not line.startswith("#"))
    encrypted = (cli.home / "secrets" / f"{path}.age").read_bytes()
    return pyrage.decrypt(encrypted, [pyrage.x25519.Identity.from_str(key)]).decode()


def stored(cli: CommandLine, inventory: Path, path: str, value: str = CANARY) -> Ran:
    ran = cli.run("secrets", inventory, "set", path, stdin=value + "\n")
    assert ran.exit_code == 0, ran
    return ran


def test_init_makes_what_is_missing_and_no_more(cli: CommandLine) -> None:
    path = cli.home / "inventory.yml"
    first = cli.run("secrets", path, "init")
    assert first.exit_code == 0
    file = identity(cli)
    assert file.stat().st_mode & 0o777 == 0o600
    assert (cli.home / "secrets").stat().st_mode & 0o777 == 0o700
    kept = file.read_bytes()
    assert f"recipients: [{first.out.strip()}]" in first.err
    assert "AGE-SECRET-KEY" not in first.out + first.err
    write(cli, first.out.strip())
    second = cli.run("secrets", path, "init")
    assert second.out == first.out
    assert "encrypts to you already" in second.err
    assert file.read_bytes() == kept
    third = CommandLine(cli.home, {"IEA_FLEET_AGE_PASSPHRASE": CANARY}).run("secrets", path, "init", "--passphrase")
    assert third.exit_code == 1
    assert "is there already; it is never overwritten" in third.err
    assert file.read_bytes() == kept


def test_init_finds_the_identity_beside_the_secrets(cli: CommandLine, inventory: Path) -> None:
    recipient = cli.run("secrets", inventory, "init").out
    identity(cli).rename(cli.home / "age-identity.txt")
    again = cli.run("secrets", inventory, "init")
    assert again.out == recipient
    assert f"your age identity is {cli.home}/age-identity.txt" in again.err
    assert not identity(cli).exists()


def test_init_with_a_passphrase(cli: CommandLine) -> None:
    locked = CommandLine(cli.home, {"IEA_FLEET_AGE_PASSPHRASE": CANARY})
    made = locked.run("secrets", cli.home / "inventory.yml", "init", "--passphrase")
    assert b"AGE-SECRET-KEY" not in identity(cli).read_bytes()
    path = write(cli, made.out.strip())
    stored(cli, path, "net-entreprises/ligue-54", "Un autre secret")
    unopened = cli.run("secrets", path, "check")
    assert "is protected by a passphrase, and there is no terminal to ask for it on" in unopened.out
    assert "ligue-54" not in locked.run("secrets", path, "check").out
    with cli.at_terminal("secrets", path, "check") as terminal:
        terminal.wait_for("Passphrase of")
        terminal.type(CANARY + "\n")
        terminal.end()
        assert "ligue-54" not in terminal.result
        assert CANARY not in terminal.screen + terminal.result


def test_a_visit_asks_for_the_passphrase_before_its_bar(cli: CommandLine) -> None:
    locked = CommandLine(cli.home, {"IEA_FLEET_AGE_PASSPHRASE": CANARY})
    path = write(cli, locked.run("secrets", cli.home / "inventory.yml", "init", "--passphrase").out.strip())
    with cli.at_terminal("drift", path) as terminal:
        terminal.wait_for("Passphrase of")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "0/1" not in terminal.screen
    with cli.at_terminal("drift", path) as terminal:
        terminal.wait_for("Passphrase of")
        terminal.type(CANARY + "\n")
        assert terminal.end() == 4
        assert terminal.screen.count("Passphrase of") == 1
        assert CANARY not in terminal.screen + terminal.result


def test_set_reads_stdin_whole_but_for_one_line_end(cli: CommandLine, inventory: Path) -> None:
    for given, kept in (("a é", "a é"), ("b\n", "b"), ("c\r\n", "c")):
        assert cli.run("secrets", inventory, "set", "x", stdin=given).exit_code == 0
        assert decrypted(cli, "x") == kept
    ran = stored(cli, inventory, "age:net-entreprises/ligue-54")
    assert ran.out == "age:net-entreprises/ligue-54: set, encrypted to 1 recipient\n"
    assert ran.err == ""
    assert decrypted(cli, "net-entreprises/ligue-54") == CANARY
    assert "nothing in the inventory refers to age:x yet" in stored(cli, inventory, "x").err


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f"{CANARY}\n\n", "a line end at place 23"),
        (f" {CANARY}\n", "a leading blank at place 1"),
        (f"{CANARY} \n", "a trailing blank at place 23"),
        (f"{CANARY}  54\n", "a doubled blank at place 24"),
        (f"{CANARY}\u00a054\n", "a no-break space (U+00A0) at place 23"),
        (f"{CANARY}\u200b54\n", "a zero width space (U+200B) at place 23"),
        (f"{CANARY}\t54\n", "a tab at place 23"),
        (f"{CANARY}{CANARY}\n", "44 characters, and Net-Entreprises takes 30 at most"),
        ("\n", "is empty"),
    ],
)
def test_set_names_what_nobody_means_to_type(cli: CommandLine, inventory: Path, value: str, words: str) -> None:
    stored(cli, inventory, "net-entreprises/ligue-54", "before")
    for more in ((), ("--debug",)):
        done = subprocess.run(
            [COMMAND, "secrets", inventory, "set",
             "net-entreprises/ligue-54", *more],
            env=cli.environment, input=value.encode(), capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert words in done.stderr.decode()
        assert CANARY not in (done.stdout + done.stderr).decode()
    assert decrypted(cli, "net-entreprises/ligue-54") == "before"


def test_a_long_secret_that_is_no_password_of_an_identity(cli: CommandLine, inventory: Path) -> None:
    stored(cli, inventory, "iea/dupont", CANARY * 3)
    assert decrypted(cli, "iea/dupont") == CANARY * 3


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("env:IEA_TEST_USED", 2, "secrets of `env` are not kept by iea-fleet"),
        ("coffre:x", 2, "no back-end `coffre` is declared; declared: age, env"),
        ("../x", 1, "leads out of its folder"),
        ("a#b", 2, "is no path of a secret"),
        (" x", 2, "is no path of a secret"),
        ("", 1, "leads out of its folder"),
    ],
)
def test_set_refuses_paths(cli: CommandLine, inventory: Path, path: str, code: int, words: str) -> None:
    ran = cli.run("secrets", inventory, "set", path, stdin=CANARY)
    assert (ran.exit_code, ran.out) == (code, "")
    assert words in ran.err


def test_set_wants_text_of_some_size(cli: CommandLine, inventory: Path) -> None:
    command = [COMMAND, "secrets", inventory, "set", "x"]
    for data, words in ((b"CANARY\xff", "is no UTF-8 text"), (b"CANARY" * 10_000, "more than 32 KB")):
        done = subprocess.run(command, env=cli.environment, input=data, capture_output=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr.decode()
        assert b"CANARY" not in done.stdout + done.stderr
    assert not (cli.home / "secrets/x.age").exists()


def test_set_asks_twice_without_echo(cli: CommandLine, inventory: Path) -> None:
    with cli.at_terminal("secrets", inventory, "set", "net-entreprises/ligue-54") as terminal:
        terminal.wait_for("Secret age:net-entreprises/ligue-54: ")
        terminal.type(CANARY + "\n")
        terminal.wait_for("once more: ")
        terminal.type(CANARY + "\n")
        assert terminal.end() == 0
        assert CANARY not in terminal.screen + terminal.result
    assert decrypted(cli, "net-entreprises/ligue-54") == CANARY
    with cli.at_terminal("secrets", inventory, "set", "net-entreprises/ligue-54") as terminal:
        terminal.wait_for("Secret ")
        terminal.type("CANARY-2\n")
        terminal.wait_for("once more: ")
        terminal.type("CANARY-3\n")
        assert terminal.end() == 2
        assert "the two are not the same" in terminal.screen
        assert "CANARY" not in terminal.screen + terminal.result
    assert decrypted(cli, "net-entreprises/ligue-54") == CANARY


def test_ctrl_c_at_the_question_changes_nothing(cli: CommandLine, inventory: Path) -> None:
    with cli.at_terminal("secrets", inventory, "set", "x") as terminal:
        terminal.wait_for("Secret ")
        terminal.type("CANARY\x03")
        assert terminal.end() == 130
        assert "CANARY" not in terminal.screen + terminal.result
    assert not (cli.home / "secrets/x.age").exists()


def test_two_at_once_leave_one_whole_value(cli: CommandLine, inventory: Path) -> None:
    values = [f"{letter * 3000}-54" for letter in "ab"]
    ran = list[Ran]()
    threads = [
        threading.Thread(target=lambda value=value: ran.append(stored(cli, inventory, "x", value))) for value in values
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran) == 2
    assert decrypted(cli, "x") in values
    assert [path.name for path in (cli.home / "secrets").iterdir()] == ["x.age"]


def test_list_tells_who_refers_to_what(cli: CommandLine, inventory: Path) -> None:
    stored(cli, inventory, "net-entreprises/ligue-54")
    stored(cli, inventory, "old/one")
    shown = cli.run("secrets", inventory, "list")
    assert shown.exit_code == 0
    assert "age:net-entreprises/ligue-54  changed " in shown.text.replace("54 changed", "54  changed")
    assert "age:iea/dupont not there" in shown.text
    assert "env:IEA_TEST_USED in env" in shown.text
    assert "old/one changed" in shown.text
    assert "nothing refers to it" in shown.text
    assert "4 secrets: 1 not there, 1 not used" in shown.text
    document = cli.run("secrets", inventory, "list", "--format", "json").document
    jsonschema.validate(document, json.loads(documents()["secrets.json"]))
    rows = {row["reference"]: row for row in document["secrets"]}
    assert rows["age:net-entreprises/ligue-54"]["used_by"] == [
        "identities.ligue-54.password",
        "identities.ligue-55.password",
    ]
    assert rows["age:net-entreprises/ligue-54"]["there"] is True
    assert rows["age:iea/dupont"]["there"] is False
    assert rows["age:iea/dupont"]["used_by"] == ["offices.nancy.users.dupont.iea_password"]
    assert (rows["env:IEA_TEST_USED"]["there"], rows["env:IEA_TEST_USED"]["changed_at"]) == (None, None)
    assert rows["age:old/one"]["used_by"] == []


def test_list_reads_no_secret(cli: CommandLine, inventory: Path) -> None:
    stored(cli, inventory, "net-entreprises/ligue-54")
    identity(cli).unlink()
    (cli.home / "secrets/net-entreprises/ligue-54.age").write_bytes(b"age-encryption.org/v1\nnonsense")
    assert cli.run("secrets", inventory, "list").exit_code == 0
    assert cli.run("validate", inventory).exit_code == 0


def test_check_finds_what_dangles_and_what_nobody_uses(cli: CommandLine, inventory: Path) -> None:
    stored(cli, inventory, "net-entreprises/ligue-54")
    stored(cli, inventory, "old/one")
    ran = cli.run("secrets", inventory, "check")
    assert ran.exit_code == 1
    assert "age:iea/dupont: the secret iea/dupont of" in ran.out
    assert "(offices.nancy.users.dupont.iea_password)" in ran.out
    assert "env:IEA_TEST_USED: the environment variable IEA_TEST_USED is not set" in ran.out
    assert "age:old/one: nothing refers to it" in ran.out
    assert "env:IEA_TEST_UNUSED: nothing refers to it" in ran.out
    assert ran.out.endswith("2 cannot be used, 2 not referred to\n")
    stored(cli, inventory, "iea/dupont")
    whole = CommandLine(cli.home, {"IEA_TEST_USED": CANARY}).run("secrets", inventory, "check")
    assert whole.exit_code == 0, whole
    assert whole.out.endswith("0 cannot be used, 2 not referred to\n")


def test_check_looks_at_the_characters(cli: CommandLine, inventory: Path) -> None:
    stored(cli, inventory, "iea/dupont")
    stored(cli, inventory, "net-entreprises/ligue-54")
    recipient = pyrage.x25519.Recipient.from_str(cli.run("secrets", inventory, "init").out.strip())
    (cli.home / "secrets/net-entreprises/ligue-54.age").write_bytes(pyrage.encrypt(f"{CANARY}\n".encode(), [recipient]))
    given = CommandLine(cli.home, {"IEA_TEST_USED": f"{CANARY}\u00a0"})
    ran = given.run("secrets", inventory, "check", "--debug")
    assert ran.exit_code == 1
    assert "age:net-entreprises/ligue-54: the value has a line end at place 23" in ran.out
    assert "env:IEA_TEST_USED: the value has a no-break space (U+00A0) at place 23" in ran.out
    assert CANARY not in ran.out + ran.err


def test_rekey_encrypts_all_and_leaves_what_does_not_open(cli: CommandLine, inventory: Path) -> None:
    stored(cli, inventory, "net-entreprises/ligue-54")
    stored(cli, inventory, "iea/dupont")
    own = cli.run("secrets", inventory, "init").out.strip()
    other = pyrage.x25519.Identity.generate()
    foreign = pyrage.encrypt(CANARY.encode(), [pyrage.x25519.Identity.generate().to_public()])
    (cli.home / "secrets/foreign.age").write_bytes(foreign)
    (cli.home / "secrets/cut.age").write_bytes(foreign[:100])
    (cli.home / "secrets/notes.age").write_bytes(b"CANARY notes")
    write(cli, own, str(other.to_public()))
    ran = cli.run("secrets", inventory, "rekey", "--debug")
    assert ran.exit_code == 1
    assert ran.out == (
        "age:iea/dupont: encrypted anew\nage:net-entreprises/ligue-54: encrypted anew\n2 encrypted anew, 3 left\n"
    )
    assert "age:foreign: left as it was: the secret foreign of" in ran.err
    assert "is not encrypted to your identity" in ran.err
    assert "age:cut: left as it was" in ran.err
    assert "age:notes: left as it was" in ran.err
    assert "still has the git history" in ran.err
    assert (cli.home / "secrets/foreign.age").read_bytes() == foreign
    encrypted = (cli.home / "secrets/iea/dupont.age").read_bytes()
    assert pyrage.decrypt(encrypted, [other]).decode() == CANARY
    assert CANARY not in ran.out + ran.err


def test_no_value_ever_comes_out(cli: CommandLine, inventory: Path) -> None:
    given = CommandLine(cli.home, {"IEA_TEST_USED": CANARY})
    said = [stored(given, inventory, path) for path in ("net-entreprises/ligue-54", "iea/dupont", "old/one")]
    commands = (("list",), ("list", "--format", "json"), ("check",), ("rekey",), ("init",))
    said += [given.run("secrets", inventory, *command, "--debug") for command in commands]
    said.append(given.run("validate", inventory))
    assert all("CANARY" not in ran.out + ran.err for ran in said)
    files = [path for path in cli.home.rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert all(b"CANARY" not in path.read_bytes() for path in files)


def test_a_secret_on_the_command_line_is_refused_and_not_said_again(cli: CommandLine, inventory: Path) -> None:
    ran = cli.run("secrets", inventory, "set", "net-entreprises/ligue-54", CANARY)
    assert ran.exit_code == 2
    assert "never given on the command line" in ran.err
    assert CANARY not in ran.out + ran.err
