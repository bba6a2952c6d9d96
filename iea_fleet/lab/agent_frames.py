"""How the agent is spoken to, seen from the workstation: frames around lines of a word and its fields.

The shipped protocol is described in ``transports/windows/__init__.py``; this reads and writes it a second time, from
that description alone, so that a mistake on one side shows on the other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LONGEST_LINE = 1000
_MAGIC = "IEA1"


class TornError(Exception):
    """What came in is not what was sent."""


class RefusedError(Exception):
    """A request ends here; ``answer`` is what is said of it."""

    def __init__(self, answer: Line) -> None:
        super().__init__(answer.word)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Line:
    """A request or an answer: a word, and fields of bytes by name."""

    word: str
    fields: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def text(self, name: str) -> str:
        """A field as text. KeyError without it."""
        return self.fields[name].decode("utf-8", "surrogateescape")

    def number(self, name: str) -> float:
        """A field as a number. ValueError when it is none."""
        return float(self.fields[name])

    def is_set(self, name: str) -> bool:
        """A field that says yes."""
        return self.fields[name] == b"yes"


def answer(word: str, **fields: str | bytes | int) -> Line:
    """An answer with these fields, text in UTF-8 and numbers in decimal."""
    return Line(word, {name: _as_bytes(value) for name, value in fields.items()})


def failed(code: str, detail: str = "", **more: int) -> Line:
    """The answer of a request that could not be carried out."""
    return answer("failed", code=code, detail=detail, **more)


def unpack(stdin: bytes) -> tuple[bytes, list[Line]]:
    """The script and the batch that came on standard input. TornError unless every byte of it is there."""
    try:
        head, *rest = stdin.decode("ascii").split()
        magic, digest, body = head, rest[0], rest[1:]
        if any(len(line) > _LONGEST_LINE for line in body):
            raise TornError("a line is too long")
        inflated = _inflate(base64.b64decode("".join(body), validate=True), digest)
        script, _, batch = inflated.partition(b"\0")
        lines = [_line(text) for text in batch.decode("utf-8").splitlines()]
    except (ValueError, IndexError, binascii.Error, zlib.error) as error:
        raise TornError(str(error)) from error
    if magic != _MAGIC or not lines or lines[0].word != "batch":
        raise TornError("no batch")
    return script, lines


def pack(lines: Iterable[Line]) -> bytes:
    """The one line on standard output that holds these answers."""
    written = "".join(f"{_written(line)}\n" for line in lines)
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = compressor.compress(written.encode("utf-8")) + compressor.flush()
    digest = hashlib.sha256(deflated).hexdigest()
    return f"\n{_MAGIC} {digest} {base64.b64encode(deflated).decode('ascii')}\n".encode("ascii")


def _inflate(deflated: bytes, digest: str) -> bytes:
    if hashlib.sha256(deflated).hexdigest() != digest:
        raise TornError("the digest does not hold")
    return zlib.decompress(deflated, wbits=-zlib.MAX_WBITS)


def _line(text: str) -> Line:
    word, *fields = text.split(" ")
    pairs = (field.partition("=") for field in fields)
    return Line(word, {name: base64.b64decode(value, validate=True) for name, _, value in pairs})


def _written(line: Line) -> str:
    fields = (f"{name}={base64.b64encode(value).decode('ascii')}" for name, value in line.fields.items())
    return " ".join((line.word, *fields))


def _as_bytes(value: str | bytes | int) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
