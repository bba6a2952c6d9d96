"""Host keys and logging in: what is refused, by which code, and what is never tried twice."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest
from pydantic import SecretStr
from sshd import Sshd, make_key, public_half

from iea_fleet.errors import NotLetInError, TransportError
from iea_fleet.model.request import Absent, ReadFile
from iea_fleet.transports.base import Reach
from iea_fleet.transports.keys import KeyRing
from iea_fleet.transports.ssh import SshSession, open_session


def refused(sshd: Sshd, **changes: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        open_session(sshd.reach(**changes), sshd.connect(), read_only=True)
    return caught.value


def test_an_unknown_host_key_is_refused_and_told(sshd: Sshd) -> None:
    error = refused(sshd, host_keys=())
    assert isinstance(error, NotLetInError)
    assert error.code == "host_key_unknown"
    assert "SHA256:" in error.sentence
    assert "iea-fleet trust add" in error.hint


def test_a_changed_host_key_names_the_workstation_whose_key_it_is(sshd: Sshd, tmp_path: Path) -> None:
    other = public_half(make_key(tmp_path / "other"))
    owners = {key.split()[1]: "nancy-02" for key in sshd.host_keys}
    error = refused(sshd, host_keys=(other,), owners=owners)
    assert error.code == "host_key_changed"
    assert "the known key of nancy-02" in error.sentence
    assert "trust remove" in error.hint


def test_a_pinned_type_that_is_no_longer_offered_is_a_changed_key(tmp_path: Path) -> None:
    old = public_half(make_key(tmp_path / "old", "ecdsa"))
    with Sshd(tmp_path / "server", key_types=("ed25519",)) as server:
        assert refused(server, host_keys=(old,)).code == "host_key_changed"


@pytest.mark.parametrize("place", [0, 1, 2], ids=["ed25519", "ecdsa", "rsa"])
def test_the_server_is_asked_for_the_type_that_is_pinned(
    sshd: Sshd, opened: Callable[..., SshSession], place: int
) -> None:
    session = opened(host_keys=(sshd.host_keys[place] + " a comment",))
    assert session.carry_out([ReadFile("/nowhere")]) == [Absent()]


def test_a_wrong_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    error = refused(sshd, key_file=str(make_key(tmp_path / "wrong")))
    assert isinstance(error, NotLetInError)
    assert error.code == "key_refused"


def test_nothing_is_tried_that_is_not_configured(sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    for kind in ("ed25519", "rsa"):
        (tmp_path / ".ssh" / f"id_{kind}").write_bytes(sshd.client_key.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert refused(sshd, key_file=None).code == "no_credentials"


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("shape", ["OPENSSH", "PEM", "PKCS8"])
def test_encrypted_keys_of_every_kind(
    sshd: Sshd, opened: Callable[..., SshSession], tmp_path: Path, kind: str, shape: str
) -> None:
    more = () if shape == "OPENSSH" or kind == "ed25519" else ("-m", shape)
    key = make_key(tmp_path / "key", kind, "pass phrase é", *more)
    with sshd.authorized_keys.open("a") as file:
        file.write(public_half(key) + "\n")
    session = opened(key_file=str(key), key_passphrase=SecretStr("pass phrase é"))
    assert session.carry_out([ReadFile("/nowhere")]) == [Absent()]
    assert refused(sshd, key_file=str(key)).code == "passphrase_missing"
    wrong = refused(sshd, key_file=str(key), key_passphrase=SecretStr("wrong one"))
    assert wrong.code == "passphrase_wrong"
    assert "wrong one" not in str(wrong)


def test_key_files_that_cannot_be_used(sshd: Sshd, tmp_path: Path) -> None:
    assert refused(sshd, key_file=str(tmp_path / "none")).code == "key_missing"
    assert refused(sshd, key_file=str(tmp_path)).code == "key_unreadable"
    (tmp_path / "text").write_text("no key")
    assert refused(sshd, key_file=str(tmp_path / "text")).code == "key_unreadable"
    assert refused(sshd, key_file=f"{sshd.client_key}.pub").code == "key_unreadable"


def test_a_key_is_read_once_and_again_when_it_changes(tmp_path: Path) -> None:
    ring, key = KeyRing(), make_key(tmp_path / "key")
    first = ring.load(str(key))
    assert ring.load(str(key)) is first
    key.write_bytes(make_key(tmp_path / "other").read_bytes())
    os.utime(key, (1, 1))
    assert ring.load(str(key)) != first


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    place = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    while not place.exists():
        assert process.poll() is None

    def add(key: Path) -> None:
        subprocess.run(["ssh-add", "-q", str(key)], check=True)

    yield add
    process.terminate()
    process.wait()


def test_an_agent_only_when_asked(
    sshd: Sshd, opened: Callable[..., SshSession], agent: Callable[[Path], None], tmp_path: Path
) -> None:
    assert refused(sshd, key_file=None, agent=True).code == "agent_missing"
    for number in range(3):
        agent(make_key(tmp_path / f"wrong{number}"))
    assert refused(sshd, key_file=None, agent=True).code == "agent_refused"
    agent(sshd.client_key)
    assert refused(sshd, key_file=None).code == "no_credentials"
    assert opened(key_file=None, agent=True).carry_out([ReadFile("/nowhere")]) == [Absent()]


def test_no_agent_running(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert refused(sshd, key_file=None, agent=True).code == "agent_missing"


def test_two_proofs_asked_for_are_one_too_many(tmp_path: Path) -> None:
    with Sshd(
        tmp_path, AuthenticationMethods="publickey,keyboard-interactive", KbdInteractiveAuthentication="yes"
    ) as server:
        assert refused(server).code == "more_asked"


class PasswordServer(asyncssh.SSHServer):
    """Lets in with the password ``right``; counts what it is asked."""

    def __init__(self, mode: str, seen: list[str]) -> None:
        self.mode = mode
        self.seen = seen

    def password_auth_supported(self) -> bool:
        return self.mode == "password"

    def validate_password(self, _username: str, password: str) -> bool:
        self.seen.append(password)
        return password == "right"

    def kbdint_auth_supported(self) -> bool:
        return self.mode in ("questions", "expired", "patient")

    def get_kbdint_challenge(self, _username: str, _lang: str, _submethods: str) -> object:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, _username: str, responses: list[str]) -> object:
        self.seen += responses
        if self.mode == "expired" and responses == ["right"]:
            return "", "", "", [("Old password: ", False), ("New password: ", False)]
        if self.mode == "patient" and responses != ["right"]:
            return "", "", "", [("Password: ", False)]
        return responses == ["right"]


@pytest.fixture
def password_server() -> Iterator[Callable[[str], tuple[Reach, list[str]]]]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    key = asyncssh.generate_private_key("ssh-ed25519")
    servers = []

    def start(mode: str) -> tuple[Reach, list[str]]:
        seen: list[str] = []

        async def listen() -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_host_keys=[key],
                server_factory=lambda: PasswordServer(mode, seen),
                sftp_factory=True,
            )

        server = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
        servers.append(server)
        public = key.export_public_key().decode().strip()
        reach = Reach("poste", "127.0.0.1", server.get_port(), "paye", timeout=5, deadline=20, host_keys=(public,))
        return reach, seen

    yield start

    async def stop() -> None:
        for server in servers:
            server.close()
            await server.wait_closed()
        await asyncio.sleep(0.05)

    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def let_in(reach: Reach) -> None:
    with open_session(reach, socket.create_connection((reach.address, reach.port)), read_only=True) as session:
        assert session.carry_out([ReadFile("/nowhere")]) == [Absent()]


def refusal_of(reach: Reach, password: str) -> str:
    with pytest.raises(NotLetInError) as caught:
        let_in(dataclasses.replace(reach, password=SecretStr(password)))
    assert password not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("mode", ["password", "questions"])
def test_a_password_is_sent_once(password_server: Callable[[str], tuple[Reach, list[str]]], mode: str) -> None:
    reach, seen = password_server(mode)
    let_in(dataclasses.replace(reach, password=SecretStr("right")))
    assert refusal_of(reach, "wrong-one") == "password_refused"
    assert seen == ["right", "wrong-one"]


def test_an_expired_password_is_not_answered_for(
    password_server: Callable[[str], tuple[Reach, list[str]]],
) -> None:
    reach, seen = password_server("expired")
    assert refusal_of(reach, "right") == "more_asked"
    assert seen == ["right"]


def test_a_question_that_is_asked_again_is_a_wrong_password(
    password_server: Callable[[str], tuple[Reach, list[str]]],
) -> None:
    reach, seen = password_server("patient")
    assert refusal_of(reach, "wrong-one") == "password_refused"
    assert seen == ["wrong-one"]


def test_a_server_that_wants_no_password(sshd: Sshd) -> None:
    assert refused(sshd, key_file=None, password=SecretStr("geheim")).code == "password_not_accepted"


def test_a_refused_key_is_followed_by_the_password(
    password_server: Callable[[str], tuple[Reach, list[str]]], tmp_path: Path
) -> None:
    reach, seen = password_server("password")
    key = make_key(tmp_path / "key")
    let_in(dataclasses.replace(reach, key_file=str(key), password=SecretStr("right")))
    assert seen == ["right"]
