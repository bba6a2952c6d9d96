"""``run.json`` as bytes: signed, and believed only when that holds and the paths are this workstation's."""

from __future__ import annotations

import datetime as dt
import hmac
import json
import posixpath
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from iea_fleet.model.journal import Journal, JournalFile, Owner
from iea_fleet.model.target import Target

VERSION = 1
_LONGEST_NAME = 300
Sign = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Stranger:
    """A ``run.json`` that we did not write, or cannot trust. ``claims`` is what it says of itself, if it says it."""

    reason: str
    claims: Journal | None = None


def encode(journal: Journal, sign: Sign) -> bytes:
    """The bytes of a journal. Who cannot sign cannot make us touch a file."""
    body = {"iea_fleet_run": VERSION, **asdict(journal), "begun_at": journal.begun_at.isoformat()}
    body["signature"] = sign(_canonical(body))
    return (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode()


def decode(data: bytes, target: Target, inventory: str, sign: Sign) -> Journal | Stranger:
    """The journal in these bytes, if it is ours and of this workstation."""
    try:
        body = json.loads(data)
        if body["iea_fleet_run"] != VERSION:
            return Stranger("it was written by another version of iea-fleet")
        journal = _journal(body)
        signed = hmac.compare_digest(str(body.pop("signature")).encode(), sign(_canonical(body)).encode())
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return Stranger("it is not a file of iea-fleet, or damaged")
    return _distrust(journal, signed, target, inventory) or journal


def _distrust(journal: Journal, signed: bool, target: Target, inventory: str) -> Stranger | None:
    if not signed:
        return Stranger("it is not signed by this history", journal)
    if (journal.inventory, journal.workstation) != (inventory, target.name):
        return Stranger(f"it belongs to {journal.workstation} of {journal.inventory}", journal)
    if strange := [file.path for file in journal.files if not _is_ours(file, target)]:
        return Stranger(f"it names {strange[0]}, which is no file of this workstation's layout", journal)
    return None


def _journal(body: dict[str, Any]) -> Journal:
    """What it says, which anybody may have written. ValueError for what no run.json of ours says."""
    begun_at = dt.datetime.fromisoformat(body["begun_at"])
    if begun_at.tzinfo is None:
        raise ValueError("a time without its zone")
    journal = Journal(
        inventory=str(body["inventory"]),
        workstation=str(body["workstation"]),
        run=str(body["run"]),
        owner=Owner(**body["owner"]),
        begun_at=begun_at,
        duration=float(body["duration"]),
        files=tuple(JournalFile(**file) for file in body["files"]),
    )
    shown = (journal.inventory, journal.workstation, journal.run, str(journal.owner))
    if not all(text.isprintable() and len(text) <= _LONGEST_NAME for text in shown):
        raise ValueError("a name that nobody can read")
    if not isinstance(journal.owner.pid, int):
        raise TypeError("a process without a number")
    return journal


def _is_ours(file: JournalFile, target: Target) -> bool:
    private = target.files["private"]
    known = {path for name, path in target.files.items() if name not in ("private", "lock_file")}
    backed_up_here = file.backup is None or posixpath.dirname(file.backup) == private
    return (file.path in known or _is_of_a_user(file.path, target)) and backed_up_here


def _is_of_a_user(path: str, target: Target) -> bool:
    """Whether a path is that of an IEA account, also of one that the inventory does not name any more."""
    files = target.user_files
    if files is None or not path.startswith(f"{files.folder}/"):
        return False
    user = files.user_of(path.removeprefix(f"{files.folder}/").partition("/")[0])
    return user is not None and path == files.path(user)


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
