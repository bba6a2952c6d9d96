"""Plans in files: written whole, signed with the history's key, and believed only when that holds."""

from __future__ import annotations

import contextlib
import hmac
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError

from iea_fleet.engine.load import Loaded
from iea_fleet.engine.load.layouts import shipped_name
from iea_fleet.engine.load.source import shown_path
from iea_fleet.engine.options import Options
from iea_fleet.engine.redaction import cleaned_document
from iea_fleet.errors import UsageError
from iea_fleet.history.key import HistoryKey
from iea_fleet.model.plan import Plan
from iea_fleet.model.request import digest
from iea_fleet.model.run import Run
from iea_fleet.model.saved_plan import SavedPlan
from iea_fleet.reports import plan_as_json

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a plan file; what a plan says of one workstation takes about three thousand."""

_KIND = re.compile(r"iea-fleet/plan/(\d{1,6})")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Found:
    """A plan file as it was read. ``signed`` is False where only another history could tell whether it was edited.

    ``shown`` is the file as the user knows it, ``digest`` that of its bytes.
    """

    saved: SavedPlan
    document: Mapping[str, Any]
    signed: bool
    shown: str
    digest: str


def made(run: Run, plan: Plan, planned: frozenset[str], loaded: Loaded, options: Options, history: str) -> SavedPlan:
    """The plan of this run, with all that it was made from. ``history`` is the fingerprint of its key."""
    playbook = options.playbook and _from_folder(str(options.playbook), loaded.folder)
    return SavedPlan(
        plan=plan,
        planned=planned,
        history=history,
        run=run.id,
        user=run.user,
        host=run.host,
        playbook=run.playbook,
        playbook_file=playbook or None,
        limit=options.limit,
        files=from_folder(loaded.files, loaded.folder),
        offices=loaded.offices,
        commit=run.git_commit,
    )


def from_folder(files: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Files and their digests, named as from ``folder``: the same from wherever the command is started."""
    return {_from_folder(shown, folder): of_file for shown, of_file in files.items()}


def _from_folder(shown: str, folder: Path) -> str:
    return shown if shipped_name(shown) else os.path.relpath(Path(shown).absolute(), folder)


def check_place(path: Path) -> None:
    """UsageError when no plan can be written to ``path``, or something else than a plan would be lost there."""
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise _not_written(path, f"{folder} is no folder that you can write to")
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_written(path, str(error.strerror)) from None
    try:
        if not stat.S_ISREG(kind):
            raise UsageError("it is no file")
        _parsed(_bytes(path), path)
    except UsageError as error:
        if error.code == "plan_newer":
            return
        raise UsageError(
            f"{path} is there already and is no plan; it was left as it is",
            "name another file after -o, or remove this one",
            code="plan_in_the_way",
        ) from None


def write(path: Path, saved: SavedPlan, key: HistoryKey) -> None:
    """Write a plan, signed, whole or not at all, readable by its owner alone. UsageError when it cannot be written."""
    check_place(path)
    # What the net hides makes the plan stale where it is applied: a mark is never written to a workstation.
    document = cast("dict[str, Any]", cleaned_document(plan_as_json.document(saved)))
    document["signature"] = _signature(document, key)
    content = (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
    new = path.absolute().with_name(f".iea-fleet-plan-{secrets.token_hex(8)}")
    try:
        _put(new, content)
        new.replace(path)
        _settle(new.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise _not_written(path, str(error.strerror)) from None


def read(path: Path, key: HistoryKey) -> Found:
    """The plan in a file of this history. UsageError when it is none, was edited, or is another history's."""
    found = look_at(path, key)
    if not found.signed:
        raise UsageError(
            f"{path} was made on another history (that of {found.saved.user} on {found.saved.host})",
            "apply it there, or plan again here; --state-dir names a history",
            code="plan_other_history",
        )
    return found


def look_at(path: Path, key: HistoryKey) -> Found:
    """The plan in a file, also one of another history. UsageError when it is none, or was edited."""
    content = _bytes(path)
    document = _parsed(content, path)
    ours = document.get("history") == key.fingerprint
    if ours and not hmac.compare_digest(str(document.get("signature")).encode(), _signature(document, key).encode()):
        raise UsageError(
            f"{path} is not as iea-fleet wrote it: its signature does not hold",
            "somebody edited it or it was damaged; plan again",
            code="plan_signature",
        )
    try:
        return Found(plan_as_json.saved_plan(document), document, ours, shown_path(path), digest(content))
    except (ValidationError, RecursionError):
        raise _no_plan(path, "parts of one are missing or odd") from None


def playbook_of(saved: SavedPlan, inventory: Path) -> Path | None:
    """The playbook that a plan was made by, beside this inventory. UsageError when it is not there any more."""
    if saved.playbook_file is None:
        return None
    path = inventory.absolute().parent / saved.playbook_file
    if not path.is_file():
        raise UsageError(
            f"the plan was made by the playbook {saved.playbook_file}, which is not there beside {inventory}",
            "give the inventory that the plan was made for, or plan again",
            code="plan_files_changed",
        )
    return path


def _signature(document: Mapping[str, Any], key: HistoryKey) -> str:
    body = {name: value for name, value in document.items() if name != "signature"}
    return key.sign(b"iea-fleet plan\0" + json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"the plan {path} cannot be read: {error.strerror}", "check its name", code="plan_unreadable"
        ) from None
    if len(content) > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST // 1024 // 1024} MB, so it is no plan", code="plan_too_large")
    return content


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    """The document in these bytes, of this version's kind; nothing in it is believed yet."""
    try:
        document = json.loads(content, object_pairs_hook=_once, parse_constant=_number, parse_float=_number)
        # JSON can escape half surrogates, which no file and no terminal takes.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise _no_plan(path, "it is not whole, or was never one") from None
    kind = _KIND.fullmatch(str(document.get("schema"))) if isinstance(document, dict) else None
    if kind is None:
        raise _no_plan(path, "it does not say that it is one")
    if int(kind[1]) > _VERSION:
        raise UsageError(
            f"{path} was made by a newer iea-fleet ({kind[0]}; this one reads up to iea-fleet/plan/{_VERSION})",
            "update iea-fleet, or plan again",
            code="plan_newer",
        )
    assert isinstance(document, dict)
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a key that stands twice would be read otherwise by other programs."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _number(text: str) -> float:
    """A number of JSON; Python would take NaN, Infinity and what is too large for one."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number


def _no_plan(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is no plan of iea-fleet: {why}", "iea-fleet plan INVENTORY -o FILE makes one", code="plan_none"
    )


def _not_written(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the plan cannot be written to {path}: {why}", "name another file after -o", code="plan_not_written"
    )


def _put(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    """Make a rename in this folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
