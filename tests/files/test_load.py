"""Loading whole inventories: the examples, includes, layouts, paths, and 10,000 workstations."""

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iea_fleet.engine.load import Loaded, load
from iea_fleet.errors import InvalidFilesError
from iea_fleet.model.request import digest
from iea_fleet.model.target import GuidedConnection, SshConnection, WinrmConnection

EXAMPLES = Path(__file__).parent / "examples"
MINIMAL = """\
version: 1
name: Réseau
layout: none
defaults: {connection: {transport: none}}
offices: {nancy: {workstations: {nancy-01: {}}}}
"""


def words(inventory: Path, playbook: Path | None = None) -> list[str]:
    with pytest.raises(InvalidFilesError) as raised:
        load(inventory, playbook)
    return [str(mistake) for mistake in raised.value.mistakes]


def test_the_inventory_of_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    loaded = load(Path("inventory.yml"), Path("playbook.yml"))
    assert loaded.name == "Réseau Grand Est"
    assert loaded.folder == EXAMPLES
    assert loaded.offices == {"nancy": "Maison des associations, Nancy", "toul": "Antenne de Toul"}
    assert [(target.name, target.address) for target in loaded.targets] == [
        ("nancy-01", "10.54.0.1"),
        ("nancy-02", "10.54.0.2"),
        ("nancy-03", "10.54.0.3"),
        ("nancy-accueil", "10.54.0.20"),
        ("toul-01", "toul-01.example.org"),
    ]
    assert loaded.selected == loaded.targets
    first, accueil, toul = loaded.targets[0], loaded.targets[3], loaded.targets[4]
    assert first.connection == SshConnection(user="iea-admin", key_file=str(Path.home() / ".ssh/id_ed25519"))
    assert accueil.connection == WinrmConnection(user="NANCY\\iea-admin", password="age:winrm/nancy")
    assert first.resources == ("net_entreprises.dupont", "net_entreprises.martin")
    assert toul.resources == ("net_entreprises.Administrateur",)
    assert toul.hold is not None
    assert str(toul.hold.until) == "2026-12-15"
    assert first.files["net_entreprises.dupont"] == "C:/ProgramData/ImpactEmploi/utilisateurs/dupont.xml"
    assert first.files["lock_file"] == "C:/ProgramData/ImpactEmploi/ImpactEmploi.lock"
    assert loaded.files == {
        name: digest((EXAMPLES / name).read_bytes())
        for name in ("inventory.yml", "impact-emploi-3.yml", "playbook.yml")
    }


def test_the_inventory_with_every_key() -> None:
    loaded = load(EXAMPLES / "full.yml")
    first, *_, accueil, portable = loaded.targets
    assert loaded.playbook.name == "everything declared"
    assert loaded.contact is not None
    assert first.resources == (
        "server_connection", "net_entreprises.dupont", "net_entreprises.parti", "software", "transfer.reprise-2026",
    )  # fmt: skip
    assert "transfer.reprise-2026" not in loaded.targets[1].resources
    assert isinstance(first.connection, SshConnection)
    assert first.connection.jump is not None
    assert first.connection.jump.sessions == 8
    assert isinstance(accueil.connection, WinrmConnection)
    assert portable.connection == GuidedConnection()
    assert portable.guided
    assert loaded.secrets["age"].model_dump()["folder"] == str(EXAMPLES / "secrets")
    assert loaded.secrets["coffre"].model_dump()["file"] == str(EXAMPLES / "coffre.kdbx")


def test_a_playbook_narrows_resources_and_identities(tmp_path: Path) -> None:
    playbook = tmp_path / "playbook.yml"
    playbook.write_text("version: 1\nselect: ['nancy-[02:03]', '!nancy-03']\nresources: [net_entreprises, transfer]\n")
    loaded = load(EXAMPLES / "full.yml", playbook)
    assert [target.name for target in loaded.selected] == ["nancy-02"]
    assert loaded.targets[0].resources == (
        "net_entreprises.dupont", "net_entreprises.parti", "transfer.reprise-2026",
    )  # fmt: skip
    playbook.write_text("version: 1\nidentities: [ligue-54]\n")
    assert "net_entreprises.parti" not in load(EXAMPLES / "full.yml", playbook).targets[0].resources


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_paths_are_meant_from_the_folder_of_the_file_that_names_them(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "main.yml": MINIMAL.replace("layout: none", "layout: l.yml\ninclude: ['*/office.yml']"),
            "toul/office.yml": (
                "version: 1\nsecrets: {age: {kind: age, recipients: [ssh-ed25519 AAAAC3Nz]}}\n"
                "offices:\n  toul:\n    layout: l.yml\n"
                "    connection: {transport: ssh, user: u, key_file: keys/id}\n"
                "    server_connection: {secure: true, ca_file: ../ca.pem}\n"
                "    workstations: {toul-01: {address: toul-01}}\n"
            ),
            "l.yml": "version: 1\nname: one\nos: posix\nroot: /one\nprivate: /p\n"
            "version_file: {file: v, format: json, key: a}\n",
            "toul/l.yml": (
                "version: 1\nname: two\nos: posix\nroot: '/two/{{ office }}'\nprivate: /p\n"
                "version_file: {file: '{{ workstation }}', format: json, key: a}\n"
                "server_connection: {file: c, format: json, keys: {secure: {key: s}}}\n"
            ),
        },
    )
    loaded = load(tmp_path / "main.yml")
    nancy, toul = loaded.targets
    assert nancy.files == {"version_file": "/one/v", "private": "/p"}
    assert toul.files == {"version_file": "/two/toul/toul-01", "server_connection": "/two/toul/c", "private": "/p"}
    assert isinstance(toul.connection, SshConnection)
    assert toul.connection.key_file == str(tmp_path / "toul/keys/id")
    assert toul.server_connection is not None
    assert toul.server_connection.ca_file == str(tmp_path / "toul/../ca.pem")
    assert loaded.secrets["age"].model_dump()["folder"] == str(tmp_path / "toul/secrets")


def test_includes_skip_hidden_files_and_refuse_links_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "net/main.yml": MINIMAL + "include: [offices/*.yml]\n",
            "net/offices/.hidden.yml": "no: [",
            "net/offices/a.yml": "version: 1\n",
            "outside.yml": "version: 1\n",
        },
    )
    (tmp_path / "net/offices/.#lock.yml").symlink_to("nowhere")
    assert len(load(tmp_path / "net/main.yml").files) == 2
    (tmp_path / "net/offices/b.yml").symlink_to(tmp_path / "outside.yml")
    (tmp_path / "net/offices/c.yml").symlink_to("a.yml")
    said = words(tmp_path / "net/main.yml")
    assert ["leads out of this folder" in said[0], "is read twice" in said[1], len(said)] == [True, True, 2]


def test_files_are_shown_as_people_know_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        {"net/main.yml": MINIMAL.replace("none", "l.yml", 1) + "include: [o.yml]\n", "net/o.yml": "version: 2\n"},
    )
    write(tmp_path, {"net/l.yml": "version: 2\nname: l\nos: posix\nroot: /r\nprivate: /p\n", "elsewhere/x": ""})
    monkeypatch.chdir(tmp_path)
    expected = ["net/o.yml:1:10", "net/l.yml:1:10"]
    for typed in (Path("net/main.yml"), tmp_path / "net/main.yml"):
        assert [said.partition(": version")[0] for said in words(typed)] == expected
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert words(Path("../net/main.yml"))[0].startswith("../net/o.yml:1:10: ")


def test_too_many_files(tmp_path: Path) -> None:
    write(
        tmp_path, {"main.yml": MINIMAL + "include: [o/*.yml]\n", **{f"o/{n}.yml": "version: 1\n" for n in range(1001)}}
    )
    assert words(tmp_path / "main.yml") == [
        f"{tmp_path}/main.yml:6:11: include[0]: `o/*.yml` makes more than 1,000 files; include fewer"
    ]


def test_a_chain_of_includes_as_long_as_may_be(tmp_path: Path) -> None:
    for number in range(60):
        write(tmp_path, {f"f{number}.yml": f"version: 1\ninclude: [f{number + 1}.yml]\n"})
    write(tmp_path, {"f60.yml": "version: 1\n", "main.yml": MINIMAL + "include: [f0.yml]\n"})
    assert words(tmp_path / "main.yml")[0].endswith(
        "is included over more than 20 files; include it nearer to the main file"
    )


def test_too_many_workstations(tmp_path: Path) -> None:
    ranges = "".join(f"      r{n}-[0001:9999]: {{}}\n" for n in range(40))
    text = MINIMAL.replace(
        "offices: {nancy: {workstations: {nancy-01: {}}}}\n", f"offices:\n  nancy:\n    workstations:\n{ranges}"
    )
    write(tmp_path, {"main.yml": text})
    started = time.process_time()
    said = words(tmp_path / "main.yml")
    assert "the inventory has more than 50,000 workstations" in said[0]
    assert time.process_time() - started < 5


@pytest.mark.parametrize("playbook", ["", "select: ''", "select: [all, '!all']", "name: ''"])
def test_playbooks_that_are_odd(playbook: str, tmp_path: Path) -> None:
    write(tmp_path, {"main.yml": MINIMAL, "playbook.yml": playbook and f"version: 1\n{playbook}\n"})
    assert words(tmp_path / "main.yml", tmp_path / "playbook.yml")


def test_escapes_do_not_reach_the_terminal(tmp_path: Path) -> None:
    write(tmp_path, {"main.yml": MINIMAL + '"\\e[31m\\u202Eevil": 1\n'})
    (said,) = words(tmp_path / "main.yml")
    assert said.isprintable()
    assert "\\u001b[31m\\u202eevil" in said


def grand(folder: Path, address: str) -> Path:
    """200 offices of 50 workstations, each written out."""
    shutil.copy(EXAMPLES / "impact-emploi-3.yml", folder / "layout.yml")
    lines = [
        "version: 1", "name: Grand", "layout: layout.yml", "defaults:",
        "  connection: {transport: ssh, user: iea-admin, key_file: ~/.ssh/id_ed25519}",
        "  server_connection: {secure: true, authentication_url: https://a, update_url: https://a/updates}", "offices:",
    ]  # fmt: skip
    for office in range(200):
        lines += [
            f"  office-{office:03}:", f"    title: Office {office}", "    installation: network",
            f"    vars: {{site: {office}}}", "    workstations:",
        ]  # fmt: skip
        for number in range(50):
            place = address.format(office=office, number=number)
            lines += [f"      ws-{office:03}-{number:02}:", f'        address: "{place}"', "        tags: [paie]"]
    path = folder / "inventory.yml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("address", ["10.{office}.0.{number}", "10.{{{{ vars.site }}}}.{office}.{number}"])
def test_ten_thousand_workstations(address: str, tmp_path: Path) -> None:
    path = grand(tmp_path, address)
    code = (
        "import sys; from pathlib import Path; from iea_fleet.engine.load import load\n"
        "print(len(load(Path(sys.argv[1])).targets))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ran.stdout == "10000\n"
    # About 0.6 s, and 1.1 s with 10,000 different templates, on a quiet machine of two cores.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3


@pytest.mark.parametrize(("right", "wrong"), [("address:", "adress:"), ("tags: [paie]", "tags: [1]"), ("ws-", "ws!")])
def test_ten_thousand_mistakes(right: str, wrong: str, tmp_path: Path) -> None:
    path = grand(tmp_path, "10.{office}.0.{number}")
    path.write_text(path.read_text().replace(right, wrong))
    started = time.process_time()
    assert len(words(path)) == 10_000
    assert time.process_time() - started < 10


def test_offices_share_what_their_workstations_do_not_override(tmp_path: Path) -> None:
    loaded: Loaded = load(grand(tmp_path, "10.{office}.0.{number}"))
    first, second = loaded.targets[:2]
    assert first.connection is second.connection
    assert first.files is second.files
