"""The whole flow against Debian's sshd: what is written, what is left alone, what is shown."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from https_servers import HttpsServers
from sshd import SFTP_PROGRAM, Sshd
from sshd_network import LONG_AGO, NO_PROBES, SETTINGS, Network, network_of

TRAY = "state.tray"
SERVERS = ("servers.authentication_url", "servers.update_url")


def other_group() -> int:
    """A group that new files of ours do not get by themselves; our own one where we are in no other."""
    if os.geteuid() == 0:
        return 4321
    return next((group for group in os.getgroups() if group != os.getegid()), os.getegid())


def test_a_push_and_then_nothing_to_do(network: Network) -> None:
    assert (network.run("drift").code, network.run("plan").code) == (3, 3)
    done = network.apply()
    assert done.code == 0, done.stderr
    assert done.document["summary"] == {"changed": 3}
    for name in network.names:
        assert network.settings(name).read_bytes() == network.pushed()
        assert done.outcome(name, TRAY) == ("in_sync", "tray_connected")
        names = sorted(path.name for path in network.home(name).iterdir())
        assert names == ["connexion.properties", "etat.properties", "version.properties"]
        assert (network.home(name) / "version.properties").stat().st_mtime == LONG_AGO
    before = network.everything()
    assert network.run("drift").code == 0
    again = network.apply()
    assert (again.code, again.document["summary"]) == (0, {"in_sync": 3})
    assert network.run("status").code == 0
    assert network.everything() == before


def test_an_edit_by_hand_is_drift_and_is_put_right(network: Network) -> None:
    network.apply()
    second = network.settings("nancy-02")
    second.write_bytes(second.read_bytes().replace(b"securisee = O", b"securisee = N"))
    found = network.run("drift")
    assert (found.code, found.document["summary"]) == (3, {"in_sync": 2, "drifted": 1})
    (difference,) = found.cell("nancy-02")["differences"]
    assert (difference["setting"], difference["before"], difference["after"]) == ("secure", False, True)
    assert difference["last_right"] is True
    assert difference["last_right_at"]
    # The script of the test writes the same state again; its time shows that, in whole seconds.
    os.utime(network.home("nancy-02") / "etat.properties", (LONG_AGO, LONG_AGO))
    assert network.apply().document["summary"] == {"in_sync": 2, "changed": 1}
    assert second.read_bytes() == network.pushed()


def test_probes_ask_from_the_workstation_through_forwarded_tcp(network: Network) -> None:
    network.apply()
    asked = len(network.servers.asked)
    shown = network.run("status")
    assert shown.code == 0
    assert sorted(network.servers.asked[asked:]) == ["/", "/", "/", *["/updates"] * 3]
    for name in network.names:
        for address in SERVERS:
            assert shown.outcome(name, address) == ("in_sync", "")
            assert 0 < shown.cell(name, address)["seconds"] < 5
    assert shown.cell("nancy-01", "version.installed")["reason"] == "3.02.004"


def test_before_a_push_the_probes_judge_what_the_workstation_uses(network: Network) -> None:
    shown = network.run("status", "--limit", "nancy-01")
    assert shown.code == 1
    assert shown.outcome("nancy-01")[0] == "pending"
    assert shown.outcome("nancy-01", TRAY) == ("bad", "tray_failed")
    assert "sécurité" in shown.cell("nancy-01", TRAY)["reason"]
    for address in SERVERS:
        assert shown.outcome("nancy-01", address) == ("bad", "refused")


def test_nothing_is_written_where_the_wanted_servers_do_not_answer(network: Network) -> None:
    wanted = network.inventory["defaults"]["server_connection"]
    wanted["authentication_url"] = "https://127.0.0.1:9"
    before = network.everything()
    done = network.apply("--limit", "nancy-01")
    assert done.code == 1
    assert done.outcome("nancy-01") == ("skipped", "test_first_failed")
    assert network.everything() == before


def test_what_has_to_be_done_by_a_person_first(network: Network) -> None:
    (network.home("nancy-01") / "ImpactEmploi.lock").touch()
    (network.home("nancy-02") / "etat.properties").write_text("etat=assistance\n")
    (network.home("nancy-03") / "version.properties").write_text("version=3.03.001\n")
    before = network.everything()
    done = network.apply(playbook=NO_PROBES)
    assert done.code == 4
    assert {name: done.outcome(name) for name in network.names} == {
        "nancy-01": ("waiting", "iea_open"),
        "nancy-02": ("waiting", "assistance_mode"),
        "nancy-03": ("waiting", "version_outside_layout"),
    }
    assert network.everything() == before


def test_owner_group_and_mode_are_kept(network: Network) -> None:
    settings = network.settings("nancy-01")
    settings.chmod(0o640)
    os.chown(settings, -1, other_group())
    before = settings.stat()
    assert network.apply("--limit", "nancy-01").code == 0
    after = settings.stat()
    assert settings.read_bytes() == network.pushed()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino, "it was written in place"


@pytest.fixture
def lowered(servers: HttpsServers) -> Iterator[Network]:
    """Workstations whose file transfer is not root, whoever runs the tests; its user owns none of the files then."""
    folder = Path(tempfile.mkdtemp(prefix="iea-fleet-openssh-"))
    folder.chmod(0o755)
    wrapper = "setpriv --reuid=65534 --regid=65534 --clear-groups " if os.geteuid() == 0 else ""
    try:
        with Sshd(folder / "sshd", ("127.0.7.1",), Subsystem=f"sftp {wrapper}{SFTP_PROGRAM}") as sshd:
            network = network_of(folder / "network", sshd, servers)
            (network.folder / "private").chmod(0o777)
            yield network
    finally:
        shutil.rmtree(folder)


def refused_push(network: Network) -> tuple[str, str]:
    """What becomes of the settings in an apply that must leave everything as it is."""
    before = network.everything()
    done = network.apply()
    assert done.code == 1
    assert network.everything() == before
    return done.outcome("nancy-01")


def test_a_folder_without_the_right_to_write_is_left_alone(lowered: Network) -> None:
    home = lowered.home("nancy-01")
    home.chmod(0o555)
    assert refused_push(lowered) == ("failed", "no_rights")
    home.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_whose_owner_and_group_cannot_be_kept_is_left_alone(lowered: Network) -> None:
    lowered.home("nancy-01").chmod(0o777)
    settings = lowered.settings("nancy-01")
    settings.chmod(0o644)
    os.chown(settings, 1234, 4321)
    assert refused_push(lowered) == ("failed", "owner_not_kept")


def test_a_link_is_not_written_through(network: Network) -> None:
    settings = network.settings("nancy-01")
    elsewhere = network.folder / "elsewhere.properties"
    settings.rename(elsewhere)
    settings.symlink_to(elsewhere)
    done = network.apply("--limit", "nancy-01")
    assert (done.code, done.outcome("nancy-01")) == (1, ("failed", "is_link"))
    assert settings.is_symlink()
    assert elsewhere.read_bytes() == SETTINGS


@pytest.mark.parametrize("private", [True, False])
def test_a_missing_file_starts_from_new(network: Network, private: bool) -> None:
    file = network.layout["server_connection"]
    file.update(new="# posé par iea-fleet\nserveur.autre=1\n", private=private)
    for name in network.names:
        network.settings(name).unlink()
    done = network.apply()
    assert done.code == 0, done.stderr
    for name in network.names:
        made = network.settings(name)
        urls = network.servers
        assert made.read_bytes().decode("latin-1").splitlines() == [
            "# posé par iea-fleet",
            "serveur.autre=1",
            "connexion.securisee=O",
            f"serveur.authentification={urls.authentication_url}",
            f"serveur.maj={urls.update_url}",
        ]
        if private:
            assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_missing_file_without_new_waits_for_a_person(network: Network) -> None:
    network.settings("nancy-02").unlink()
    done = network.apply(playbook=NO_PROBES)
    assert (done.code, done.document["summary"]) == (4, {"changed": 2, "waiting": 1})
    assert done.outcome("nancy-02") == ("waiting", "settings_absent")
    assert not network.settings("nancy-02").exists()
