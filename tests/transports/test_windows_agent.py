"""What can be wrong with the agent as a whole: each has a code of its own, and nothing that was printed is shown."""

from __future__ import annotations

import base64
import hashlib
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from iea_fleet.errors import BrokenError
from iea_fleet.lab.agent_frames import Line, answer, pack, unpack
from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Failed,
    FileContent,
    MakeFolder,
    OpenUrl,
    Ran,
    Reached,
    ReadFile,
    ReplaceFile,
    Request,
    RunAction,
    Stat,
)
from iea_fleet.transports.base import Ended
from iea_fleet.transports.windows import frames
from iea_fleet.transports.windows.agent import Agent

SECRET = b"Mot-de-passe-1234"
BATCH = [ReadFile("C:/a"), ReadFile("C:/b")]
ABOUT = {"version": "1", "powershell": "5.1.17763.316", "language": "FullLanguage", "windows": "10.0.17763.0"}


class Recorded:
    """A workstation on which every start of PowerShell ends in the same way; what it was given is kept."""

    def __init__(self, end: Callable[[list[Line]], Ended]) -> None:
        self._end = end
        self.given: list[tuple[str, list[Line], float]] = []

    def __call__(self, command_line: str, stdin: bytes, seconds: float) -> Ended:
        script, lines = unpack(stdin)
        assert script == frames.script("agent.ps1")
        self.given.append((command_line, lines, seconds))
        return self._end(lines)


def agent(run: Recorded) -> Agent:
    return Agent(run, "toul-01", private_folder="C:/ProgramData/iea-fleet", timeout=20)


def answering(*lines: Line, identity: str = "", exit_code: int = 0) -> Recorded:
    def end(batch: list[Line]) -> Ended:
        first = answer("agent", id=identity or batch[0].text("id"), **ABOUT)
        return Ended(exit_code, pack([first, *lines]), b"")

    return Recorded(end)


def ending(exit_code: int, stdout: bytes = b"", stderr: bytes = b"") -> Recorded:
    return Recorded(lambda _: Ended(exit_code, stdout, stderr))


def test_a_batch_is_one_start_of_powershell() -> None:
    run = answering(answer("absent"), answer("content", content=b"1"))
    spoken = agent(run)
    assert spoken.carry_out(BATCH, read_only=True) == [Absent(), FileContent.of(b"1")]
    ((command_line, (head, *requests), _),) = run.given
    assert command_line == frames.command_line()
    assert (head.word, head.text("mode")) == ("batch", "read_only")
    assert [each.text("path") for each in requests] == ["C:/a", "C:/b"]
    assert spoken.round_trips == 1
    assert spoken.about is not None
    assert spoken.about[1:] == ("5.1.17763.316", "FullLanguage", "10.0.17763.0")


def test_nothing_asked_is_no_start() -> None:
    run = ending(1)
    assert agent(run).carry_out([], read_only=True) == []
    assert run.given == []


def test_a_session_that_reads_asks_for_no_change() -> None:
    run = ending(1)
    for change in (MakeFolder("C:/a"), RunAction(("C:/a",))):
        with pytest.raises(PermissionError, match=type(change).__name__):
            agent(run).carry_out([Stat("C:/a"), change], read_only=True)
    assert run.given == []


@pytest.mark.parametrize(
    ("batch", "seconds"),
    [
        (BATCH, 20),
        ([*BATCH, RunAction(("C:/a",), timeout=30, reads=True)], 50),
        ([OpenUrl("https://a.example", 15), OpenUrl("https://b.example", 5)], 40),
        ([MakeFolder("C:/a"), RunAction(("C:/a",), timeout=30)], 60),  # others may be writing for 10 s
    ],
)
def test_a_batch_may_take_as_long_as_what_is_in_it(batch: list[Request], seconds: float) -> None:
    run = ending(90)
    with pytest.raises(BrokenError):
        agent(run).carry_out(batch, read_only=False)
    assert run.given[0][2] == seconds


def test_a_patient_question_may_take_as_long_as_a_batch_that_writes() -> None:
    run = ending(90)
    for batch, patient in (([Stat("C:/a")], True), ([MakeFolder("C:/a")], False)):
        with pytest.raises(BrokenError):
            agent(run).ask(batch, read_only=False, patient=patient)
    assert [seconds for _, _, seconds in run.given] == [30, 30]


def test_what_cannot_be_asked_is_answered_here_and_the_rest_is_asked(tmp_path: Path) -> None:
    nothing = tmp_path / "ca.pem"
    nothing.write_text("no certificate")
    refused = [RunAction(("C:/IEA/x.cmd", "a&b")), OpenUrl("https://a.example", ca_file=str(nothing))]
    run = answering(answer("absent"), answer("reached", status=200, location="", seconds="0.1"))
    batch = [refused[0], ReadFile("C:/a"), refused[1], OpenUrl("https://b.example")]
    unsafe, absent, unreadable, reached = agent(run).carry_out(batch, read_only=False)
    assert isinstance(unsafe, Failed)
    assert isinstance(unreadable, Failed)
    assert (unsafe.reason_code, unreadable.reason_code) == ("action_unsafe", "ca_file_unreadable")
    assert (absent, reached) == (Absent(), Reached(0.1, 200))
    assert [each.word for each in run.given[0][1]] == ["batch", "read_file", "open_url"]
    run = ending(1)
    assert agent(run).carry_out(refused, read_only=False) == [unsafe, unreadable]
    assert run.given == []


def test_an_answer_counts_however_powershell_ends() -> None:
    run = answering(answer("ran", exit_code="7", stdout="", stderr=""), exit_code=0xC0000005)
    assert agent(run).carry_out([RunAction(("C:/a",))], read_only=False) == [Ran(7, b"", b"")]


FRENCH_POLICY = """
. : Impossible de charger le fichier C:\\Windows\\a.psm1, car l'ex\x82cution de scripts est d\x82sactiv\x82e sur ce
syst\x8ame. Pour plus d'informations, consultez about_Execution_Policies \x85 l'adresse
https:/go.microsoft.com/fwlink/?LinkID=135170.
    + CategoryInfo          : Erreur de s\x82curit\x82\xff: (:) [], PSSecurityException
    + FullyQualifiedErrorId : UnauthorizedAccess""".encode("latin-1")
CLIXML = b"#< CLIXML\r\n" + b'<Objs><Obj S="progress" RefId="0"><AV>Preparing modules for first use.</AV></Obj></Objs>'
IN_CLIXML = (
    b'#< CLIXML\r\n<Objs><S S="Error">    + FullyQualifiedErrorId : ScriptContainedMalicious_x000D__x000A_</S>'
    b'<S S="Error">Content_x000D__x000A_</S></Objs>'
)
WHOLE = pack([answer("absent")])


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (Ended(90, b"", b""), "agent_torn"),
        (Ended(91, b"", b""), "constrained_language"),
        (Ended(1, b"IEA1-90\r\n", b""), "agent_torn"),  # PowerShell as the default shell makes 1 of every exit code
        (Ended(1, b"IEA1-91\r\n", b""), "constrained_language"),
        (Ended(1, b"", b"...PropertySetterNotSupportedInConstrainedLanguage"), "constrained_language"),
        (Ended(1, b"", FRENCH_POLICY), "execution_policy"),
        (
            Ended(1, b"", FRENCH_POLICY.replace(b"PSSecurityException", b"PSSecurity\r\n   Exception")),
            "execution_policy",
        ),
        (Ended(1, b"", b"go.microsoft.com/fwlink/?LinkID=1351\r\n70"), "execution_policy"),
        (Ended(1, b"", b"FullyQualifiedErrorId : ScriptContainedMaliciousContent,IEX"), "antivirus_blocked"),
        (Ended(1, b"", IN_CLIXML), "antivirus_blocked"),
        (Ended(9009, b"", b""), "powershell_missing"),
        (
            Ended(1, b"", b"'powershell.exe' is not recognized as an internal or external command,\r\n"),
            "powershell_missing",
        ),
        (
            Ended(1, b"", b"'powershell.exe' n'est pas reconnu en tant que commande interne\r\nou externe"),
            "powershell_missing",
        ),
        (Ended(1, b"", "Le terme «powershell.exe» n’est pas\r\nreconnu".encode()), "powershell_missing"),
        (Ended(1260, b"", b""), "powershell_blocked"),
        (Ended(1, b"", b"This program is blocked by group policy. For more"), "powershell_blocked"),
        (Ended(1, "Ce programme est bloqué par une stratégie de groupe".encode("cp850"), b""), "powershell_blocked"),
        (Ended(0xC0000005, b"", b""), "agent_crashed"),
        (Ended(0xC0000142, b"", CLIXML), "agent_crashed"),
        (Ended(0xE0434352, b"", b""), "agent_crashed"),
        (Ended(-1, b"", b""), "agent_crashed"),
        (Ended(1, b"", b""), "agent_failed"),
        (Ended(1, b"", b"'findstr' is not recognized as an internal or external command"), "agent_failed"),
        (Ended(0xFFFFFFFF, b"", b""), "agent_failed"),
        (Ended(0, b"", b""), "agent_silent"),
        (Ended(0, b"Active code page: 850", CLIXML), "agent_silent"),
        (Ended(0, WHOLE[:40], b""), "answer_torn"),
        (Ended(0, WHOLE[:-9], b""), "answer_torn"),
        (Ended(0, WHOLE.replace(b"IEA1 ", b"IEA1 0"), b""), "answer_torn"),
    ],
)
def test_what_is_wrong_with_the_agent_has_a_code_and_a_remedy(ended: Ended, code: str) -> None:
    run = ending(*ended._replace(stdout=SECRET + ended.stdout, stderr=SECRET + ended.stderr))
    with pytest.raises(BrokenError) as caught:
        agent(run).carry_out(BATCH, read_only=True)
    error = caught.value
    assert error.code == code
    assert "toul-01" in error.sentence
    assert error.hint
    assert SECRET.decode() not in f"{error}{error!r}{error.__cause__!r}"
    assert "{" not in str(error)


@pytest.mark.parametrize("noise", [b"<S ", b"<", b"</S", b"powershell.exe", b"IEA1 "])
def test_output_without_end_is_looked_through_in_no_time(noise: bytes) -> None:
    begun = time.monotonic()
    with pytest.raises(BrokenError):
        agent(ending(1, noise * 200_000)).carry_out(BATCH, read_only=True)
    assert time.monotonic() - begun < 5


def test_what_was_printed_is_told_by_its_size_alone() -> None:
    with pytest.raises(BrokenError, match=r"exit code 0xC0000005, 3 bytes of output, 2 of errors"):
        agent(ending(0xC0000005, b"abc", b"de")).carry_out(BATCH, read_only=True)


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (answering(answer("absent"), answer("absent"), identity="another"), "agent_answers_nonsense"),
        (answering(answer("absent")), "agent_answers_nonsense"),
        (answering(answer("absent"), answer("absent"), answer("absent")), "agent_answers_nonsense"),
        (answering(answer("absent"), answer("done", digest="")), "protocol_error"),
        (answering(answer("absent"), answer("surprise")), "protocol_error"),
        (ending(0, pack([answer("hello")])), "agent_answers_nonsense"),
        (ending(0, pack([answer("agent", **{**ABOUT, "version": "2"}, id="")])), "agent_answers_nonsense"),
        (ending(0, pack([])), "agent_answers_nonsense"),
    ],
)
def test_an_answer_to_another_question_is_no_answer(run: Recorded, code: str) -> None:
    with pytest.raises(BrokenError) as caught:
        agent(run).carry_out(BATCH, read_only=True)
    assert caught.value.code == code


def test_what_is_written_does_not_stand_in_any_error() -> None:
    change = ReplaceFile("C:/a", SECRET, ABSENT, secret=True)
    with pytest.raises(BrokenError) as caught:
        agent(answering(answer("surprise"))).carry_out([change], read_only=False)
    assert SECRET.decode() not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_an_answer_of_more_than_is_believed_is_torn() -> None:
    deflated = zlib.compress(b"\n" * (frames.LARGEST_ANSWER + 1), wbits=-15)
    line = b"IEA1 " + hashlib.sha256(deflated).hexdigest().encode() + b" " + base64.b64encode(deflated)
    with pytest.raises(BrokenError) as caught:
        agent(ending(0, line)).carry_out(BATCH, read_only=True)
    assert caught.value.code == "answer_torn"
