"""Edits become requests: the one place where new content of a workstation's files is made, and secrets are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from iea_fleet.engine.gather import Gathered
from iea_fleet.engine.transaction import Write
from iea_fleet.errors import SecretError
from iea_fleet.formats import format_named
from iea_fleet.model.layout import Scalar
from iea_fleet.model.plan import Change, Edit, Hidden
from iea_fleet.model.request import Answer, Failed, Ran, ReplaceFile, RunAction
from iea_fleet.model.target import Target
from iea_fleet.resources import kind_of
from iea_fleet.resources.net_entreprises import KIND
from iea_fleet.secrets import Secrets
from iea_fleet.transports.base import Session


@dataclass(frozen=True, slots=True)
class Rendered:
    """The requests that carry changes out, and the sealed texts in them, by the address of their resource."""

    writes: tuple[Write, ...]
    sealed: Mapping[str, str] = field(default_factory=dict, repr=False)


def render(
    changes: Iterable[Change], gathered: Gathered, session: Session, target: Target, secrets: Secrets
) -> Rendered:
    """One request for each file that changes, edits of one file joined in order. Sealing is done on the workstation.

    SettingsFormatError when a file cannot hold a value, SecretError when a secret cannot be had or sealed; then nothing
    may be written.
    """
    edits: dict[str, list[Edit]] = {}
    hidden: dict[Hidden, str] = {}
    for change in changes:
        for edit in change.edits:
            edits.setdefault(edit.path, []).append(edit)
            hidden.update({value: change.address for value in edit.values.values() if isinstance(value, Hidden)})
    known = _revealed(tuple(hidden), session, target, secrets)
    accounts = {path for name, path in target.files.items() if kind_of(name) == KIND}
    writes = tuple(
        _replacement(path, of_file, gathered.content(path), known, secret=path in accounts)
        for path, of_file in edits.items()
    )
    return Rendered(writes, {hidden[one]: text for one, text in known.items() if one.seal is not None})


def _replacement(
    path: str, edits: list[Edit], content: bytes | None, known: Mapping[Hidden, str], *, secret: bool
) -> ReplaceFile:
    """``secret``: accounts are kept in this file too, whatever the edits are about."""
    first = edits[0]
    if content is None:
        content = (first.new or "").encode(first.encoding or "utf-8")
    for edit in edits:
        values: dict[str, Scalar] = {
            key: known[value] if isinstance(value, Hidden) else value for key, value in edit.values.items()
        }
        content = format_named(edit.format).patch(content, values, edit.encoding)
    private, secret = any(edit.private for edit in edits), secret or any(edit.secret for edit in edits)
    return ReplaceFile(path, content, first.expected, private, secret)


def _revealed(hidden: tuple[Hidden, ...], session: Session, target: Target, secrets: Secrets) -> dict[Hidden, str]:
    """What is written for each hidden value: the secret, or what the workstation's own action makes of it."""
    known = {one: _password(one, target, secrets) for one in hidden}
    sealing = [one for one in hidden if one.seal is not None]
    if sealing:
        answers = session.carry_out(tuple(_seal(one, known[one], target, secrets) for one in sealing))
        known.update({one: _sealed(one, answer) for one, answer in zip(sealing, answers, strict=True)})
    return known


def _password(one: Hidden, target: Target, secrets: Secrets) -> str:
    return secrets.password(target.identities[one.identity].password).get_secret_value()


def _seal(one: Hidden, password: str, target: Target, secrets: Secrets) -> RunAction:
    """The action that seals a password. What it is given are single lines, so each stands on its own."""
    assert target.layout is not None
    assert one.seal is not None
    action = target.layout.actions[one.seal]
    given = {"value": password}
    if "iea_password" in action.stdin:
        reference = target.users[one.user].iea_password
        if reference is None:
            raise SecretError(
                f"the IEA password of {one.user} is needed to seal the account, and the inventory has none",
                f"add iea_password to {one.user} under users",
                code="iea_password_missing",
            )
        given["iea_password"] = secrets.line(reference).get_secret_value()
    asked = [given[name] for name in action.stdin]
    stdin = asked[0] if len(asked) == 1 else "".join(f"{line}\n" for line in asked)
    return RunAction(action.run, stdin.encode(), action.timeout, action.reads)


def _sealed(one: Hidden, answer: Answer) -> str:
    """The text that an action answered. What it said of a failure is not shown: it may hold what it was given."""
    match answer:
        case Ran(0, stdout):
            text = _line(stdout)
            if text:
                return text
            why = "it answered nothing that can be written"
        case Ran(exit_code):
            why = f"it ended with exit code {exit_code}"
        case Failed(_, reason):
            why = reason
        case _:
            raise AssertionError(f"an action was answered by {type(answer).__name__}")
    raise SecretError(
        f"the account of {one.user} was not sealed by the workstation's action « {one.seal} »: {why}",
        "nothing was written; try the action there by hand",
        code="seal_failed",
    )


def _line(stdout: bytes) -> str:
    """One line of text without its end; "" when it is none."""
    try:
        text = stdout.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""
