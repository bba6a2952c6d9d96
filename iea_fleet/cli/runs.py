"""``iea-fleet runs``: what was run, when and by whom; whether anybody changed the records; removing old ones."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from iea_fleet.cli.options import Format, FormatOption, StateOption, state_dir

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    invoke_without_command=True,
    subcommand_metavar="[verify|prune] [ARGS]...",
)


@app.callback()
def runs(
    context: typer.Context,
    inventory: Annotated[
        str | None, typer.Option("--inventory", metavar="NAME", help="Only runs of this name.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=10_000, help="How many, the latest first.")] = 20,
    form: FormatOption = Format.TABLE,
    state: StateOption = None,
) -> None:
    """List what was run, when and by whom, the latest first. Or verify or prune these records."""
    if context.invoked_subcommand is not None:
        context.obj = state
        return
    from iea_fleet.cli.output import console, print_json
    from iea_fleet.history import History
    from iea_fleet.reports.run_as_text import runs_text
    from iea_fleet.reports.runs_as_json import document

    with History.open(state_dir(state)) as history:
        records = history.runs(most, inventory)
    if form is Format.JSON:
        print_json(document(records))
    else:
        console().print(runs_text(records))


@app.command()
def verify(
    context: typer.Context,
    head: Annotated[
        str, typer.Option("--head", metavar="HASH", help="A head that was kept elsewhere; it has to be in the chain.")
    ] = "",
    state: StateOption = None,
) -> None:
    """Find out whether anybody changed, removed or inserted a record; exit 1 when so. Prints the head of the chain.

    Keep the head elsewhere: who can write the history can make all of it anew, but not so that it still has that head.
    """
    from iea_fleet.cli.output import complain
    from iea_fleet.history import History

    with History.open(state_dir(state or context.obj)) as history:
        found = history.verify(head.strip().lower())
    if found.closed:
        typer.echo(f"records to {found.closed} were pruned")
    typer.echo(f"head: record {found.head.number}, hash {found.head.hash or 'none'}")
    if found.broken:
        complain(f"the history was changed by something else than iea-fleet: {found.broken}")
        raise typer.Exit(1)
    typer.echo(f"{found.records} records, each as it was written")


@app.command()
def prune(
    context: typer.Context,
    before: Annotated[
        dt.datetime | None,
        typer.Option("--before", formats=["%Y-%m-%d"], metavar="DATE", help="Remove runs from before this day."),
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="DAYS", help="Or all that are older than this, such as 400d.")
    ] = None,
    state: StateOption = None,
) -> None:
    """Remove old runs: the names of users and of workstations, and SIRET, are personal data.

    What is last known of each workstation stays. The chain of records is closed in their place, so that verify works.
    """
    import getpass
    import platform

    from iea_fleet.history import History
    from iea_fleet.reports.wording import moment

    day = _day(before, keep)
    with History.open(state_dir(state or context.obj)) as history:
        done = history.prune(day, f"{getpass.getuser()}@{platform.node()}")
        head = history.verify().head
    typer.echo(f"{done.runs} run{'' if done.runs == 1 else 's'} from before {moment(day)} removed")
    if done.kept_back:
        typer.echo(f"{done.kept_back} stay: they were not over when a run began that is kept")
    typer.echo(f"head: record {head.number}, hash {head.hash or 'none'}")


def _day(before: dt.datetime | None, keep: str | None) -> dt.datetime:
    """The moment before which runs go. UsageError when it is not said, said twice, or lies ahead."""
    from iea_fleet.errors import UsageError

    now = dt.datetime.now().astimezone()
    if (before is None) is (keep is None):
        raise UsageError("which runs are to be removed is not clear", "give either --before 2026-01-01 or --keep 400d")
    if before is not None:
        day = before.astimezone()
    else:
        number = (keep or "").removesuffix("d")
        if not (number.isascii() and number.isdigit() and len(number) < 6) or number == keep:
            raise UsageError(f"{keep!r} is no number of days", "write it like --keep 400d")
        day = now - dt.timedelta(days=int(number))
    if day > now:
        raise UsageError(f"{day:%Y-%m-%d} has not come yet", "name a day that is past")
    return day
