"""What was pushed, looked at by testinfra through OpenSSH's own client: no line of our transport is in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra
from sshd import make_key, public_half
from sshd_network import LONG_AGO, NO_PROBES, SETTINGS, Network
from testinfra.host import Host

STRICT = """\
Host *
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
"""


@pytest.fixture
def look(network: Network) -> Callable[[str], Host]:
    """A workstation as testinfra sees it; only the pinned host key lets it in."""
    sshd = network.sshd
    known_hosts, configuration = network.folder / "known_hosts", network.folder / "ssh_config"
    known_hosts.write_text("".join(f"[{one}]:{sshd.port} {sshd.host_key}\n" for one in sshd.addresses))
    configuration.write_text(STRICT.format(known_hosts=known_hosts))

    def host(name: str) -> Host:
        return testinfra.get_host(
            f"ssh://{sshd.user}@{network.addresses[name]}:{sshd.port}",
            ssh_config=str(configuration),
            ssh_identity_file=str(sshd.client_key),
            controlpersist=0,  # a shared connection would outlive the tests
        )

    return host


def test_testinfra_sees_what_was_pushed(network: Network, look: Callable[[str], Host]) -> None:
    modes = {"nancy-01": 0o640, "nancy-02": 0o664}
    for name, mode in modes.items():
        network.settings(name).chmod(mode)
    assert look("nancy-01").file(str(network.settings("nancy-01"))).content == SETTINGS
    assert network.apply().code == 0
    for name, mode in modes.items():
        host = look(name)
        file = host.file(str(network.settings(name)))
        assert file.content == network.pushed()
        assert (file.mode, file.user, file.gid) == (mode, network.sshd.user, os.getegid())
        # No temporary file beside it, hidden or not.
        names = host.check_output("ls -A %s", str(network.home(name))).split()
        assert names == ["connexion.properties", "etat.properties", "version.properties"]
    assert "etat=connecte" in host.file(str(network.home(name) / "etat.properties")).content_string
    assert host.file(str(network.home(name) / "version.properties")).mtime.timestamp() == LONG_AGO
    private = host.file(str(network.folder / "private" / "nancy-01"))
    assert (private.mode, private.user) == (0o700, network.sshd.user)
    (backup,) = private.listdir()
    assert backup.endswith(".bak")
    kept = host.file(f"{private.path}/{backup}")
    assert (kept.mode, kept.content) == (0o600, SETTINGS)


def test_testinfra_sees_the_private_file_that_was_made(network: Network, look: Callable[[str], Host]) -> None:
    network.layout["server_connection"].update(new="# neuf\n", private=True)
    network.settings("nancy-01").unlink()
    assert not look("nancy-01").file(str(network.settings("nancy-01"))).exists
    assert network.apply("--limit", "nancy-01", playbook=NO_PROBES).code == 0
    file = look("nancy-01").file(str(network.settings("nancy-01")))
    assert (file.mode, file.user) == (0o600, network.sshd.user)
    assert file.content_string.splitlines()[:2] == ["# neuf", "connexion.securisee=O"]


def test_testinfra_itself_is_let_in_by_the_pinned_key_alone(
    network: Network, look: Callable[[str], Host], tmp_path: Path
) -> None:
    look("nancy-01").check_output("true")
    other = public_half(make_key(tmp_path / "other"))
    known_hosts = network.folder / "known_hosts"
    known_hosts.write_text(known_hosts.read_text().replace(network.sshd.host_key, other))
    with pytest.raises(RuntimeError, match="REMOTE HOST IDENTIFICATION HAS CHANGED"):
        look("nancy-02").check_output("true")
