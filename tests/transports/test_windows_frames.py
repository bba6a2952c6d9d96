"""What travels to the agent and back: any batch survives, any noise is ignored, any torn byte is found."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.transports.windows import frames


def frame(answer: bytes) -> bytes:
    """What the agent prints."""
    deflating = zlib.compressobj(wbits=-15)
    deflated = deflating.compress(answer) + deflating.flush()
    return b"IEA1 " + hashlib.sha256(deflated).hexdigest().encode() + b" " + base64.b64encode(deflated) + b"\r\n"


def unpacked(stdin: bytes) -> tuple[bytes, bytes]:
    """What the bootstrap does with standard input: the script and the batch."""
    head, *lines = stdin.decode("ascii").splitlines()
    assert max(map(len, lines)) <= 1000
    mark, digest = head.split(" ")
    deflated = base64.b64decode("".join(lines))
    assert (mark, digest) == ("IEA1", hashlib.sha256(deflated).hexdigest())
    script, _, batch = zlib.decompress(deflated, -15).partition(b"\0")
    return script, batch


@given(st.binary(max_size=5000))
def test_any_batch_survives(batch: bytes) -> None:
    script, arrived = unpacked(frames.standard_input(batch))
    assert arrived == batch
    assert script == frames.script("agent.ps1")


def test_the_command_line_is_constant_and_survives_both_default_shells() -> None:
    line = frames.command_line()
    assert line.isascii()
    assert not set(line) & set("\"'%&|<>^!$`\r\n")
    assert len(line) < 8191  # the longest that cmd.exe takes
    encoded = line.rpartition(" ")[2]
    assert base64.b64decode(encoded).decode("utf-16-le").encode() == frames.script("bootstrap.ps1")


@given(
    answer=st.binary(max_size=300),
    before=st.binary(max_size=60) | st.sampled_from([b"IEA1 ", b"IEA1 IEA1 ", b"IEA1 " + b"0" * 64 + b" "]),
    after=st.binary(max_size=60) | st.just(b"IEA1 " + b"0" * 64 + b" AAAA"),
)
def test_any_noise_around_the_frame_is_ignored(answer: bytes, before: bytes, after: bytes) -> None:
    assert frames.read_answer(before + frame(answer) + after) == answer


@given(answer=st.binary(min_size=1, max_size=300), data=st.data())
def test_any_torn_byte_is_found(answer: bytes, data: st.DataObject) -> None:
    whole = bytearray(frame(answer).rstrip())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255).filter(lambda other: other != whole[at]))
    with pytest.raises((frames.TornError, frames.NoFrameError)):
        frames.read_answer(bytes(whole) + b"\r\n")


@given(answer=st.binary(min_size=1, max_size=300), data=st.data())
def test_an_answer_that_breaks_off_is_found(answer: bytes, data: st.DataObject) -> None:
    whole = frame(answer).rstrip()
    with pytest.raises((frames.TornError, frames.NoFrameError)):
        frames.read_answer(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(answer=st.binary(max_size=300), width=st.integers(70, 120))
def test_a_folded_line_is_unfolded(answer: bytes, width: int) -> None:
    line = frame(answer).rstrip()
    folded = b"\r\n".join(line[at : at + width] for at in range(0, len(line), width))
    assert frames.read_answer(b"PS> \r\n" + folded + b"\r\n") == answer


def test_two_different_answers_are_none() -> None:
    assert frames.read_answer(frame(b"1") * 2) == b"1"
    with pytest.raises(frames.TornError):
        frames.read_answer(frame(b"1") + frame(b"2"))


def test_what_inflates_without_end_is_refused() -> None:
    with pytest.raises(frames.TornError):
        frames.read_answer(frame(b"\0" * (frames.LARGEST_ANSWER + 1)))


@pytest.mark.parametrize("deflated", [b"\xff\xff\xff", b"", zlib.compress(b"not raw")])
def test_what_does_not_inflate_is_torn(deflated: bytes) -> None:
    line = b"IEA1 " + hashlib.sha256(deflated).hexdigest().encode() + b" " + base64.b64encode(deflated)
    with pytest.raises(frames.TornError):
        frames.read_answer(line)
