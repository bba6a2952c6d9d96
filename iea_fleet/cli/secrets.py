"""``iea-fleet secrets INVENTORY init|set|list|check|rekey``: looking after the secrets that an inventory refers to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from iea_fleet.cli.options import DebugOption, Format, FormatOption, InventoryArgument

if TYPE_CHECKING:
    from pydantic import SecretStr

_MOST_BYTES = 32 * 1024

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    subcommand_metavar="init|set|list|check|rekey [ARGS]...",
    help="Look after the secrets that an inventory refers to. No command shows a value.",
)


@app.callback()
def _secrets(context: typer.Context, inventory: InventoryArgument) -> None:
    context.obj = inventory


@app.command()
def init(
    context: typer.Context,
    passphrase: Annotated[
        bool,
        typer.Option("--passphrase", help="Protect the identity; asked for, or taken from IEA_FLEET_AGE_PASSPHRASE."),
    ] = False,
    debug: DebugOption = False,  # noqa: ARG001 - the command line looks for it
) -> None:
    """Make your age identity and the folder of secrets, where they are not there yet; print your recipient."""
    from iea_fleet.cli.output import complain
    from iea_fleet.engine.secret_store import begin

    begun = begin(context.obj, _passphrase() if passphrase else None)
    if begun.made:
        complain(f"made the age identity {begun.identity}: keep a copy in a safe place, nothing opens without it")
    else:
        complain(f"your age identity is {begun.identity}")
    complain(f"secrets are kept in {begun.folder}")
    if begun.declared:
        complain("the inventory encrypts to you already")
    elif begun.recipients:
        line = f"age: {{kind: age, folder: {begun.folder.name}, recipients: [{', '.join(begun.recipients)}]}}"
        complain(f"add your recipient to the inventory, below `secrets:`, like  {line}")
    else:
        complain(f"your recipient is the line in {begun.identity}.pub; add it to `recipients` in the inventory")
    for recipient in begun.recipients:
        typer.echo(recipient)


@app.command("set")
def set_(
    context: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Like net-entreprises/ligue-54, or age:net-entreprises/ligue-54.")
    ],
    value: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    debug: DebugOption = False,  # noqa: ARG001 - the command line looks for it
) -> None:
    """Keep a secret, encrypted to all recipients of the inventory. Asked for twice, or read from stdin."""
    from iea_fleet.cli.output import complain
    from iea_fleet.engine.secret_store import SecretStore
    from iea_fleet.errors import UsageError

    if value:
        raise UsageError(
            "a secret is never given on the command line: other programs can see it there, and the shell keeps it",
            "leave it out and type it when you are asked, or give it on stdin; then choose another one",
        )
    store = SecretStore(context.obj)
    reference = store.target(path)
    recipients = store.put(reference, _value(f"Secret {reference}"))
    typer.echo(f"{reference}: set, encrypted to {recipients} recipient{'s' if recipients != 1 else ''}")
    if not store.used_by(reference):
        complain(f"nothing in the inventory refers to {reference} yet")


@app.command("list")
def list_(
    context: typer.Context,
    form: FormatOption = Format.TABLE,
    debug: DebugOption = False,  # noqa: ARG001 - the command line looks for it
) -> None:
    """List the secrets that are kept or referred to: name, age, and who refers to them. None is read."""
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.engine import clock
    from iea_fleet.engine.secret_store import SecretStore
    from iea_fleet.reports.secrets_as_json import secrets_document
    from iea_fleet.reports.secrets_as_text import secrets_text

    store = SecretStore(context.obj)
    if form is Format.JSON:
        print_json(secrets_document(store.name, store.listed()))
    else:
        console().print(secrets_text(store.listed(), clock.now()))


@app.command()
def check(context: typer.Context, debug: DebugOption = False) -> None:  # noqa: ARG001 - the command line looks for it
    """Read every secret that is referred to; tell which cannot be had or used, and which nothing refers to."""
    from iea_fleet.engine.secret_store import SecretStore
    from iea_fleet.reports.safe import printable

    findings = list(SecretStore(context.obj).checked())
    for one in findings:
        where = f" ({', '.join(one.used_by)})" if one.used_by else ""
        typer.echo(printable(f"{one.reference}: {one.reason}{where}"))
    dangling = sum(one.dangling for one in findings)
    typer.echo(f"{dangling} cannot be used, {len(findings) - dangling} not referred to")
    raise typer.Exit(1 if dangling else 0)


@app.command()
def rekey(context: typer.Context, debug: DebugOption = False) -> None:  # noqa: ARG001 - the command line looks for it
    """Encrypt every age file to the recipients of the inventory. One that cannot be opened is left as it is."""
    from iea_fleet.cli.output import complain
    from iea_fleet.engine.secret_store import SecretStore
    from iea_fleet.reports.safe import printable

    done = failed = 0
    for reference, error in SecretStore(context.obj).rekeyed():
        if error is None:
            done += 1
            typer.echo(printable(f"{reference}: encrypted anew"))
        else:
            failed += 1
            complain(f"{reference}: left as it was: {error}")
    typer.echo(f"{done} encrypted anew, {failed} left")
    complain("who was taken out of `recipients` still has the git history and their copies: set those secrets anew")
    raise typer.Exit(1 if failed else 0)


def _passphrase() -> SecretStr:
    """The passphrase of a new identity."""
    import os

    from pydantic import SecretStr

    from iea_fleet.errors import UsageError
    from iea_fleet.secrets.age_identity import PASSPHRASE_VARIABLE

    if given := os.environ.get(PASSPHRASE_VARIABLE):
        return SecretStr(given)
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for a passphrase on", f"set {PASSPHRASE_VARIABLE}")
    return _asked_twice("Passphrase")


def _value(prompt: str) -> SecretStr:
    """A secret from the terminal without echo, or the whole of stdin without its last line end."""
    from pydantic import SecretStr

    from iea_fleet.errors import UsageError
    from iea_fleet.secrets.base import without_line_end

    if sys.stdin.isatty():
        return _asked_twice(prompt)
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UsageError("stdin holds more than 32 KB", "is it the right file? Nothing was written")
    try:
        return SecretStr(without_line_end(data).decode())
    except UnicodeDecodeError:
        raise UsageError("stdin is no UTF-8 text", "nothing was written") from None


def _asked_twice(prompt: str) -> SecretStr:
    from getpass import getpass

    from pydantic import SecretStr

    from iea_fleet.errors import UsageError

    first = SecretStr(getpass(f"{prompt}: "))
    if first != SecretStr(getpass(f"{prompt}, once more: ")):
        raise UsageError("the two are not the same", "nothing was written; try again")
    if not first:
        raise UsageError("nothing was typed", "nothing was written; try again")
    return first
