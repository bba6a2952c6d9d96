"""Conversations with Windows workstations: every record in ``tests/windows_records`` through the real decoder.

A record of a real workstation becomes a test by being copied there. Those of the lab's stand-in are made with
``iea-fleet lab up --workstations 3 --windows 1 --winrm 1`` and, for each of the two, ``iea-fleet windows-check
.lab/inventory.yml --limit WORKSTATION --record FILE``; when the steps of the check change, they are made anew.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import asyncssh
import pytest
from sshd import make_key
from windows_endpoints import LAYOUT, Endpoint
from windows_endpoints import endpoint as served

from iea_fleet.engine.windows_check import record as windows_record
from iea_fleet.engine.windows_check.scratch import CONTENTS, KEY, OLD
from iea_fleet.engine.windows_check.telling import call_of, told_call
from iea_fleet.errors import BrokenError, TransportError, UsageError
from iea_fleet.lab.ssh_server import USER
from iea_fleet.lab.windows_ssh import WindowsSshWorkstation
from iea_fleet.model.request import (
    ABSENT,
    Answer,
    FileContent,
    ListFolder,
    MakeFolder,
    MeasureRoom,
    OpenUrl,
    ReadFile,
    RemoveFile,
    ReplaceFile,
    Request,
    RunAction,
    Stat,
    digest,
)
from iea_fleet.transports.base import Reach
from iea_fleet.transports.replay import AgentCall, Conversation, Line, OtherCall, Recorded, Replay, ReplayError
from iea_fleet.transports.ssh_windows import WindowsSshSession, open_session
from iea_fleet.transports.windows import answers

RECORDS = sorted((Path(__file__).parent.parent / "windows_records").glob("*.json"))
STAND_IN = [record for record in RECORDS if record.name.startswith("lab-stand-in-")]


def request_of(line: Line) -> Request:
    """The request behind a line of a batch."""
    text = {name: value.decode("utf-8", "surrogateescape") for name, value in line.fields.items()}
    make: dict[str, Callable[[], Request]] = {
        "read_file": lambda: ReadFile(text["path"], int(text["limit"])),
        "read_key": lambda: ReadFile(text["path"], int(text["limit"])),
        "list_folder": lambda: ListFolder(text["path"]),
        "stat": lambda: Stat(text["path"]),
        "measure_room": lambda: MeasureRoom(text["path"]),
        "make_folder": lambda: MakeFolder(text["path"], text["private"] == "yes"),
        "remove_file": lambda: RemoveFile(text["path"], text["expected"]),
        "remove_key": lambda: RemoveFile(text["path"], text["expected"]),
        "replace_file": lambda: ReplaceFile(text["path"], line.fields["content"], text["expected"]),
        "replace_key": lambda: ReplaceFile(text["path"], line.fields["content"], text["expected"]),
        "run_action": lambda: RunAction((text["program"],), line.fields["stdin"]),
        "open_url": lambda: OpenUrl(text["url"]),
    }
    return make[line.word]()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_every_answer_of_a_record_passes_through_the_real_decoder(record: Path) -> None:
    decoded = 0
    for conversation in windows_record.read(record).conversations:
        for call in conversation.calls:
            if not isinstance(call, AgentCall) or not call.said:
                continue
            first, *lines = call.said
            about = answers.about(bytes(Line(first.word, {**first.fields, "id": b"0f"})).rstrip(b"\n"))
            assert about.language
            for asked, answered in zip(call.sent[1:], lines, strict=True):
                answers.answer(request_of(asked), bytes(answered).rstrip(b"\n"))
                decoded += 1
    assert decoded > 30


@pytest.mark.parametrize("record", STAND_IN, ids=lambda record: record.stem)
def test_the_records_of_the_stand_in_are_judged_as_they_were(record: Path) -> None:
    taken = windows_record.read(record)
    again = windows_record.replayed(taken)
    assert again == taken.check
    assert again.exit_code == 0


def test_there_is_a_record_for_each_way_in() -> None:
    assert {windows_record.read(record).check.transport for record in STAND_IN} == {"ssh", "winrm"}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_holds_no_contents_but_those_that_the_check_wrote(record: Path) -> None:
    said = [call for session in json.loads(record.read_text("ascii"))["sessions"] for call in session]
    contents = [
        line[name]
        for call in said
        for line in (*call.get("sent", ()), *call.get("said", ()), *call.get("answers", ()))
        for name in ("content", "stdin", "stdout", "stderr")
        if name in line
    ]
    assert contents
    assert all(not set(content) - {"written_here", "size", "digest", "values"} for content in contents)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint[WindowsSshWorkstation]]:
    public = asyncssh.read_public_key(f"{make_key(tmp_path / 'key')}.pub")
    with served(tmp_path, lambda one, outside: WindowsSshWorkstation(one, outside, public)) as serving:
        yield serving


@pytest.fixture
def session(endpoint: Endpoint[WindowsSshWorkstation], tmp_path: Path) -> Iterator[WindowsSshSession]:
    reach = Reach(
        workstation="toul-01",
        address="127.0.0.1",
        port=endpoint.server.port,
        user=USER,
        key_file=str(tmp_path / "key"),
        host_keys=(endpoint.server.host_key,),
        windows=True,
        private_folder=LAYOUT.private,
    )
    with open_session(reach, endpoint.connect(), read_only=False) as opened:
        yield opened


FOLDER = LAYOUT.private
SCRATCH = f"{FOLDER}/clock-0123456789abcdef"
BATCHES: list[list[Request]] = [
    [ReplaceFile(SCRATCH, OLD, ABSENT, private=True), Stat(SCRATCH), MeasureRoom(FOLDER)],
    [ReadFile(SCRATCH), ListFolder(FOLDER), Stat(FOLDER)],
    [OpenUrl("https://localhost:1/", timeout=2)],
    [ReadFile(SCRATCH), OpenUrl("https://localhost:1/", timeout=2), RemoveFile(SCRATCH, digest(b"another"))],
    [ReplaceFile("HKLM/SOFTWARE/IEA", KEY, ABSENT), ReadFile("HKLM/SOFTWARE/IEA"), ReadFile(f"{FOLDER}/none")],
    [ReadFile(f"{LAYOUT.root}/connexion.properties")],
]


def kept(conversation: Conversation) -> Conversation:
    """The conversation as it comes back from a file."""
    calls = json.loads(json.dumps([told_call(call) for call in conversation.calls]))
    return Conversation([call_of(call) for call in calls])


def replay(conversation: Conversation) -> Replay:
    return Replay(kept(conversation), "toul-01", FOLDER)


def without_contents(answers: Sequence[Answer]) -> list[Answer]:
    """Contents that the check did not write come back as long as they were, and empty of meaning."""
    own = set(CONTENTS.values())
    return [
        FileContent.of(bytes(len(one.content))) if isinstance(one, FileContent) and one.content not in own else one
        for one in answers
    ]


def test_what_was_said_is_said_again(session: WindowsSshSession) -> None:
    conversation = Conversation()
    recorded = Recorded(session, conversation)
    said = [recorded.carry_out(batch) for batch in BATCHES]
    assert {type(call) for call in conversation.calls} == {AgentCall, OtherCall}
    again = replay(conversation)
    assert [without_contents(answers) for answers in said] == [again.carry_out(batch) for batch in BATCHES]
    assert again.is_over


def test_what_goes_wrong_goes_wrong_again(
    session: WindowsSshSession, endpoint: Endpoint[WindowsSshWorkstation]
) -> None:
    conversation = Conversation()
    recorded = Recorded(session, conversation)
    batch = [ReplaceFile(SCRATCH, OLD, ABSENT)]
    endpoint.spoil("constrained")
    with pytest.raises(BrokenError) as refused:
        recorded.carry_out(batch)
    endpoint.do(endpoint.server.restart)
    with pytest.raises(TransportError) as lost:
        recorded.carry_out([ReadFile(SCRATCH)])
    again = replay(conversation)
    for asked, error in ((batch, refused.value), ([ReadFile(SCRATCH)], lost.value)):
        with pytest.raises(type(error)) as caught:
            again.carry_out(asked)
        assert (str(caught.value), caught.value.code) == (str(error), error.code)


def test_an_answer_that_did_not_come_whole_is_not_kept_and_torn_again() -> None:
    (line,) = (Line("content", {"content": b"nobody else's business" * 40}),)
    whole = b"IEA1 %s %s\r\n" % (b"0" * 64, base64.b64encode(bytes(line)))
    torn = Conversation([AgentCall((Line("batch", {"mode": b"writing"}), Line("stat", {"path": b"C:/"})), noise=whole)])
    (call,) = kept(torn).calls
    assert isinstance(call, AgentCall)
    assert call.noise == b"IEA1 %s ...\r\n" % (b"0" * 64)
    with pytest.raises(BrokenError) as caught:
        replay(torn).agent.ask([Stat("C:/")], read_only=False)
    assert caught.value.code == "answer_torn"


@pytest.mark.parametrize(
    "other",
    [
        [ReplaceFile(SCRATCH, b"another", ABSENT, private=True), Stat(SCRATCH), MeasureRoom(FOLDER)],
        [ReplaceFile(SCRATCH, OLD, digest(OLD), private=True), Stat(SCRATCH), MeasureRoom(FOLDER)],
        [ReplaceFile(SCRATCH, OLD, ABSENT), Stat(SCRATCH), MeasureRoom(FOLDER)],
        [ReplaceFile(SCRATCH, OLD, ABSENT, private=True), Stat(SCRATCH)],
        [ReadFile(SCRATCH)],
    ],
)
def test_a_player_knows_its_conversation_alone(session: WindowsSshSession, other: list[Request]) -> None:
    conversation = Conversation()
    recorded = Recorded(session, conversation)
    for batch in BATCHES[:2]:
        recorded.carry_out(batch)
    with pytest.raises(ReplayError):
        replay(conversation).carry_out(other)
    again = replay(conversation)
    again.carry_out(BATCHES[0])
    with pytest.raises(ReplayError, match="ReadFile, Stat"):
        again.carry_out([ReadFile(SCRATCH), Stat(FOLDER)])
    with pytest.raises(ReplayError):
        again.carry_out(BATCHES[0])
    with pytest.raises(BrokenError, match="makes no connection"):
        again.way_out(5)


def test_a_record_that_does_not_hold_what_is_asked() -> None:
    taken = windows_record.read(STAND_IN[0])
    del taken.conversations[0].calls[3]
    with pytest.raises(UsageError, match="something else than was recorded"):
        windows_record.replayed(taken)
    taken = windows_record.read(STAND_IN[0])
    del taken.conversations[1:]
    with pytest.raises(UsageError, match="no such session"):
        windows_record.replayed(taken)
