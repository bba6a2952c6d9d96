"""A check as a file: what was said for it, without what is nobody else's business; and the check from such a file.

Contents are size and digest, but for those that the check itself wrote; values of secrets are hidden as everywhere.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from iea_fleet.engine.redaction import cleaned_document
from iea_fleet.engine.windows_check import Taken, walk, with_words
from iea_fleet.engine.windows_check.names import Names
from iea_fleet.engine.windows_check.scratch import Subject
from iea_fleet.engine.windows_check.telling import call_of, told_call
from iea_fleet.errors import UsageError
from iea_fleet.model.target import Target
from iea_fleet.model.windows_check import WindowsCheck
from iea_fleet.transports.replay import Conversation, Replay, ReplayError

SCHEMA: Final = "iea-fleet/windows-record/1"


def refuse_unwritable(path: Path) -> None:
    """UsageError when a record cannot be written there, before anything is tried. The file is made."""
    try:
        path.open("a").close()
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def write(path: Path, taken: Taken, target: Target, *, keep_names: bool) -> None:
    """Write a record of a check."""
    text = json.dumps(document(taken, Names.of(target, keep=keep_names)), indent=1) + "\n"
    path.write_text(text, encoding="ascii")


def document(taken: Taken, names: Names) -> dict[str, Any]:
    """The record of a check, ready for ``json.dumps``."""
    made = {
        "schema": SCHEMA,
        "check": _checks().dump_python(taken.check, mode="json"),
        "subject": _subjects().dump_python(taken.subject.lasting(), mode="json"),
        "sessions": [[told_call(call) for call in one.calls] for one in taken.conversations],
    }
    cleaned = cleaned_document(names.hidden(made))
    assert isinstance(cleaned, dict)
    return cleaned


def read(path: Path) -> Taken:
    """The check in a file, as it was recorded. UsageError when that is no record."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise UsageError(f"{path} is a record of another version ({found['schema']})", "record it again")
        return Taken(
            _checks().validate_python(found["check"]),
            _subjects().validate_python(found["subject"]),
            [Conversation([call_of(call) for call in one]) for one in found["sessions"]],
        )
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no record of iea-fleet windows-check", "give a file that --record wrote"
        ) from error


def replayed(taken: Taken) -> WindowsCheck:
    """A recorded check, judged again by what was said then; only how long it took is as it was told.

    UsageError when it does not hold what this version asks.
    """
    if taken.check.reason_code:
        return taken.check
    rest = iter(taken.conversations)

    def opened() -> Replay:
        if (conversation := next(rest, None)) is None:
            raise ReplayError("no such session in the record")
        return Replay(conversation, taken.check.workstation, taken.subject.private)

    try:
        begun = replace(taken.check, steps=())
        again = walk(begun, taken.subject, opened, held=lambda _: None, stopped=lambda: False)
    except ReplayError as error:
        hint = f"it was recorded by version {taken.check.version}; record it again"
        raise UsageError(f"this version asks something else than was recorded: {error}", hint) from error
    took = {step.name: step.seconds for step in taken.check.steps}
    steps = tuple(replace(step, seconds=took.get(step.name, 0.0)) for step in again.steps)
    return with_words(replace(taken, check=replace(again, steps=steps)))


@cache
def _checks() -> TypeAdapter[WindowsCheck]:
    return TypeAdapter(WindowsCheck)


@cache
def _subjects() -> TypeAdapter[Subject]:
    return TypeAdapter(Subject)
