"""What was said to a workstation and by it as JSON, contents by size and digest; and such JSON as what was said.

What is read back is as long as it was, and of the same kind, but filled with nothing; what the check itself wrote is
there as it was, by its name.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final, get_args

from pydantic import TypeAdapter

from iea_fleet import errors
from iea_fleet.engine.windows_check.scratch import CONTENTS
from iea_fleet.errors import TransportError
from iea_fleet.model.request import Answer, FileContent, Request, digest
from iea_fleet.transports.replay import AgentCall, Call, Line, OtherCall

Told = dict[str, Any]

_BY_DIGEST: Final = {digest(content): name for name, content in CONTENTS.items()}
_CONTENTS: Final = frozenset({"content", "stdin", "stdout", "stderr"})
_LONGEST_NOISE: Final = 4000
_LETTERS: Final = re.compile(rb"[A-Za-z0-9+/]{65,}={0,2}")
"""So much base64 in one piece; the digest before it has 64 letters."""

_TYPES: Final = {kind.__name__: kind for kind in (*get_args(Request), *get_args(Answer))}
_ERRORS: Final = {kind.__name__: kind for kind in (errors.OfflineError, errors.NotLetInError, errors.BrokenError)}
_OPEN_VALUES: Final = frozenset({
    "CurrentBuild", "CurrentMajorVersionNumber", "CurrentVersion", "DisplayVersion", "EditionID", "ProductName",
    "ReleaseId", "UBR",
})  # fmt: skip
"""Values of a registry key that say which Windows it is, and nothing of its owner."""


def told_call(call: Call) -> Told:
    """A call, ready for ``json.dumps``."""
    told: Told = {"seconds": round(call.seconds, 3)}
    if (error := call.error) is not None:
        told["error"] = {"type": type(error).__name__, "code": error.code, "said": [error.sentence, error.hint]}
    if isinstance(call, OtherCall):
        return {**told, "requests": list(map(_told, call.requests)), "answers": list(map(_told, call.answers))}
    is_key = [False, *(line.word == "read_key" for line in call.sent[1:])]
    return {
        **told,
        "sent": [_told_line(line) for line in call.sent],
        "said": [_told_line(line, key=key) for line, key in zip(call.said, is_key, strict=False)],
        "exit_code": call.exit_code,
        "noise": _noise(call.noise),
        "stderr": _noise(call.stderr),
    }


def call_of(told: Told) -> Call:
    """The call that was told. ValueError, KeyError or TypeError when there is none."""
    error = _error_of(told["error"]) if "error" in told else None
    if "requests" in told:
        requests, answers = (tuple(map(_of, told[name])) for name in ("requests", "answers"))
        return OtherCall(requests, answers, error, told["seconds"])
    sent, said = (tuple(map(_line_of, told[name])) for name in ("sent", "said"))
    noise, stderr = (told[name].encode("utf-8", "surrogateescape") for name in ("noise", "stderr"))
    return AgentCall(sent, said, told["exit_code"], noise, stderr, error, told["seconds"])


def _noise(printed: bytes) -> str:
    """What was printed, without what may be part of an answer that did not come whole."""
    return _LETTERS.sub(rb"...", printed)[:_LONGEST_NOISE].decode("utf-8", "surrogateescape")


def _error_of(told: Told) -> TransportError:
    return _ERRORS[told["type"]](*told["said"], code=told["code"])


def _told_line(line: Line, *, key: bool = False) -> Told:
    told: Told = {"word": line.word}
    for name, value in line.lasting().fields.items():
        if name not in _CONTENTS:
            told[name] = value.decode("utf-8", "surrogateescape")
        else:
            told[name] = _told_key(value) if key and digest(value) not in _BY_DIGEST else _told_content(value)
    return told


def _line_of(told: Told) -> Line:
    fields_of = {name: value for name, value in told.items() if name != "word"}
    return Line(
        told["word"],
        {
            name: _content_of(value) if isinstance(value, dict) else value.encode("utf-8", "surrogateescape")
            for name, value in fields_of.items()
        },
    )


def _told(part: object) -> Told:
    """A request or an answer, by the name of its class and its fields."""
    told: Told = {"type": type(part).__name__}
    for each in fields(part):  # type: ignore[arg-type]  # every one of them is a dataclass
        value = getattr(part, each.name)
        told[each.name] = _told_content(value) if isinstance(value, bytes) else value
    return told


def _of(told: Told) -> Any:  # noqa: ANN401 - any request or answer
    values = {
        name: _content_of(value) if isinstance(value, dict) else value for name, value in told.items() if name != "type"
    }
    if told["type"] == FileContent.__name__:
        return FileContent.of(values["content"])
    return TypeAdapter(_TYPES[told["type"]]).validate_python(values)


def _told_content(content: bytes) -> Told:
    found = digest(content)
    return {"written_here": _BY_DIGEST[found]} if found in _BY_DIGEST else {"size": len(content), "digest": found}


def _content_of(told: Told) -> bytes:
    if "written_here" in told:
        return CONTENTS[told["written_here"]]
    return b"".join(sorted(map(_value_of, told["values"]))) if "values" in told else bytes(told["size"])


def _told_key(content: bytes) -> Told:
    """A registry key: the names and kinds of its values, and how long they are."""
    values = []
    for line in content.splitlines():
        name, kind, data = line.split(b" ")
        known = base64.b64decode(name).decode("utf-8", "replace")
        plain = base64.b64decode(data)
        value: Told = {"name": known, "kind": kind.decode("ascii"), "size": len(plain)}
        values.append({**value, "data": plain.decode("utf-8", "replace")} if known in _OPEN_VALUES else value)
    return {"values": values, "digest": digest(content)}


def _value_of(told: Told) -> bytes:
    data = told["data"].encode() if "data" in told else _FILLED[told["kind"]](told["size"])
    return b"%b %b %b\n" % (base64.b64encode(told["name"].encode()), told["kind"].encode(), base64.b64encode(data))


_FILLED: Final[dict[str, Callable[[int], bytes]]] = {
    "String": lambda size: b"x" * size,
    "ExpandString": lambda size: b"x" * size,
    "MultiString": lambda size: b"x" * (size - 1) + b"\0" if size else b"",
    "DWord": lambda _: b"0",
    "QWord": lambda _: b"0",
    "Binary": bytes,
    "None": bytes,
}
