"""Each step of ``windows-check`` tells a wrong answer from a right one: a recorded conversation, one answer changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from iea_fleet.engine.windows_check import Taken
from iea_fleet.engine.windows_check import record as windows_record
from iea_fleet.engine.windows_check.expected import OtherCameError
from iea_fleet.engine.windows_check.scratch import OLD
from iea_fleet.engine.windows_check.steps import STEPS
from iea_fleet.engine.windows_check.trials import Trials
from iea_fleet.errors import BrokenError
from iea_fleet.model.request import Answer, FileContent, NotReached, OpenUrl, ReadFile, digest, temporary_name
from iea_fleet.transports.replay import AgentCall, Line, OtherCall, Replay

RECORD = Path(__file__).parent.parent / "windows_records" / "lab-stand-in-ssh.json"


def said(word: str, **fields: str | bytes) -> Line:
    return Line(word, {name: value.encode() if isinstance(value, str) else value for name, value in fields.items()})


ABOUT_A_FILE = {"kind": "file", "size": "32", "modified": "0"}
SHARED = said("is", owner="S-1-5-32-544", shared="yes", **ABOUT_A_FILE)
SOMEBODYS = said("is", owner="S-1-5-21-0-0-0-1001", shared="no", **ABOUT_A_FILE)
DENIED = said("failed", code="denied", detail="")
ABSENT = said("absent")
REFUSED = NotReached("connect", "refused", "nothing listens there", 0.1)

Wrong = tuple[str, str, Line]
"""The step that has to notice, the request by its word and the part of its path, and the wrong answer to it."""

WRONG: list[Wrong] = [
    ("read_file", "read_file connexion.properties", ABSENT),
    ("read_file", "read_file version.properties", DENIED),
    ("list_folder", "list_folder ImpactEmploi", said("names", names="other.txt\0")),
    ("stat", "stat connexion.properties", said("is", owner="", shared="no", **ABOUT_A_FILE)),
    ("absent", "stat clock-", SHARED),
    ("room", "measure_room C:/", said("room", free="1999999")),
    ("read_key", "read_key Windows NT", said("content", content=b"no line of ours\n")),
    ("read_key", "read_key Windows NT", said("content", content=b"")),
    ("run_action", "run_action findstr", said("ran", exit_code="0", stdout=b"trois\r\n", stderr=b"")),
    ("run_action", "run_action findstr", said("failed", code="action_not_found", detail="")),
    ("read_only", "replace_file clock-", said("done", digest=digest(OLD))),
    ("private_folder", "make_folder ", DENIED),
    ("create", "stat clock-", SHARED),
    ("create", "stat clock-", SOMEBODYS),
    ("create", "replace_file clock-", said("done", digest=digest(b"another"))),
    ("replace", "replace_file clock-", said("failed", code="busy", detail="")),
    ("moved", "replace_file clock-", said("done", digest=digest(OLD))),
    ("moved", "remove_file clock-", said("moved", found=digest(OLD))),
    ("still_private", "stat clock-", SHARED),
    ("bytes", "read_file clock-", said("content", content=b"something else")),
    ("large", "read_file clock-", said("content", content=b"cut short")),
    ("group", "replace_file clock-", said("done", digest=digest(OLD))),
    ("race", "replace_file clock-", said("moved", found=digest(OLD))),
    ("race", "replace_file clock-", said("failed", code="agent_busy", detail="")),
    ("write_key", "read_key iea-fleet-", said("content", content=b"")),
    ("write_key", "remove_key iea-fleet-", said("moved", found="absent")),
    ("servers_by_agent", "open_url ", said("not_reached", stage="tls", code="not_tls", detail="", seconds="0.1")),
]


def trials_of(taken: Taken) -> Trials:
    sessions = (Replay(one, "workstation", taken.subject.private) for one in taken.conversations)
    return Trials(taken.subject, next(sessions), lambda: next(sessions))


def take_until(taken: Taken, step: str) -> tuple[Trials, int]:
    """The trials with all steps before this one taken, and how many calls those made."""
    trials = trials_of(taken)
    for name in STEPS:
        if name == step:
            return trials, trials.session.round_trips
        trials.take(name)
        if name == "start":
            trials.one(ReadFile(taken.subject.run_file))
    raise AssertionError(step)


def changed(taken: Taken, step: str, asked: str, wrong: Line) -> None:
    """Have the first such request of a step answered in another way."""
    word, part = asked.split(" ", 1)
    calls = taken.conversations[0].calls
    for number in range(take_until(taken, step)[1], len(calls)):
        call = calls[number]
        assert isinstance(call, AgentCall)
        for at, line in enumerate(call.sent):
            if line.word == word and part in b" ".join(line.fields.values()).decode("utf-8", "replace"):
                calls[number] = replace(call, said=(*call.said[:at], wrong, *call.said[at + 1 :]))
                return
    raise AssertionError(f"{step} asks for no {asked}")


@pytest.mark.parametrize(("step", "asked", "wrong"), WRONG, ids=[f"{one[0]}-{at}" for at, one in enumerate(WRONG)])
def test_a_wrong_answer_is_noticed(step: str, asked: str, wrong: Line) -> None:
    taken = windows_record.read(RECORD)
    changed(taken, step, asked, wrong)
    trials, _ = take_until(taken, step)
    with pytest.raises(OtherCameError) as caught:
        trials.take(step)
    assert caught.value.came


def test_the_steps_of_the_record_are_right_without_that() -> None:
    taken = windows_record.read(RECORD)
    trials, _ = take_until(taken, "tidy")
    assert trials.take("tidy")


@pytest.mark.parametrize(("step", "answer"), [("sftp", FileContent.of(b"another")), ("servers_by_session", REFUSED)])
def test_a_wrong_answer_of_another_way_is_noticed(step: str, answer: Answer) -> None:
    taken = windows_record.read(RECORD)
    calls = taken.conversations[0].calls
    asks_for = {"sftp": ReadFile, "servers_by_session": OpenUrl}[step]
    number, call = next(
        (number, call)
        for number, call in enumerate(calls)
        if isinstance(call, OtherCall) and isinstance(call.requests[0], asks_for)
    )
    calls[number] = replace(call, answers=(answer, *call.answers[1:]))
    trials, _ = take_until(taken, step)
    with pytest.raises(OtherCameError):
        trials.take(step)


def test_damage_that_is_carried_out_is_noticed() -> None:
    taken = windows_record.read(RECORD)
    calls = taken.conversations[0].calls
    _, number = take_until(taken, "torn")
    refused, begun = calls[number], calls[0]
    assert isinstance(refused, AgentCall)
    assert isinstance(begun, AgentCall)
    calls[number] = replace(refused, exit_code=0, said=(begun.said[0], said("done", digest=digest(OLD))))
    trials, _ = take_until(taken, "torn")
    # The answer is to no batch of ours; the check tells that as it tells every fault of the agent.
    with pytest.raises(BrokenError, match="is not the agent"):
        trials.take("torn")


def test_what_is_left_behind_is_noticed() -> None:
    taken = windows_record.read(RECORD)
    name = temporary_name(f"clock-{taken.subject.token}", "0123456789abcdef")
    changed(taken, "tidy", "list_folder iea-fleet", said("names", names=f"{name}\0"))
    trials, _ = take_until(taken, "tidy")
    with pytest.raises(OtherCameError) as caught:
        trials.take("tidy")
    assert name in caught.value.reason


@pytest.mark.parametrize(
    ("powershell", "language"), [("4.0", "FullLanguage"), ("7.4.1", "FullLanguage"), ("5.1.1", "RestrictedLanguage")]
)
def test_another_powershell_than_is_wanted(powershell: str, language: str) -> None:
    taken = windows_record.read(RECORD)
    call = taken.conversations[0].calls[0]
    assert isinstance(call, AgentCall)
    about = said("agent", version="1", powershell=powershell, language=language, windows="10.0")
    taken.conversations[0].calls[0] = replace(call, said=(about, *call.said[1:]))
    with pytest.raises(OtherCameError, match=powershell):
        trials_of(taken).take("start")


def test_every_step_can_be_noticed_here() -> None:
    others = {"start", "sftp", "servers_by_session", "torn", "tidy"}
    assert {step for step, _, _ in WRONG} | others == set(STEPS)
