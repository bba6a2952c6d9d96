"""Requests as the lines of a batch."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterable, Mapping
from typing import Final

from iea_fleet.model.request import (
    Failed,
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
    aside_name,
    is_registry_key,
    temporary_name,
)

_Field = str | bytes | bool | float
_BATCH_FILE: Final = (".bat", ".cmd")
_SPECIAL: Final = frozenset('"%!^&|<>()\r\n')


def unsafe(request: RunAction) -> Failed | None:
    """Why an action is not sent: cmd.exe runs batch files, and takes words apart by rules of its own (CVE-2024-24576).

    >>> unsafe(RunAction(("C:/IEA/relance.cmd", "a & b"))).reason_code
    'action_unsafe'
    """
    program, *arguments = request.argv
    if not program.lower().rstrip(". ").endswith(_BATCH_FILE) or not _SPECIAL.intersection("".join(arguments)):
        return None
    reason = f"{program} is a batch file, and an argument has characters that cmd.exe acts on; name the program itself"
    return Failed("action_unsafe", f"{reason} in the layout")


def head(identity: str, *, read_only: bool) -> bytes:
    """The first line of a batch; the answers carry the same ``identity``."""
    return _line("batch", {"id": identity, "mode": "read_only" if read_only else "writing"})


def line(request: Request, private_folder: str, roots: Iterable[bytes] = ()) -> bytes:
    """The line of one request.

    What a replacement sets aside goes into ``private_folder`` (on the same drive, as Windows wants it; "" is the folder
    of the file), under a name by which a later run knows it as left over. ``roots`` are the certificates (DER) that an
    OpenUrl trusts; none means those that Windows trusts.
    """
    fields: dict[str, _Field]
    match request:
        case ReadFile(path, limit):
            word, fields = "read_key" if is_registry_key(path) else "read_file", {"path": path, "limit": limit}
        case ListFolder(path):
            word, fields = "list_folder", {"path": _rooted(path)}
        case Stat(path):
            word, fields = "stat", {"path": _rooted(path)}
        case MeasureRoom(path):
            word, fields = "measure_room", {"path": _rooted(path)}
        case MakeFolder(path, private):
            word, fields = "make_folder", {"path": path, "private": private}
        case RemoveFile(path, expected):
            word = "remove_key" if is_registry_key(path) else "remove_file"
            fields = {"path": path, "expected": expected}
        case ReplaceFile():
            word, fields = _replacement(request, private_folder)
        case RunAction((program, *arguments), stdin, timeout, reads):
            # The rules of the C runtime, by which most programs split their command line.
            word, fields = "run_action", {"program": program, "arguments": subprocess.list2cmdline(arguments)}
            fields |= {"stdin": stdin, "timeout": timeout, "reads": reads}
        case OpenUrl(url, timeout):
            trusted = b" ".join(map(base64.b64encode, roots))
            word, fields = "open_url", {"url": url, "timeout": timeout, "roots": trusted}
        case _:
            raise ValueError("an action without a program")
    return _line(word, fields)


def _rooted(path: str) -> str:
    """A bare drive is its root; to Windows it would be the folder that somebody is in."""
    return f"{path}/" if path.endswith(":") else path


def _replacement(request: ReplaceFile, private_folder: str) -> tuple[str, dict[str, _Field]]:
    path = request.path
    fields: dict[str, _Field] = {"path": path, "content": request.content, "expected": request.expected}
    if is_registry_key(path):
        return "replace_key", fields
    folder, _, name = path.rpartition("/")
    token = secrets.token_hex(8)
    return "replace_file", {
        **fields,
        "temporary": f"{folder}/{temporary_name(name, token)}",
        "aside": f"{private_folder or folder}/{aside_name(name, token)}",
        "private": request.private,
    }


def _line(word: str, fields: Mapping[str, _Field]) -> bytes:
    written = (f"{name}=".encode() + _encoded(value) for name, value in fields.items())
    return b" ".join([word.encode(), *written]) + b"\n"


def _encoded(value: _Field) -> bytes:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, int | float):
        value = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return base64.b64encode(value)
