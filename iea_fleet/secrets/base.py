"""What every kind of back-end offers, what it is given when it is opened, and the words they share."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.secrets.age_identity import OperatorIdentity
from iea_fleet.secrets.redactor import SHARED


class Backend(Protocol):
    """What every kind of back-end offers, once it is open. It is used by one thread at a time."""

    def exists(self, path: str) -> bool:
        """Whether there is a secret, without reading it where that can be. SecretError when it cannot be told."""
        ...

    def get(self, path: str, field: str | None) -> SecretStr:
        """The value, never trimmed or changed. SecretError, without any value in it, when it cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What a back-end is opened with.

    ``folder``: relative paths are meant from here; ``secret`` reads a reference to another back-end, for a password or
    token of its own; ``identity`` is the operator's, one for all back-ends, so that its passphrase is asked once;
    ``variables`` are those in which the inventory expects secrets: no program that is started gets them.
    """

    folder: Path
    secret: Callable[[str], SecretStr]
    identity: OperatorIdentity
    variables: frozenset[str] = frozenset()


def parts_of(path: str) -> tuple[str, ...]:
    """The parts of a path between its slashes. SecretError when one of them would lead somewhere else."""
    parts = tuple(path.split("/"))
    odd = "\\" in path or any(unicodedata.category(sign) in ("Cc", "Cs") for sign in path)
    if odd or any(part in ("", ".", "..") for part in parts):
        raise SecretError(
            "a secret reference leads out of its folder", "write it like net-entreprises/ligue-54", code="secret_path"
        )
    return parts


def no_fields(what: str, field: str | None) -> None:
    """SecretError when a reference names a field of something that has none."""
    if field is not None:
        raise SecretError(f"{what} has no fields", "delete the # in the reference", code="secret_no_field")


def as_text(value: bytes, shown: str, remedy: str) -> SecretStr:
    """A value as it was kept. SecretError when it is empty or no UTF-8 text."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise SecretError(f"{shown} is no UTF-8 text", f"{remedy} as UTF-8", code="secret_not_text") from None
    if not text:
        raise SecretError(f"{shown} is empty", remedy, code="secret_empty")
    return SecretStr(text)


def without_line_end(printed: bytes) -> bytes:
    """What a program printed, or a person piped, without the one line end that they put after it."""
    return printed[:-2] if printed.endswith(b"\r\n") else printed.removesuffix(b"\n")


def not_installed(kind: str) -> SecretError:
    """A back-end whose package is an extra that is not there."""
    return SecretError(
        f"secrets of the kind {kind} need a package that is not installed",
        f"run: pip install 'iea-fleet[{kind}]'",
        code="secret_extra_missing",
    )


def refuse_fault(value: SecretStr, rule: Callable[[str], str | None], what: str) -> None:
    """SecretError when a rule finds something wrong with a value. A rule never tells the value itself."""
    SHARED.remember(value.get_secret_value())
    if fault := rule(value.get_secret_value()):
        raise SecretError(f"{what} {fault}", "set it again, exactly as it was given out", code="secret_not_taken")
