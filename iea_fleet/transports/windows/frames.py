"""How a batch travels to the agent and its answers back: the command line, standard input, standard output."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import re
import zlib
from importlib import resources
from typing import Final

_MARK: Final = b"IEA1"
_LINE: Final = 1000
_RAW: Final = -zlib.MAX_WBITS
_LEVEL: Final = 6
"""Of zlib: 9 makes the script 1 % smaller in three times the time, 1 makes it a quarter larger."""

LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""How many bytes of answers, inflated, are believed of one batch, and how many of each output stream are kept."""

# Looked for at every place, so that noise which begins like a frame cannot swallow the real one.
_FRAME: Final = re.compile(rb"(?=IEA1 ([0-9a-f]{64}) ([A-Za-z0-9+/]+={0,2}))")


class TornError(Exception):
    """There is a frame on standard output, and no whole one."""


class NoFrameError(Exception):
    """There is no frame on standard output."""


@functools.cache
def command_line() -> str:
    """The constant command line: ASCII without a quote, so that cmd.exe and PowerShell as default shells keep it."""
    code = base64.b64encode(script("bootstrap.ps1").decode("ascii").encode("utf-16-le")).decode("ascii")
    options = "-NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass"
    return f"powershell.exe {options} -EncodedCommand {code}"


def standard_input(batch: bytes) -> bytes:
    """The script and a batch as ASCII lines, with the digest by which the bootstrap knows them to be whole."""
    begun, stream = _begun()
    deflating = stream.copy()
    deflated = begun + deflating.compress(batch) + deflating.flush()
    encoded = base64.b64encode(deflated)
    lines = [encoded[at : at + _LINE] for at in range(0, len(encoded), _LINE)]
    head = b"%s %s" % (_MARK, hashlib.sha256(deflated).hexdigest().encode())
    return b"\n".join([head, *lines, b""])


def read_answer(stdout: bytes) -> bytes:
    """The answers of a batch, whatever else was printed before and after them. NoFrameError, TornError.

    TornError also for answers of more than ``LARGEST_ANSWER`` bytes, and for two different ones.
    """
    # Where PowerShell is the default shell of OpenSSH, it may fold long lines.
    whole = _whole(stdout) or _whole(stdout.translate(None, b"\r\n"))
    if len(whole) == 1:
        return _inflated(whole.pop())
    raise TornError if _MARK + b" " in stdout else NoFrameError


def _whole(stdout: bytes) -> set[bytes]:
    return {deflated for found in _FRAME.finditer(stdout) if (deflated := _checked(*found.groups())) is not None}


def _checked(digest: bytes, encoded: bytes) -> bytes | None:
    try:
        deflated = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        return None
    return deflated if hashlib.sha256(deflated).hexdigest().encode() == digest else None


def _inflated(deflated: bytes) -> bytes:
    inflating = zlib.decompressobj(_RAW)
    try:
        answer = inflating.decompress(deflated, LARGEST_ANSWER)
    except zlib.error as error:
        raise TornError from error
    if not inflating.eof or inflating.unused_data:
        raise TornError
    return answer


@functools.cache
def script(name: str) -> bytes:
    """One of the two constant scripts, byte for byte."""
    return resources.files(__package__).joinpath(name).read_bytes()


@functools.cache
def _begun() -> tuple[bytes, zlib._Compress]:
    """The deflated script, and the stream to go on from: going on from a copy costs a tenth of beginning anew."""
    deflating = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    begun = deflating.compress(script("agent.ps1") + b"\0")
    return begun + deflating.flush(zlib.Z_SYNC_FLUSH), deflating
