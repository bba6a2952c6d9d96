"""The operator's own configuration file: the only place where a program may be named."""

from pathlib import Path

import pytest

from iea_fleet.engine.load import load
from iea_fleet.engine.load.operator import VARIABLE
from iea_fleet.errors import InvalidFilesError
from iea_fleet.model.operator import CommandBackend

INVENTORY = """\
version: 1
name: Réseau
layout: none
identities:
  ligue: {siret: "73282932000074", nom: D, prenom: M, password: pass:net/ligue, service: "25"}
offices:
  nancy: {workstations: {nancy-01: {address: nancy-01, connection: {transport: none}}}}
"""
DECLARED = 'secrets: {pass: {kind: command, run: [pass, show, "{path}"]}}\n'


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("inventory.yml").write_text(INVENTORY)
    return Path("inventory.yml")


def own_file(tmp_path: Path, text: str = DECLARED, mode: int = 0o600) -> Path:
    file = tmp_path / "config/iea-fleet/config.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def said(inventory: Path) -> list[str]:
    with pytest.raises(InvalidFilesError) as raised:
        load(inventory)
    return [str(mistake) for mistake in raised.value.mistakes]


def test_its_back_ends_can_be_referred_to(inventory: Path, tmp_path: Path) -> None:
    own_file(tmp_path)
    loaded = load(inventory)
    assert loaded.secrets["pass"] == CommandBackend(kind="command", run=("pass", "show", "{path}"), timeout=20)
    assert loaded.references == {"pass:net/ligue": ("identities.ligue.password",)}
    assert list(loaded.files) == ["inventory.yml"], "what an operator says for themselves is no part of a plan"


def test_without_it_the_mistake_says_where(inventory: Path, tmp_path: Path) -> None:
    (mistake,) = said(inventory)
    assert mistake == (
        "inventory.yml:5:65: identities.ligue.password: names a secret back-end that is not declared; declared: none; "
        f"one that runs a program goes into your own configuration file ({tmp_path}/config/iea-fleet/config.yml)"
    )


def test_a_kind_that_an_inventory_may_declare_is_to_be_declared_there(inventory: Path) -> None:
    inventory.write_text(inventory.read_text("utf-8").replace("pass:net", "age:net"), "utf-8")
    (mistake,) = said(inventory)
    assert mistake.endswith(
        "names a secret back-end that is not declared; declared: none; declare `age` below `secrets:`"
    )


def test_another_file_can_be_named(inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = own_file(tmp_path).rename(tmp_path / "other.yml")
    monkeypatch.setenv(VARIABLE, str(named))
    assert "pass" in load(inventory).secrets
    named.unlink()
    assert said(inventory) == [f"{named}: is not there; check the name and the folder you are in"]


def test_a_name_stands_in_one_place(inventory: Path, tmp_path: Path) -> None:
    file = own_file(tmp_path)
    inventory.write_text(
        INVENTORY.replace("identities:", "secrets: {pass: {kind: env, names: [net/ligue]}}\nidentities:")
    )
    (mistake,) = said(inventory)
    assert mistake == (
        f"inventory.yml:4:11: secrets.pass: `pass` is declared in your own configuration file ({file}) already; "
        "give one of them another name"
    )


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_others_must_not_be_able_to_write_it(inventory: Path, tmp_path: Path, mode: int) -> None:
    file = own_file(tmp_path, mode=mode)
    assert said(inventory) == [f"{file}: can be written by others; run: chmod go-w {file}"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("secrets: {pass: {kind: command, run: [pass]}}", 'secrets.pass.run: has no "{path}" among the arguments'),
        ('secrets: {pass: {kind: command, run: ["{path}"]}}', 'secrets.pass.run: has no "{path}" among the arguments'),
        ("secrets: {pass: {kind: command, run: []}}", "secrets.pass.run: has too few entries"),
        ("secrets: {pass: {kind: command}}", "secrets.pass: lacks the key `run`"),
        ('secrets: {pass: {kind: age, run: ["a", "{path}"]}}', "secrets.pass.kind: `age` is not known here"),
        ("secret: {}", "secret: unknown key `secret`; did you mean `secrets`?"),
    ],
)
def test_mistakes_stand_at_their_place(inventory: Path, tmp_path: Path, text: str, words: str) -> None:
    file = own_file(tmp_path, text)
    first, *others = said(inventory)
    assert first.startswith(f"{file}:1:")
    assert words in first
    assert others == [], "what follows from it is not told"


def test_an_inventory_may_not(inventory: Path) -> None:
    inventory.write_text(INVENTORY.replace("identities:", DECLARED + "identities:"))
    (mistake,) = said(inventory)
    assert mistake == (
        "inventory.yml:4:17: secrets.pass: `command` runs programs, and an inventory may not; "
        "declare it in your own configuration file"
    )
