"""The remote shells of the lab, told to the letter."""

from __future__ import annotations

import functools
import hashlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from winrm_endpoints import Endpoints, endpoints
from winrm_messages import FaultError, Speaker, StatusError, batch, speak

from iea_fleet.lab.winrm_server import WinrmWorkstation
from iea_fleet.lab.winrm_shells import CMD, CREATE, ENVELOPE, MOST_SHELLS, SEND, SIGNAL
from iea_fleet.lab.wsman import seconds
from iea_fleet.model.request import MakeFolder, ReadFile, ReplaceFile
from iea_fleet.transports.windows import frames

FOLDER = "C:/ProgramData/ImpactEmploi"
SETTINGS = f"{FOLDER}/connexion.properties"
OLD, NEW = b"connexion.securisee=N\n", b"connexion.securisee=O\n"
TIMED_OUT, NO_SUCH, ABORTED = 2150858793, 2150858843, 995


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Endpoints]:
    with endpoints(tmp_path) as running:
        yield running


@pytest.fixture
def one(lab: Endpoints) -> WinrmWorkstation:
    return lab.add()


@pytest.fixture
def speaker(lab: Endpoints, one: WinrmWorkstation) -> Speaker:
    return speak(lab, one)


def settings(one: WinrmWorkstation) -> bytes:
    return one.workstation.file("connexion.properties").read_bytes()


def replacement(content: bytes = NEW) -> bytes:
    expected = f"sha256:{hashlib.sha256(OLD).hexdigest()}"
    private = MakeFolder("C:/ProgramData/iea-fleet", private=True)
    return batch(private, ReplaceFile(SETTINGS, content, expected), read_only=False)


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def code_of(call: Callable[[], object]) -> int:
    with pytest.raises(FaultError) as refused:
        call()
    return refused.value.code


def test_a_session_of_the_agent(speaker: Speaker, one: WinrmWorkstation) -> None:
    out, err, code = speaker.run(replacement())
    assert (err, code) == (b"", 0)
    assert frames.read_answer(out).count(b"\ndone ") == 2
    assert settings(one) == NEW
    assert len(one.shells) == 0


def test_nothing_to_tell_in_time_is_a_fault_and_no_end(speaker: Speaker) -> None:
    speaker.create()
    speaker.start()
    begun = time.monotonic()
    assert code_of(lambda: speaker.receive("PT0.3S")) == TIMED_OUT
    assert time.monotonic() - begun >= 0.3
    speaker.feed(b"", last=True)
    assert speaker.receive_all()[2] == 90


def test_standard_input_may_come_in_pieces(speaker: Speaker) -> None:
    speaker.create()
    speaker.start()
    whole = batch(ReadFile(SETTINGS))
    for at in range(0, len(whole), 3000):
        speaker.feed(whole[at : at + 3000], last=False)
    speaker.feed(b"")
    assert speaker.receive_all()[2] == 0
    assert code_of(lambda: speaker.feed(b"more")) == 2147942509


def test_what_is_not_there_is_told_as_windows_does(speaker: Speaker) -> None:
    speaker.shell = "11111111-1111-1111-1111-111111111111"
    assert code_of(speaker.start) == NO_SUCH
    assert code_of(speaker.delete) == NO_SUCH
    speaker.create()
    speaker.command = speaker.shell
    assert code_of(speaker.receive) == NO_SUCH
    assert code_of(lambda: speaker.feed(b"")) == NO_SUCH
    speaker.signal()


def test_what_cannot_be_asked_is_told_as_windows_does(speaker: Speaker) -> None:
    assert code_of(lambda: speaker.tell(CREATE, resource="http://schemas.microsoft.com/powershell/x")) == 2150858811
    assert code_of(lambda: speaker.tell(CREATE)) == 2150858817
    speaker.create()
    assert code_of(lambda: speaker.tell(f"{CMD}/Sing")) == 2150858753
    assert code_of(lambda: speaker.tell(SIGNAL)) == 2150858817
    speaker.start()
    for nonsense in ("a", "é"):
        piece = f'<rsp:Send><rsp:Stream CommandId="{speaker.command}">{nonsense}</rsp:Stream></rsp:Send>'
        assert code_of(functools.partial(speaker.tell, SEND, piece)) == 2150858817


@pytest.mark.parametrize("body", [b"<a", b"<a/>", b"\xff\xfe", b'<?xml version="1.0" encoding="nonsense"?><a/>'])
def test_what_is_no_message_is_a_bad_request(speaker: Speaker, body: bytes) -> None:
    with pytest.raises(StatusError) as refused:
        speaker.send(body)
    assert refused.value.status == 400
    speaker.create()


def test_a_message_too_large_is_refused_and_the_connection_stays(speaker: Speaker) -> None:
    with pytest.raises(StatusError) as refused:
        speaker.send(b"<a>" + b" " * ENVELOPE + b"</a>")
    assert refused.value.status == 413
    speaker.create()


def test_a_user_has_thirty_shells_and_no_more(speaker: Speaker) -> None:
    for _ in range(MOST_SHELLS):
        speaker.create()
    assert code_of(speaker.create) == 2150859173
    speaker.delete()
    speaker.create()


@pytest.mark.parametrize("largest", [8192, 32_768, 153_600, 512_000, 10_000_000])
def test_output_comes_in_messages_that_the_client_takes(speaker: Speaker, one: WinrmWorkstation, largest: int) -> None:
    content = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(8000))
    one.workstation.file("big.bin").write_bytes(content)
    speaker.largest = largest
    out, err, code = speaker.run(batch(ReadFile(f"{FOLDER}/big.bin")))
    assert (err, code) == (b"", 0)
    assert len(frames.read_answer(out)) > len(content)
    assert speaker.longest <= min(largest, ENVELOPE)


def test_a_command_line_is_as_long_as_cmd_takes_it(speaker: Speaker) -> None:
    speaker.create()
    speaker.start("x" * 8191)
    assert b"is not recognized" in speaker.receive_all()[1]
    speaker.start("x" * 8192)
    assert speaker.receive_all() == (b"", b"The command line is too long.\r\n", 1)


def test_without_cmd_a_program_needs_its_full_path(speaker: Speaker) -> None:
    """As recorded from a Windows host, powershell.exe included."""
    speaker.create()
    assert code_of(lambda: speaker.start(options='<w:Option Name="WINRS_SKIP_CMD_SHELL">TRUE</w:Option>')) == 2147942402


def test_a_shell_that_nobody_uses_ends(speaker: Speaker, one: WinrmWorkstation) -> None:
    speaker.create("PT0.3S")
    speaker.start()
    assert code_of(lambda: speaker.receive("PT0.6S")) == TIMED_OUT
    assert len(one.shells) == 1, "a shell of which somebody waits for output is not idle"
    wait_for(lambda: len(one.shells) == 0)
    assert code_of(speaker.receive) == NO_SUCH


def test_a_signal_ends_a_command_that_somebody_waits_for(lab: Endpoints, one: WinrmWorkstation) -> None:
    waiting, other = speak(lab, one), speak(lab, one)
    waiting.create()
    waiting.start()
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(code_of(waiting.receive)))
    thread.start()
    other.shell, other.command = waiting.shell, waiting.command
    time.sleep(0.1)
    other.signal()
    thread.join(10)
    assert codes == [ABORTED]
    assert code_of(waiting.receive) == NO_SUCH


@pytest.mark.parametrize("end", [Speaker.signal, Speaker.delete])
def test_the_end_of_a_command_or_its_shell_kills_the_process(
    lab: Endpoints, one: WinrmWorkstation, speaker: Speaker, end: Callable[[Speaker], None]
) -> None:
    lab.spoil(one, "slow-powershell=400")
    speaker.create()
    speaker.start()
    speaker.feed(replacement())
    end(speaker)
    time.sleep(0.6)
    assert settings(one) == OLD


def test_a_process_outlives_the_connection_and_its_shell_waits(
    lab: Endpoints, one: WinrmWorkstation, speaker: Speaker
) -> None:
    lab.spoil(one, "slow-powershell=300")
    speaker.create()
    speaker.start()
    speaker.feed(replacement())
    speaker.connection.close()
    wait_for(lambda: settings(one) == NEW)
    again = speak(lab, one)
    again.shell, again.command = speaker.shell, speaker.command
    assert again.receive_all()[2] == 0


def test_output_that_nobody_could_take_is_not_lost(lab: Endpoints, one: WinrmWorkstation, speaker: Speaker) -> None:
    """The connection ends while somebody waits for output: it is there for the next who asks."""
    speaker.create()
    speaker.start()
    speaker.connection.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        speaker.receive("PT20S")
    speaker.connection.close()
    again = speak(lab, one)
    again.shell, again.command = speaker.shell, speaker.command
    again.feed(batch(ReadFile(SETTINGS)))
    assert frames.read_answer(again.receive_all()[0])


def test_a_restart_ends_all_shells(lab: Endpoints, one: WinrmWorkstation, speaker: Speaker) -> None:
    lab.spoil(one, "slow-powershell=400")
    speaker.create()
    speaker.start()
    speaker.feed(replacement())
    lab.do(one.restart)
    with pytest.raises((http.client.HTTPException, OSError)):
        speaker.receive()
    wait_for(lambda: _answers(lab, one))
    assert len(one.shells) == 0
    assert settings(one) == OLD


def _answers(lab: Endpoints, one: WinrmWorkstation) -> bool:
    try:
        again = speak(lab, one)
        again.create()
        again.delete()
    except OSError:
        return False
    return True


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_durations(days: int, hours: int, minutes: int, whole: int, thousandth: int) -> None:
    told = f"P{days}DT{hours}H{minutes}M{whole}.{thousandth:03}S"
    assert seconds(told, -1) == pytest.approx(((days * 24 + hours) * 60 + minutes) * 60 + whole + thousandth / 1000)


@pytest.mark.parametrize("nonsense", ["", "P", "PT", "60", "PT-1S", "PTS", "PT1H1"])
def test_what_is_no_duration(nonsense: str) -> None:
    assert seconds(nonsense, 60.0) == 60.0
