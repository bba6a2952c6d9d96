"""The SFTP codec against servers that answer out of order, in small pieces, or nonsense, over a real SSH connection."""

from __future__ import annotations

import contextlib
import random
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator

import paramiko
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from iea_fleet.errors import BrokenError
from iea_fleet.model.request import Failed, FileContent, NotReached, OpenUrl, ReadFile, ReplaceFile, Stat, digest
from iea_fleet.transports.base import Reach
from iea_fleet.transports.sftp import Attributes, Handle, Name, Status, _Body, _reply, text
from iea_fleet.transports.sftp_words import refused_write
from iea_fleet.transports.ssh import SshSession, open_session

Answer = Callable[[int, int, bytes], list[bytes]]
HOST_KEY = paramiko.ECDSAKey.generate()
VERSION = struct.pack(">IBI", 5, 2, 3)


def packet(kind: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(body) + 5, kind, number) + body


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def status(number: int, code: int, text: bytes = b"") -> bytes:
    return packet(101, number, struct.pack(">I", code) + string(text) + string(b""))


class Player(paramiko.ServerInterface):
    """Lets everybody in, and refuses to forward in the words of a French Windows, which are no UTF-8."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport

    def check_channel_direct_tcpip_request(self, chanid: int, _origin: object, _destination: object) -> int:
        refusal = paramiko.Message()
        refusal.add_byte(bytes([paramiko.common.MSG_CHANNEL_OPEN_FAILURE]))
        refusal.add_int(chanid)
        refusal.add_int(2)
        refusal.add_string("Hôte inconnu".encode("cp1252"))
        refusal.add_string("")
        self._transport._send_message(refusal)
        return paramiko.OPEN_FAILED_CONNECT_FAILED

    def check_auth_password(self, _username: str, _password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, _channel: paramiko.Channel, name: str) -> bool:
        return name == "sftp"


@pytest.fixture
def played() -> Iterator[Callable[..., SshSession]]:
    """Opens a session with a server whose every answer is made by a function of kind, number and body."""
    with contextlib.ExitStack() as stack:

        def start(answer: Answer, version: bytes = VERSION) -> SshSession:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            client = socket.create_connection(listener.getsockname())
            sock, _ = listener.accept()
            server = paramiko.Transport(sock)
            server.add_server_key(HOST_KEY)
            stack.callback(server.join, 3)
            stack.callback(server.close)
            begun = threading.Event()
            server.start_server(event=begun, server=Player(server))
            thread = threading.Thread(target=play, args=(server, answer, version), daemon=True)
            thread.start()
            stack.callback(thread.join, 3)
            key = f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}"
            reach = Reach("poste", "127.0.0.1", 1, "u", 1.0, 20.0, SecretStr("x"), host_keys=(key,))
            return stack.enter_context(open_session(reach, client, read_only=False))

        yield start


def play(server: paramiko.Transport, answer: Answer, version: bytes) -> None:
    channel = server.accept(10)
    if channel is None:
        return
    received = b""
    with contextlib.suppress(OSError, EOFError):
        while data := channel.recv(65536):
            received += data
            out: list[bytes] = []
            while len(received) >= 4 and len(received) >= 4 + int.from_bytes(received[:4], "big"):
                length = int.from_bytes(received[:4], "big")
                body, received = received[4 : 4 + length], received[4 + length :]
                out += [version] if body[0] == 1 else answer(body[0], int.from_bytes(body[1:5], "big"), body[5:])
            channel.sendall(b"".join(out))


def small_file(content: bytes, piece: int = 32768) -> Answer:
    """A server with one file, which gives at most ``piece`` bytes at once."""
    attributes = struct.pack(">IQI", 0x1 | 0x4, len(content), stat.S_IFREG | 0o644)

    def answer(kind: int, number: int, body: bytes) -> list[bytes]:
        if kind == 3:
            return [packet(102, number, string(b"h"))]
        if kind == 5:
            offset, length = struct.unpack(">QI", body[-12:])
            data = content[offset : offset + min(length, piece)]
            return [packet(103, number, string(data)) if data else status(number, 1)]
        if kind in (7, 8):
            return [packet(105, number, attributes)]
        return [status(number, 0)]

    return answer


def test_answers_in_any_order_and_in_any_cut(played: Callable[..., SshSession]) -> None:
    content = random.Random(1).randbytes(300_000)
    plain = small_file(content)
    held: list[bytes] = []

    def shuffled(kind: int, number: int, body: bytes) -> list[bytes]:
        held.extend(plain(kind, number, body))
        if kind not in (4, 17, 3):
            return []
        out, held[:] = random.Random(number).sample(held, len(held)), []
        return out

    session = played(shuffled)
    assert session.carry_out([ReadFile("/f")]) == [FileContent.of(content)]


@pytest.mark.parametrize("piece", [1000, 8192, 32767])
def test_servers_that_give_smaller_pieces(played: Callable[..., SshSession], piece: int) -> None:
    content = random.Random(2).randbytes(100_000)
    assert played(small_file(content, piece)).carry_out([ReadFile("/f")]) == [FileContent.of(content)]


def test_a_refusal_in_another_encoding_is_told_and_survived(played: Callable[..., SshSession]) -> None:
    session = played(small_file(b"old"))
    for _ in range(2):
        (answer,) = session.carry_out([OpenUrl("https://serveur.example/")])
        assert isinstance(answer, NotReached)
        assert answer.reason_code == "name_unknown"
        assert "H\ufffdte inconnu" in answer.reason
    assert session.carry_out([ReadFile("/f")]) == [FileContent.of(b"old")]


def test_a_file_that_grows_each_time_is_not_believed(played: Callable[..., SshSession]) -> None:
    sizes = iter(range(10, 1000))

    def growing(kind: int, number: int, body: bytes) -> list[bytes]:
        return small_file(bytes(next(sizes)))(kind, number, body)

    (answer,) = played(growing).carry_out([ReadFile("/f")])
    assert isinstance(answer, Failed)
    assert answer.reason_code == "keeps_changing"


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda _number: [struct.pack(">I", 0x7FFFFFFF)],
        lambda _number: [struct.pack(">I", 0)],
        lambda number: [packet(102, number + 99, string(b"h"))],
        lambda number: [packet(102, number, string(b"h")) * 2],
        lambda number: [packet(102, number, struct.pack(">I", 999) + b"h")],
        lambda number: [packet(104, number, struct.pack(">I", 0xFFFFFFFF))],
        lambda number: [packet(105, number, struct.pack(">I", 0x80000000) + b"\xff\xff\xff\xff")],
        lambda number: [packet(77, number)],
        lambda number: [packet(101, number)],
    ],
    ids=[
        "huge",
        "empty",
        "unknown number",
        "twice",
        "short string",
        "many names",
        "many attributes",
        "kind",
        "no code",
    ],
)
def test_nonsense_ends_the_session(played: Callable[..., SshSession], nonsense: Callable[[int], list[bytes]]) -> None:
    session = played(lambda _kind, number, _body: nonsense(number))
    with pytest.raises(BrokenError) as caught:
        session.carry_out([Stat("/f"), Stat("/g")])
    assert caught.value.code == "protocol_error"


@pytest.mark.parametrize("version", [struct.pack(">IBI", 5, 2, 2), b"Welcome to the machine\r\n", status(1, 0)])
def test_a_wrong_greeting_ends_the_session(played: Callable[..., SshSession], version: bytes) -> None:
    with pytest.raises(BrokenError) as caught:
        played(small_file(b""), version).carry_out([Stat("/f")])
    assert caught.value.code in ("protocol_error", "went_silent")


def test_silence_ends_the_session(played: Callable[..., SshSession]) -> None:
    with pytest.raises(BrokenError) as caught:
        played(lambda _kind, _number, _body: []).carry_out([Stat("/f")])
    assert caught.value.code == "went_silent"


def test_a_server_that_cannot_replace_in_one_step_is_not_trusted_with_it(played: Callable[..., SshSession]) -> None:
    (answer,) = played(small_file(b"old")).carry_out([ReplaceFile("/f", b"new", digest(b"old"))])
    assert isinstance(answer, Failed)
    assert answer.reason_code == "not_supported"


def test_answers_to_another_question_are_refused(played: Callable[..., SshSession]) -> None:
    (answer,) = played(lambda _kind, number, _body: [packet(103, number, string(b"x"))]).carry_out([Stat("/f")])
    assert isinstance(answer, Failed)
    assert answer.reason_code == "server_refused"


@settings(max_examples=300, deadline=None)
@given(st.integers(100, 106) | st.just(201), st.binary(max_size=80))
def test_any_packet_is_read_or_refused_as_one_kind_of_error(kind: int, body: bytes) -> None:
    try:
        reply = _reply(kind, _Body(body, 0))
    except (struct.error, LookupError):
        return
    assert isinstance(reply, Status | Handle | bytes | list | Attributes)


def test_names_in_any_encoding_go_back_as_they_came() -> None:
    body = struct.pack(">I", 1) + string(b"caf\xe9") + string(b"-rw-r--r--  1 a b") + struct.pack(">I", 0)
    reply = _reply(104, _Body(body, 0))
    assert isinstance(reply, list)
    assert isinstance(reply[0], Name)
    assert text(reply[0].name) == string(b"caf\xe9")


@pytest.mark.parametrize(
    ("room", "said", "code"),
    [
        ((4096, 4096, 9, 0, 0, 9, 9, 9, 1, 0, 255), b"Failure", "disk_full"),
        ((4096, 4096, 9, 1, 1, 9, 9, 9, 1, 0, 255), b"Failure", "disk_full"),
        ((4096, 4096, 9, 9, 9, 9, 9, 9, 1, 1, 255), b"Failure", "read_only_file_system"),
        ((4096, 4096, 9, 9, 9, 9, 9, 9, 1, 0, 255), b"Failure", "server_refused"),
        (None, b"Failure", "server_refused"),
        (None, b"No space left on device", "disk_full"),
        (None, b"Read-only file system", "read_only_file_system"),
    ],
)
def test_why_a_write_was_refused(room: tuple[int, ...] | None, said: bytes, code: str) -> None:
    reply = struct.pack(">11Q", *room) if room else None
    assert refused_write(Status(4, said.decode()), reply, "/f", 5000).reason_code == code
