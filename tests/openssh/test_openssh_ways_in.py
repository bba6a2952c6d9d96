"""Ways in to Debian's sshd, and what becomes of those that are closed: keys, host keys, jump hosts, refusals."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sshd import Sshd, free_port, make_key, public_half
from sshd_network import Network

SERVERS = ("servers.authentication_url", "servers.update_url")
BASTION = "127.0.8.1"

IN_ONE_WAVE = {"version": 1, "name": "in one wave", "rollout": {"waves": ["100%"]}}
"""Each wave makes its own connection to a jump host: the one before it may have ended in a pause."""


def outcomes(network: Network, *arguments: str) -> tuple[int, set[tuple[str, str]]]:
    """The exit code of an apply that must not write, and what became of the settings."""
    before = network.everything()
    done = network.apply(*arguments)
    assert network.everything() == before
    return done.code, {done.outcome(one["name"]) for one in done.document["workstations"]}


def test_a_wrong_key_is_refused(network: Network, tmp_path: Path) -> None:
    network.connection["key_file"] = str(make_key(tmp_path / "wrong"))
    assert outcomes(network) == (1, {("failed", "key_refused")})


def test_a_key_with_a_passphrase(network: Network, tmp_path: Path) -> None:
    key = make_key(tmp_path / "locked", passphrase="pass phrase é")
    with network.sshd.authorized_keys.open("a") as file:
        file.write(public_half(key) + "\n")
    network.connection["key_file"] = str(key)
    assert outcomes(network) == (1, {("failed", "passphrase_missing")})
    network.inventory["secrets"] = {"env": {"kind": "env", "names": ["KEY_PASSPHRASE"]}}
    network.connection["key_passphrase"] = "env:KEY_PASSPHRASE"
    assert outcomes(network) == (1, {("failed", "secret_missing")})
    wrong = network.apply(environment={"KEY_PASSPHRASE": "canary-in-vain"})
    assert {wrong.outcome(name) for name in network.names} == {("failed", "passphrase_wrong")}
    assert "canary-in-vain" not in wrong.stdout + wrong.stderr
    right = network.apply(environment={"KEY_PASSPHRASE": "pass phrase é"})
    assert (right.code, right.document["summary"]) == (0, {"changed": 3})


def test_only_what_is_configured_is_tried(network: Network, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    shutil.copy(network.sshd.client_key, home / ".ssh" / "id_ed25519")
    network.connection["key_file"] = str(make_key(tmp_path / "wrong"))
    done = network.apply(environment={"HOME": str(home)})
    assert {done.outcome(name) for name in network.names} == {("failed", "key_refused")}
    del network.connection["key_file"]
    invalid = network.apply(environment={"HOME": str(home)})
    assert invalid.code == 2
    assert "no way to log in" in invalid.stderr


def test_a_password_where_none_is_accepted(network: Network) -> None:
    del network.connection["key_file"]
    network.connection["password"] = "env:PASSWORD"
    network.inventory["secrets"] = {"env": {"kind": "env", "names": ["PASSWORD"]}}
    done = network.apply(environment={"PASSWORD": "canary-never-shown"})
    assert {done.outcome(name) for name in network.names} == {("failed", "password_not_accepted")}
    assert "canary-never-shown" not in done.stdout + done.stderr


def test_a_wrong_host_key_names_whose_key_it_is(network: Network, tmp_path: Path) -> None:
    network.workstation("nancy-02")["host_keys"] = [public_half(make_key(tmp_path / "other"))]
    done = network.apply()
    assert (done.code, done.document["summary"]) == (1, {"changed": 2, "failed": 1})
    assert done.outcome("nancy-02") == ("failed", "host_key_changed")
    assert "which is the known key of nancy-0" in done.cell("nancy-02")["reason"]


def test_an_unknown_host_key_is_refused_until_a_person_accepts_it(network: Network) -> None:
    for name in network.names:
        del network.workstation(name)["host_keys"]
    assert outcomes(network) == (1, {("failed", "host_key_unknown")})
    presented = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", "-p", str(network.sshd.port), *network.sshd.addresses[:2]],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (network.folder / "known_hosts").write_text(presented)
    accepted = network.command("trust", "add", "inventory.yml", "--known-hosts", "known_hosts")
    assert (accepted.code, accepted.stdout.count("accepted for nancy-")) == (1, 2)
    assert "nancy-03: known_hosts has no key of it" in accepted.stderr
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", network.sshd.host_key_files[0]], check=True, capture_output=True, text=True
    ).stdout
    by_fingerprint = network.command("trust", "add", "inventory.yml", "nancy-03", "--fingerprint", listed.split()[1])
    assert by_fingerprint.code == 0, by_fingerprint.stderr
    done = network.apply()
    assert (done.code, done.document["summary"]) == (0, {"changed": 3})


def test_a_closed_port_is_offline_and_the_others_are_pushed(network: Network) -> None:
    network.workstation("nancy-02")["connection"] = {"port": free_port("127.0.7.2")}
    done = network.apply()
    assert (done.code, done.document["summary"]) == (4, {"changed": 2, "offline": 1})
    assert done.outcome("nancy-02") == ("offline", "refused")
    assert network.settings("nancy-03").read_bytes() == network.pushed()


def test_where_forwarding_is_refused_the_servers_are_unknown_and_the_push_works(
    network_with: Callable[..., Network],
) -> None:
    network = network_with(AllowTcpForwarding="no")
    done = network.apply()
    assert (done.code, done.document["summary"]) == (4, {"unknown": 3})
    for name in network.names:
        assert done.outcome(name) == ("changed", "changed")
        assert network.settings(name).read_bytes() == network.pushed()
        assert {done.outcome(name, address) for address in SERVERS} == {("unknown", "forwarding_refused")}
    assert network.run("drift").code == 0


def test_one_session_a_connection_is_enough(network_with: Callable[..., Network]) -> None:
    network = network_with(MaxSessions=1)
    done = network.apply()
    assert (done.code, done.document["summary"]) == (0, {"changed": 3})
    assert {done.outcome(name, "state.tray") for name in network.names} == {("in_sync", "tray_connected")}
    assert (network.run("status").code, network.run("drift").code) == (0, 0)


def test_no_session_at_all_is_said_as_it_is(network_with: Callable[..., Network]) -> None:
    assert outcomes(network_with(MaxSessions=0)) == (1, {("failed", "channel_refused")})


@pytest.mark.parametrize("program", ["/nowhere/sftp-server", "/bin/false"])
def test_no_sftp_is_said_as_it_is(network_with: Callable[..., Network], program: str) -> None:
    code, found = outcomes(network_with(Subsystem=f"sftp {program}"))
    assert code == 1
    assert {status for status, _ in found} == {"failed"}


@pytest.fixture
def bastion(network: Network, tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Puts every workstation behind a second sshd with these options, and returns it."""
    running: list[Sshd] = []

    def start(**options: object) -> Sshd:
        sshd = Sshd(tmp_path / "bastion", (BASTION,), LogLevel="DEBUG1", **options)
        sshd.authorized_keys.write_text(public_half(network.sshd.client_key) + "\n")
        running.append(sshd.__enter__())
        jump = {"address": BASTION, "port": sshd.port, "user": sshd.user, "host_keys": list(sshd.host_keys)}
        network.connection["jump"] = {**jump, "sessions": 2}
        return sshd

    yield start
    for sshd in running:
        sshd.__exit__()


def test_through_a_jump_host_by_one_connection(network: Network, bastion: Callable[..., Sshd]) -> None:
    sshd = bastion(PermitOpen=" ".join(f"{one}:{network.sshd.port}" for one in network.sshd.addresses))
    done = network.apply(playbook=IN_ONE_WAVE)
    assert (done.code, done.document["summary"]) == (0, {"changed": 3}), done.stdout
    log = sshd.log.read_text()
    assert log.count("Accepted publickey") == 1
    for address in network.sshd.addresses:
        assert f"target {address} port {network.sshd.port}" in log
    for name in network.names:
        assert network.settings(name).read_bytes() == network.pushed()
        # PermitOpen holds for the bastion alone: the workstation itself reached its servers.
        assert {done.outcome(name, address) for address in SERVERS} == {("in_sync", "")}
    assert network.run("drift").code == 0


def test_a_jump_host_that_forwards_nothing(network: Network, bastion: Callable[..., Sshd]) -> None:
    bastion(AllowTcpForwarding="no")
    assert outcomes(network) == (1, {("failed", "jump_forwarding_refused")})


def test_a_jump_host_with_another_key(network: Network, bastion: Callable[..., Sshd], tmp_path: Path) -> None:
    bastion()
    network.connection["jump"]["host_keys"] = [public_half(make_key(tmp_path / "other"))]
    assert outcomes(network) == (1, {("failed", "jump_host_key_changed")})


def test_a_jump_host_that_is_down(network: Network, bastion: Callable[..., Sshd]) -> None:
    bastion()
    network.connection["jump"]["port"] = free_port(BASTION)
    assert outcomes(network) == (4, {("offline", "jump_refused")})


def test_one_workstation_behind_the_jump_host_is_down(network: Network, bastion: Callable[..., Sshd]) -> None:
    bastion()
    network.workstation("nancy-02")["connection"] = {"port": free_port("127.0.7.2")}
    done = network.apply()
    assert (done.code, done.document["summary"]) == (4, {"changed": 2, "offline": 1})
    assert done.outcome("nancy-02") == ("offline", "refused")
