"""SFTP version 3 (draft-ietf-secsh-filexfer-02) over a channel: many requests in flight, answers in any order."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from paramiko import Channel

from iea_fleet.errors import BrokenError
from iea_fleet.transports.connection import Connection, close_channel
from iea_fleet.transports.ssh_errors import WIRE_ERRORS

OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, FSETSTAT = 3, 4, 5, 6, 7, 8, 10
OPENDIR, READDIR, REMOVE, MKDIR, RENAME, EXTENDED = 11, 12, 13, 14, 18, 200
_INIT, _VERSION, _STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED_REPLY = 1, 2, 101, 102, 103, 104, 105, 201

OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = 0, 1, 2, 3, 4, 5, 8
FOR_READING, FOR_NEW_FILE = 0x01, 0x02 | 0x08 | 0x20

FSYNC: Final = b"fsync@openssh.com"
POSIX_RENAME: Final = b"posix-rename@openssh.com"
STATVFS: Final = b"statvfs@openssh.com"

PIECE: Final = 32768
"""How much one READ or WRITE carries: what every server has to take."""

_PAUSE: Final = 0.002
_LARGEST: Final = 256 * 1024 + 1024
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x1, 0x2, 0x4, 0x8, 0x80000000


class Status(NamedTuple):
    """How a request ended that gives nothing back."""

    code: int
    text: str


class Attributes(NamedTuple):
    """What a server tells of a file; None is what it does not tell. Times are seconds since 1970."""

    size: int | None
    owner: int | None
    group: int | None
    mode: int | None
    modified: int | None


class Name(NamedTuple):
    """One entry of a folder. ``described`` is a line as ``ls -l`` prints it."""

    name: str
    described: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Handle:
    """An open file or folder."""

    value: bytes


Reply = Status | Handle | bytes | list[Name] | Attributes
Packet = tuple[int, bytes]


def text(value: bytes | str) -> bytes:
    """A string as it stands in a packet. Names that came in another encoding go back byte for byte."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def open_file(path: str, flags: int, mode: int | None = None) -> Packet:
    """OPEN; ``mode`` is that of a new file."""
    attributes = struct.pack(">I", 0) if mode is None else struct.pack(">II", _HAS_MODE, mode)
    return OPEN, text(path) + struct.pack(">I", flags) + attributes


def make_folder(path: str, mode: int) -> Packet:
    """MKDIR."""
    return MKDIR, text(path) + struct.pack(">II", _HAS_MODE, mode)


def read(handle: Handle, offset: int, length: int) -> Packet:
    """READ."""
    return READ, text(handle.value) + struct.pack(">QI", offset, length)


def write(handle: Handle, content: bytes) -> list[Packet]:
    """As many WRITEs as the content needs."""
    head = text(handle.value)
    return [
        (WRITE, head + struct.pack(">Q", start) + text(content[start : start + PIECE]))
        for start in range(0, len(content), PIECE)
    ]


def set_owner_and_mode(handle: Handle, owner: int, group: int, mode: int) -> Packet:
    """FSETSTAT."""
    return FSETSTAT, text(handle.value) + struct.pack(">IIII", _HAS_OWNER | _HAS_MODE, owner, group, mode)


def of(kind: int, target: str | Handle) -> Packet:
    """A request that names only a path or a handle."""
    return kind, text(target.value if isinstance(target, Handle) else target)


def extended(name: bytes, *rest: str | Handle) -> Packet:
    """An extension of OpenSSH."""
    return EXTENDED, text(name) + b"".join(text(each.value if isinstance(each, Handle) else each) for each in rest)


class _Body:
    """Reads the fields of one packet. struct.error or IndexError when it ends too early."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def whole(self) -> int:
        """Four bytes."""
        (value,) = struct.unpack_from(">I", self._data, self._at)
        self._at += 4
        return int(value)

    def long(self) -> int:
        """Eight bytes."""
        (value,) = struct.unpack_from(">Q", self._data, self._at)
        self._at += 8
        return int(value)

    def string(self) -> bytes:
        """A length, and as many bytes."""
        length = self.whole()
        if self._at + length > len(self._data):
            raise IndexError
        self._at += length
        return self._data[self._at - length : self._at]

    def name(self) -> str:
        """A string that is meant for people or paths."""
        return self.string().decode("utf-8", "surrogateescape")

    def left(self) -> bytes:
        """All that has not been read."""
        return self._data[self._at :]

    def attributes(self) -> Attributes:
        """The ATTRS structure; extended attributes are read over."""
        flags = self.whole()
        size = self.long() if flags & _HAS_SIZE else None
        owner, group = (self.whole(), self.whole()) if flags & _HAS_OWNER else (None, None)
        mode = self.whole() if flags & _HAS_MODE else None
        _, modified = (self.whole(), self.whole()) if flags & _HAS_TIMES else (None, None)
        for _ in range(self.whole() if flags & _HAS_MORE else 0):
            self.string()
            self.string()
        return Attributes(size, owner, group, mode, modified)


class Sftp:
    """An SFTP conversation. Not for two threads at once. BrokenError when the far end is lost, silent or wrong."""

    def __init__(self, channel: Channel, connection: Connection) -> None:
        self._channel = channel
        self._connection = connection
        self._number = 0
        self._received = bytearray()
        self._open: dict[int, Reply | None] = {}
        self._forgotten: set[int] = set()
        # INIT travels with the first requests: nobody waits for its answer alone.
        self._unsent = [struct.pack(">IBI", 5, _INIT, 3)]
        self._greeted = False
        self.extensions: frozenset[bytes] = frozenset()
        """Names of the server's extensions, known once the first answer came."""

    def ask(self, packets: Sequence[Packet]) -> list[Reply]:
        """Send all of these in one go and wait for all answers, which come back in the order of the packets."""
        if not packets:
            return []
        numbers = self._queue(packets)
        self._connection.round_trips += 1
        try:
            waiting = set(numbers) - self._send()
            while waiting:
                waiting -= self._receive(self._connection.seconds_left())
        except WIRE_ERRORS as error:
            raise self._broken(error) from error
        except (struct.error, LookupError) as error:
            raise self._nonsense() from error
        return [reply for number in numbers if (reply := self._open.pop(number)) is not None]

    def forget(self, packets: Sequence[Packet]) -> None:
        """Send these with whatever is asked next; their answers do not matter."""
        self._forgotten.update(self._queue(packets))

    def close(self) -> None:
        """End the conversation; the server closes what is open."""
        close_channel(self._channel)

    def _queue(self, packets: Sequence[Packet]) -> list[int]:
        numbers = []
        for kind, body in packets:
            self._number = (self._number + 1) & 0xFFFFFFFF
            numbers.append(self._number)
            self._open[self._number] = None
            self._unsent.append(struct.pack(">IBI", len(body) + 5, kind, self._number) + body)
        return numbers

    def _send(self) -> set[int]:
        """Send all that is queued, and take answers meanwhile; the numbers that were answered.

        A server that cannot get rid of its answers takes no more requests: whoever only sent would wait for ever.
        """
        rest = memoryview(b"".join(self._unsent))
        self._unsent.clear()
        answered: set[int] = set()
        silent_after = time.monotonic() + self._connection.seconds_left()
        while rest:
            if self._channel.send_ready():
                rest = rest[self._channel.send(bytes(rest[:PIECE])) :]
            elif self._channel.closed:
                raise EOFError
            elif not self._channel.recv_ready():
                if time.monotonic() > silent_after:
                    raise TimeoutError
                time.sleep(_PAUSE)
                continue
            while self._channel.recv_ready():
                answered |= self._receive(self._connection.seconds_left())
            silent_after = time.monotonic() + self._connection.seconds_left()
        return answered

    def _receive(self, seconds: float) -> set[int]:
        """Wait for bytes and take all whole packets out of them; the numbers that were answered."""
        self._channel.settimeout(seconds)
        data = self._channel.recv(65536)
        if not data:
            raise EOFError
        buffer = self._received
        buffer += data
        answered: set[int] = set()
        at = 0
        while len(buffer) - at >= 5:
            (length,) = struct.unpack_from(">I", buffer, at)
            if not 1 <= length <= _LARGEST:
                raise LookupError
            if len(buffer) - at < 4 + length:
                break
            answered |= self._take(bytes(buffer[at + 4 : at + 4 + length]))
            at += 4 + length
        del buffer[:at]
        return answered

    def _take(self, packet: bytes) -> set[int]:
        kind, body = packet[0], _Body(packet, 1)
        if kind == _VERSION and not self._greeted:
            self._greet(body)
            return set()
        number = body.whole()
        if not self._greeted or number not in self._open or self._open[number] is not None:
            raise LookupError
        if number in self._forgotten:
            self._forgotten.discard(number)
            del self._open[number]
            return set()
        self._open[number] = _reply(kind, body)
        return {number}

    def _greet(self, body: _Body) -> None:
        if body.whole() < 3:
            raise LookupError
        self._greeted = True
        found = set()
        while body.left():
            found.add(body.string())
            body.string()
        self.extensions = frozenset(found)

    def _broken(self, error: Exception) -> BrokenError:
        if isinstance(error, TimeoutError):
            self._connection.seconds_left()
            return self._connection.silent()
        return self._connection.lost(error)

    def _nonsense(self) -> BrokenError:
        return BrokenError(
            f"the SFTP server of {self._connection.name} sends answers that make no sense",
            "a login script there that prints text is the usual cause: without a terminal it must print nothing",
            code="protocol_error",
        )


def _reply(kind: int, body: _Body) -> Reply:
    if kind == _STATUS:
        code = body.whole()
        # Some servers leave out the text (and language) that version 3 wants.
        said = body.string() if len(body.left()) >= 4 else b""
        return Status(code, said.decode("utf-8", "replace"))
    if kind == _HANDLE:
        return Handle(body.string())
    if kind == _DATA:
        return body.string()
    if kind == _NAME:
        return [Name(body.name(), body.name(), body.attributes()) for _ in range(body.whole())]
    if kind == _ATTRS:
        return body.attributes()
    if kind == _EXTENDED_REPLY:
        return body.left()
    raise LookupError(kind)
