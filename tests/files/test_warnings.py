"""What is odd and may be right: it is shown by ``validate``, once, and nothing is refused for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from iea_fleet.engine.load import load
from iea_fleet.errors import InvalidFilesError

INVENTORY = """\
version: 1
name: Réseau
layout: none
secrets: {env: {kind: env, names: [P]}}
defaults: {connection: {transport: none}}
offices: {nancy: {users: {dupont: {net_entreprises: one}}, workstations: {nancy-01: {}}}}
include: [identities.yml]
"""
IDENTITIES = """\
version: 1
identities:
  one: {siret: "73282932000075", nom: D, prenom: M, password: "env:P", service: "25"}
  post: {siret: "35600000009075", nom: D, prenom: M, password: "env:P", service: "31"}
"""
COMMAND = Path(sys.executable).with_name("iea-fleet")
SAID = """\
identities.yml:3:16: identities.one.siret: warning: has a wrong key: a digit is mistyped, unless it is a test account; \
compare it with the portal
identities.yml:4:82: identities.post.service: warning: `31` is no service code that is known: 25 (general regime), \
26 (agricultural), 98 (concentrator), and 97, 94 for tests; compare it with the portal
""".splitlines()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    (tmp_path / "identities.yml").write_text(IDENTITIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("folder")
def test_a_warning_stands_at_its_place() -> None:
    assert [str(warning) for warning in load(Path("inventory.yml")).warnings] == SAID


def test_what_is_odd_is_no_mistake(folder: Path) -> None:
    mistaken = IDENTITIES.replace("nom: D, prenom: M", "nom: ' D', prenom: M", 1)
    (folder / "identities.yml").write_text(mistaken, encoding="utf-8")
    with pytest.raises(InvalidFilesError) as raised:
        load(Path("inventory.yml"))
    assert ["leading blank" in str(mistake) for mistake in raised.value.mistakes] == [True]


def test_validate_shows_warnings_and_is_content(folder: Path) -> None:
    ran = run("validate", "inventory.yml")
    assert ran.stderr.splitlines() == SAID
    assert (ran.returncode, ran.stdout.count("\n")) == (0, 1)
    assert "no mistake" in ran.stdout
    again = run("plan", "inventory.yml", "--history", str(folder / "history"))
    assert "warning" not in again.stderr + again.stdout


CA = """\
version: 1
name: R
layout: none
net_entreprises_service: {ca_file: portal.pem}
defaults:
  vars: {ca_file: none.pem}
  connection: {transport: winrm, user: u, password: "env:P", ca_file: ca.pem}
secrets: {env: {kind: env, names: [P]}}
offices:
  nancy:
    connection: {transport: none}
    server_connection: {ca_file: certs}
    workstations: {a: {server_connection: {ca_file: there.pem}}}
"""


def test_a_file_of_certificates_that_is_not_there(folder: Path) -> None:
    Path("inventory.yml").write_text(CA, encoding="utf-8")
    Path("there.pem").touch()
    Path("certs").mkdir()
    why = "on this machine; put the certificates of the authority there, or correct the path"
    assert [str(warning) for warning in load(Path("inventory.yml")).warnings] == [
        f"inventory.yml:4:36: net_entreprises_service.ca_file: warning: there is no file {folder}/portal.pem {why}",
        f"inventory.yml:7:71: defaults.connection.ca_file: warning: there is no file {folder}/ca.pem {why}",
        f"inventory.yml:12:34: offices.nancy.server_connection.ca_file: warning: there is no file {folder}/certs {why}",
    ]


LAYOUT = """\
version: 1
name: l
os: posix
root: /iea
private: /p
net_entreprises:
  file: "{{ user }}.json"
  format: json
  keys: {siret: {key: s}, nom: {key: n}, prenom: {key: p}, password: {key: m}, service: {key: c}}
"""


@pytest.mark.usefixtures("folder")
def test_passwords_that_others_may_read_and_an_iea_that_may_be_open() -> None:
    Path("l.yml").write_text(LAYOUT, encoding="utf-8")
    one = "offices: {nancy: {layout: l.yml, connection: {transport: ssh, user: u, agent: true}, "
    Path("inventory.yml").write_text(f"version: 1\nname: R\n{one}workstations: {{a: {{address: a}}}}}}}}\n")
    warned = [str(warning) for warning in load(Path("inventory.yml")).warnings]
    assert [line.partition(" warning: ")[::2] for line in warned] == [
        (
            "l.yml:7:3: net_entreprises:",
            (
                "keeps passwords as they are in files that others on the workstation may read; "
                "add private: true, or seal the password"
            ),
        ),
        (
            "l.yml:7:3: net_entreprises:",
            (
                "does not say how to tell that IEA is open, and accounts are written while it is closed; "
                "add application: {lock_file: …}"
            ),
        ),
    ]
    Path("l.yml").write_text(LAYOUT + "  private: true\napplication: {lock_file: lock}\n", encoding="utf-8")
    assert load(Path("inventory.yml")).warnings == ()
