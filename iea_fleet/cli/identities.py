"""``iea-fleet identities INVENTORY list|test|clear``: what Net-Entreprises says of the accounts of an inventory."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iea_fleet.cli.options import DebugOption, Format, FormatOption, InventoryArgument, StateOption, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iea_fleet.engine.identities import Identities
    from iea_fleet.model.account import KnownIdentity

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    subcommand_metavar="list|test|clear [ARGS]...",
    help="See and test the Net-Entreprises accounts of an inventory, and clear one that the guard holds.",
)

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")]


@app.callback()
def _identities(context: typer.Context, inventory: InventoryArgument) -> None:
    context.obj = inventory


@app.command("list")
def list_(context: typer.Context, form: FormatOption = Format.TABLE, state_dir: StateOption = None) -> None:
    """Show each identity: its account, users and workstations, and the last verdict with its age. Nothing is sent."""
    with _opened(context, state_dir) as identities:
        _print(identities, [identities.known(name) for name in identities.chosen(())], form)


@app.command("test")
def ask(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="These identities; all of them without.")
    ] = None,
    yes: YesOption = False,
    form: FormatOption = Format.TABLE,
    debug: DebugOption = False,
    state_dir: StateOption = None,
) -> None:
    """Test accounts now, one after the other. Asks first on a terminal.

    A password that was refused, or whose answer was lost, is not sent again: nothing forces that but clear. One that
    was accepted is not sent again for a day. Ctrl-C finishes the one in hand.
    """
    from iea_fleet.engine.identities import exit_code

    with _opened(context, state_dir, debug=debug) as identities:
        chosen = identities.chosen(names or ())
        place = identities.loaded.net_entreprises_service
        question = f"Test {len(chosen)} at Net-Entreprises ({place.environment}, from {place.test_from})?"
        if chosen and not _agreed("test", question, yes=yes):
            raise typer.Exit(1)
        tested: list[KnownIdentity] = []
        with _finishing_first() as pressed:
            for one in identities.tested(chosen):
                tested.append(one)
                if pressed:
                    break
        _print(identities, tested, form)
    raise typer.Exit(exit_code(tested, interrupted=bool(pressed)))


@app.command()
def clear(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The identity.")],
    yes: YesOption = False,
    state_dir: StateOption = None,
) -> None:
    """Let the account of an identity be tested again, after you have looked at it yourself. Asks first on a terminal.

    The risk: a password that is still wrong counts as one more failure, and Net-Entreprises locks the account after a
    few of them. Log in once at net-entreprises.fr before.
    """
    with _opened(context, state_dir) as identities:
        identities.chosen([name])
        held = identities.held(name)
        others = identities.also(name)
        same = f" ({', '.join(others)} too: the same account)" if others else ""
        typer.echo(f"{name}{same}: {held.answered.replace('_', ' ')}: {held.reason}", err=True)
        typer.echo(
            "Once cleared, the next run that needs it tests it again. A password that is still wrong is one more "
            "failure, and Net-Entreprises locks the account after a few.",
            err=True,
        )
        if not _agreed("clear", f"Clear the account of {name}?", yes=yes):
            raise typer.Exit(1)
        identities.clear(name)
    typer.echo(f"{name}: cleared; test it with: iea-fleet identities INVENTORY test {name}")


@contextmanager
def _opened(context: typer.Context, state_dir: Path | None, *, debug: bool = False) -> Iterator[Identities]:
    from iea_fleet.cli.output import complain
    from iea_fleet.engine.identities import Identities

    with Identities.open(options(context.obj, None, None, state_dir, debug=debug), complain) as identities:
        yield identities


def _print(identities: Identities, shown: Sequence[KnownIdentity], form: Format) -> None:
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.engine import clock
    from iea_fleet.reports.accounts_as_json import accounts_document
    from iea_fleet.reports.accounts_as_text import accounts_text

    if form is Format.JSON:
        print_json(accounts_document(identities.loaded.name, shown))
    else:
        console().print(accounts_text(shown, clock.now()))


def _agreed(verb: str, question: str, *, yes: bool) -> bool:
    """Whether the operator types the whole word, or has said so already."""
    from iea_fleet.cli.asking import says_yes
    from iea_fleet.errors import UsageError

    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"identities {verb} asks first, and there is no terminal to ask on", "add --yes")
    if says_yes(question):
        return True
    typer.echo("nothing was done", err=True)
    return False


@contextmanager
def _finishing_first() -> Iterator[list[int]]:
    """While accounts are tested Ctrl-C only leaves its number: a test that is cut off would count as undecided."""
    pressed: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _frame: pressed.append(number)) for number in numbers}
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
