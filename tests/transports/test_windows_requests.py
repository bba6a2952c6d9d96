"""Requests as lines, and lines as answers: what is sent means what was asked, what comes back is known or refused."""

from __future__ import annotations

import base64
import re
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iea_fleet.model.request import (
    ABSENT,
    Absent,
    Answer,
    Done,
    Failed,
    FileContent,
    FileStat,
    FolderListing,
    ListFolder,
    MakeFolder,
    MeasureRoom,
    Moved,
    NotReached,
    NotTried,
    OpenUrl,
    Ran,
    Reached,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Request,
    Room,
    RunAction,
    Stat,
    is_leftover,
    is_set_aside,
    is_temporary,
)
from iea_fleet.transports import windows
from iea_fleet.transports.windows import answers
from iea_fleet.transports.windows.requests import head, line, unsafe

PRIVATE = "C:/ProgramData/iea-fleet"
FILE = "C:/IEA/connexion.properties"
URL = OpenUrl("https://impact-emploi.example:8443/x", 5)
REQUESTS: dict[type[Request], Request] = {
    ReadFile: ReadFile(FILE, 100),
    ListFolder: ListFolder(FILE),
    Stat: Stat(FILE),
    MeasureRoom: MeasureRoom(FILE),
    ReplaceFile: ReplaceFile(FILE, b"new", ABSENT),
    RemoveFile: RemoveFile(FILE, ABSENT),
    MakeFolder: MakeFolder(FILE),
    RunAction: RunAction((FILE,)),
    OpenUrl: URL,
}


def sent(request: Request, private: str = PRIVATE) -> tuple[str, dict[str, bytes]]:
    """A request as the agent takes it apart."""
    written = line(request, private)
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    word, *rest = written.decode("ascii").rstrip("\n").split(" ")
    return word, {name: base64.b64decode(value) for name, _, value in (each.partition("=") for each in rest)}


def said(word: str, **given: str | bytes) -> bytes:
    """A line of the agent."""
    values = ((name, value.encode() if isinstance(value, str) else value) for name, value in given.items())
    return " ".join([word, *(f"{name}={base64.b64encode(value).decode()}" for name, value in values)]).encode()


def test_every_request_has_its_line() -> None:
    assert set(REQUESTS) == {each for union in get_args(Request) for each in (get_args(union) or (union,))}
    words = {sent(each)[0] for each in REQUESTS.values()}
    assert len(words) == len(REQUESTS)


def test_fields_are_bytes_text_decimals_and_truth() -> None:
    assert sent(ReadFile("C:/é", 4_194_304)) == ("read_file", {"path": "C:/é".encode(), "limit": b"4194304"})
    assert sent(MakeFolder(FILE, True))[1]["private"] == b"yes"
    word, found = sent(RunAction((FILE, "a b", 'say "c"'), b"\x00\xff", 2.5, reads=True))
    assert (word, found["program"], found["stdin"]) == ("run_action", FILE.encode(), b"\x00\xff")
    assert (found["arguments"], found["timeout"], found["reads"]) == (b'"a b" "say \\"c\\""', b"2.5", b"yes")
    assert sent(RunAction((FILE,), timeout=30.0))[1]["timeout"] == b"30"


def test_keys_of_the_registry_have_their_own_requests() -> None:
    key = "HKLM/SOFTWARE/IEA"
    assert sent(ReadFile(key))[0] == "read_key"
    assert sent(RemoveFile(key, ABSENT))[0] == "remove_key"
    assert sent(ReplaceFile(key, b"", ABSENT)) == (
        "replace_key",
        {"path": key.encode(), "content": b"", "expected": b"absent"},
    )


def test_what_a_replacement_leaves_behind_is_known_by_its_name() -> None:
    for path, private, aside_in in (
        (FILE, PRIVATE, PRIVATE),
        (f"{PRIVATE}/run.json", PRIVATE, PRIVATE),
        (FILE, "", "C:/IEA"),
    ):
        _, found = sent(ReplaceFile(path, b"", ABSENT), private)
        temporary, aside = found["temporary"].decode(), found["aside"].decode()
        folder, _, name = path.rpartition("/")
        assert temporary != aside
        assert (temporary.rpartition("/")[0], aside.rpartition("/")[0]) == (folder, aside_in)
        assert is_leftover(temporary.rpartition("/")[2], name)
        assert is_temporary(aside.rpartition("/")[2])
        assert is_set_aside(aside.rpartition("/")[2], name)


def test_the_batch_says_whether_it_may_write() -> None:
    assert head("0f", read_only=True) == said("batch", id="0f", mode="read_only") + b"\n"
    assert head("0f", read_only=False) == said("batch", id="0f", mode="writing") + b"\n"


def as_windows_splits(command_line: str) -> list[str]:
    """The words after the program, by the rules of CommandLineToArgvW (Microsoft, « Parsing C arguments »)."""
    words: list[str] = []
    word, started, quoted, at = "", False, False, 0
    while at < len(command_line):
        slashes = len(command_line[at:]) - len(command_line[at:].lstrip("\\"))
        at += slashes
        letter = command_line[at : at + 1]
        if letter == '"':
            word += "\\" * (slashes // 2)
            started = True
            if slashes % 2:
                word += '"'
            elif quoted and command_line[at + 1 : at + 2] == '"':
                word, at = word + '"', at + 1
            else:
                quoted = not quoted
        elif letter in (" ", "\t") and not quoted:
            word, started = word + "\\" * slashes, started or slashes > 0
            words += [word] if started else []
            word, started = "", False
        else:
            word, started = word + "\\" * slashes + letter, True
        at += 1
    return [*words, word] if started else words


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8") | st.sampled_from('"\\ \t'), max_size=8)))
def test_words_of_an_action_arrive_as_they_were(words: list[str]) -> None:
    arguments = sent(RunAction((FILE, *words)))[1]["arguments"].decode()
    assert as_windows_splits(arguments) == words


@pytest.mark.parametrize("word", ["a&b", "%PATH%", 'a"b', "a|b", "^", "a\nb", ">x"])
def test_a_batch_file_gets_no_word_that_cmd_acts_on(word: str) -> None:
    for program in ("C:/IEA/relance.cmd", "C:/IEA/RELANCE.BAT", "C:/IEA/relance.cmd. "):
        refused = unsafe(RunAction((program, word)))
        assert isinstance(refused, Failed)
        assert (refused.reason_code, word in refused.reason) == ("action_unsafe", False)
    assert unsafe(RunAction(("C:/IEA/relance.cmd", "a b"))) is None
    assert unsafe(RunAction(("C:/IEA/relance.exe", word))) is None


SHA = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("request_", "given", "answer"),
    [
        (ReadFile(FILE), said("content", content=b"\x00"), FileContent.of(b"\x00")),
        (ReadFile(FILE), said("content", content=b""), FileContent.of(b"")),
        (ReadFile(FILE), b"absent", Absent()),
        (ListFolder(FILE), b"absent", Absent()),
        (Stat(FILE), b"absent", Absent()),
        (MeasureRoom(FILE), b"absent", Absent()),
        (ListFolder(FILE), said("names", names="b\0é\0a\0"), FolderListing(("a", "b", "é"))),
        (ListFolder(FILE), said("names", names=""), FolderListing(())),
        (
            Stat(FILE),
            said("is", kind="file", size="3", owner="S-1-5-32-544", shared="no", modified="1700000000.25"),
            FileStat("file", 3, "S-1-5-32-544", None, 1_700_000_000.25, shared=False),
        ),
        (MeasureRoom(FILE), said("room", free="9000000000"), Room(9_000_000_000)),
        (REQUESTS[ReplaceFile], said("done", digest=SHA), Done(SHA)),
        (RemoveFile(FILE, SHA), said("done", digest="absent"), Done(ABSENT)),
        (MakeFolder(FILE), said("done", digest=""), Done()),
        (MakeFolder(FILE), said("moved", found=""), Moved("")),
        (RemoveFile(FILE, SHA), said("moved", found="absent"), Moved(ABSENT)),
        (MakeFolder(FILE), b"not_tried", NotTried()),
        (RunAction((FILE,)), b"not_tried", NotTried()),
        (RunAction((FILE,)), said("ran", exit_code="7", stdout=b"\xff", stderr=""), Ran(7, b"\xff", b"")),
        (RunAction((FILE,)), said("ran", exit_code="-1073741819", stdout="", stderr=""), Ran(0xC0000005, b"", b"")),
        (RunAction((FILE,)), said("ran", exit_code="4294967295", stdout="", stderr=""), Ran(4294967295, b"", b"")),
        (URL, said("reached", status="200", location="", seconds="0.5"), Reached(0.5, 200)),
        (
            URL,
            said("reached", status="302", location="/x", seconds="1"),
            Reached(1, 302, "it redirects to /x"),
        ),
    ],
)
def test_each_class_has_its_answer(request_: Request, given: bytes, answer: Answer) -> None:
    assert answers.answer(request_, given) == answer


def test_what_is_told_of_it_is_never_long() -> None:
    reached = answers.answer(URL, said("reached", status="302", location="x" * 100_000, seconds="1"))
    assert isinstance(reached, Reached)
    assert len(reached.note) < 600
    endless = "5.1\x1b[2J" * 10_000
    about = answers.about(said("agent", version="1", id="0f", powershell=endless, language="", windows=endless))
    assert max(map(len, about)) <= 200
    assert all(each.isprintable() for each in about)


def test_a_server_that_is_not_reached_is_told_in_the_words_of_all_transports() -> None:
    given = said("not_reached", stage="connect", code="refused", detail="10061", seconds="0.1")
    refused = answers.answer(URL, given)
    assert isinstance(refused, NotReached)
    assert refused.reason.startswith("impact-emploi.example:8443 refuses the connection")
    ill = answers.answer(URL, said("reached", status="503", location="", seconds="1"))
    assert isinstance(ill, NotReached)
    assert ill.reason_code == "http_5xx"
    given = said("not_reached", stage="certificate", code="certificate_untrusted", detail="", seconds="0.1")
    untrusted = answers.answer(URL, given)
    assert isinstance(untrusted, NotReached)
    assert "that the workstation does not trust" in untrusted.reason


@pytest.mark.parametrize(("scheme", "words"), [("http", "https where http is wanted"), ("https", "without an answer")])
def test_a_server_that_hangs_up_on_http_may_want_https(scheme: str, words: str) -> None:
    given = said("not_reached", stage="answer", code="connection_lost", detail="", seconds="0.1")
    hung_up = answers.answer(OpenUrl(f"{scheme}://impact-emploi.example/"), given)
    assert isinstance(hung_up, NotReached)
    assert words in hung_up.reason


DOCUMENTED = re.search(r"``failed``, a closed set: ``([a-z_\s]+)``", windows.__doc__ or "")
assert DOCUMENTED
CODES = set(DOCUMENTED[1].split()) - {"unknown_request"}  # the script is always the one that was sent along


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_failure_is_a_sentence_with_what_it_is_about(code: str) -> None:
    more = {"size": "9", "limit": "8"} if code == "too_large" else {}
    request = REQUESTS[RunAction if code.startswith("action_") else ReplaceFile]
    failure = answers.answer(request, said("failed", code=code, detail="UnauthorizedAccess", **more))
    assert isinstance(failure, Failed)
    assert re.fullmatch(r"[a-z_]+", failure.reason_code)
    assert FILE in failure.reason or code == "agent_busy"
    assert not re.search(r"[{}\n]", failure.reason)


def test_what_no_code_says_is_told_in_the_words_of_windows_on_one_line() -> None:
    failure = answers.answer(Stat(FILE), said("failed", code="error", detail="IOException\r\n0x80070017 " + "x" * 999))
    assert isinstance(failure, Failed)
    assert "(it says: IOException  0x80070017 xxx" in failure.reason
    assert len(failure.reason) < 400


KNOWN = st.sampled_from(
    [b"absent", b"not_tried", b"agent", b"failed", b"content", b"is", b"ran", b"reached", b"not_reached", b"names"]
)
VALUE = st.binary(max_size=6).map(base64.b64encode) | st.binary(max_size=6)
FIELD = st.tuples(
    st.sampled_from([b"content", b"code", b"size", b"exit_code", b"stdout", b"status", b"stage", b"names", b""]), VALUE
).map(b"=".join)


@given(
    st.sampled_from(list(REQUESTS.values())),
    st.binary(max_size=40)
    | st.tuples(KNOWN, st.lists(FIELD, max_size=4)).map(lambda pair: b" ".join([pair[0], *pair[1]])),
)
def test_any_other_line_is_nonsense_and_nothing_worse(request_: Request, given_line: bytes) -> None:
    try:
        answer = answers.answer(request_, given_line)
    except answers.NonsenseError:
        return
    assert any(isinstance(answer, each) for each in get_args(Answer))


@pytest.mark.parametrize(
    ("request_", "given"),
    [
        (ReadFile(FILE), b""),
        (ReadFile(FILE), b"content"),
        (ReadFile(FILE), said("content", content="", more="")),
        (ReadFile(FILE), said("content", content="") + b" content="),
        (ReadFile(FILE), b"content content=a"),
        (ReadFile(FILE), b"content content=QUJD\xe9"),
        (ReadFile(FILE), b"not_tried"),
        (ReadFile(FILE), said("done", digest="")),
        (ReadFile(FILE), said("failed", code="unknown_request", detail="")),
        (ReadFile(FILE), said("failed", code="too_large", detail="")),
        (ListFolder(FILE), said("names", names="a\0b")),
        (MeasureRoom(FILE), said("room", free="1,5")),
        (MeasureRoom(FILE), said("room", free="nan")),
        (MeasureRoom(FILE), said("room", free="9" * 5000)),
        (REQUESTS[ReplaceFile], said("done", digest="sha256:0")),
        (REQUESTS[ReplaceFile], said("moved", found="something else")),
        (Stat(FILE), said("is", kind="door", size="3", owner="", shared="no", modified="1")),
        (Stat(FILE), said("is", kind="file", size="3", owner="", shared="maybe", modified="1")),
        (Stat(FILE), said("is", kind="file", size="3", owner="", shared="no", modified="1,5")),
        (URL, said("not_reached", stage="dns", code="refused", detail="", seconds="1")),
        (URL, said("not_reached", stage="connect", code="gremlins", detail="", seconds="1")),
    ],
)
def test_what_the_protocol_does_not_know_is_nonsense(request_: Request, given: bytes) -> None:
    with pytest.raises(answers.NonsenseError):
        answers.answer(request_, given)


def test_another_version_of_the_agent_is_nonsense() -> None:
    known = {"id": "0f", "powershell": "5.1.17763.316", "language": "FullLanguage", "windows": "10.0.17763.0"}
    about = answers.about(said("agent", version="1", **known))
    assert dict(zip(known, about, strict=True)) == known
    for other in (said("agent", version="2", **known), said("agent", version="1"), b"absent", b""):
        with pytest.raises(answers.NonsenseError):
            answers.about(other)


def test_no_content_of_a_request_is_shown_by_accident() -> None:
    for each in (ReplaceFile(FILE, b"s3cret", ABSENT), RunAction((FILE,), b"s3cret")):
        assert "s3cret" not in repr(each)
        assert any(field.name in ("content", "stdin") and not field.repr for field in fields(each))
