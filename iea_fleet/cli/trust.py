"""``iea-fleet trust``: see and accept the host keys of workstations. Nothing accepts a key by itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from iea_fleet.cli.options import InventoryArgument, LimitOption, StateOption, options

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="See and accept the host keys of workstations. Nothing accepts a key by itself.",
)

WorkstationArgument = Annotated[str, typer.Argument(metavar="WORKSTATION", help="The workstation's name.")]


@app.command()
def scan(inventory: InventoryArgument, limit: LimitOption = None, state_dir: StateOption = None) -> None:
    """Show the host keys that workstations present, and what we know of them. Nothing is accepted."""
    from iea_fleet.cli.output import complain
    from iea_fleet.engine.hosts import Hosts

    silent = 0
    with Hosts.open(options(inventory, None, limit, state_dir)) as hosts:
        for found in hosts.scan():
            if found.error is not None:
                silent += 1
                complain(f"{found.workstation}: {found.error}")
            for key in found.keys:
                typer.echo(f"{key.line} {found.workstation}: {key.standing}")
    raise typer.Exit(4 if silent else 0)


@app.command()
def add(
    inventory: InventoryArgument,
    workstation: Annotated[str | None, typer.Argument(metavar="WORKSTATION", help="One workstation.")] = None,
    fingerprint: Annotated[
        str | None, typer.Option("--fingerprint", help="SHA256:… as read at the workstation; another key is refused.")
    ] = None,
    known_hosts: Annotated[
        Path | None, typer.Option("--known-hosts", help="Take the keys of a known_hosts file; nobody is asked.")
    ] = None,
    fingerprints: Annotated[
        Path | None, typer.Option("--fingerprints", help="For scripts: lines of WORKSTATION SHA256:…")
    ] = None,
    limit: LimitOption = None,
    state_dir: StateOption = None,
) -> None:
    """Accept host keys: by fingerprint, from a known_hosts file, or by a typed yes."""
    from iea_fleet.cli.output import complain
    from iea_fleet.engine.hosts import Hosts
    from iea_fleet.errors import OfflineError, UsageError

    given = [name for name in (fingerprint, known_hosts, fingerprints) if name is not None]
    if len(given) > 1:
        raise UsageError("give one of --fingerprint, --known-hosts and --fingerprints")
    if fingerprint is not None and workstation is None:
        raise UsageError("a fingerprint is one workstation's", "name the workstation before --fingerprint")
    selectors = [workstation] if workstation else limit
    with Hosts.open(options(inventory, None, selectors, state_dir)) as hosts:
        if known_hosts is not None:
            accepted = hosts.add_known_hosts(known_hosts)
        elif fingerprints is not None:
            accepted = hosts.add_listed(fingerprints)
        elif fingerprint is not None:
            accepted = hosts.add_fingerprint(fingerprint)
        else:
            accepted = hosts.add_confirmed(_typed_yes)
        codes = {0}
        for name, outcome in accepted:
            if isinstance(outcome, str):
                typer.echo(f"accepted for {name}: {outcome}")
            else:
                complain(str(outcome))
                codes.add(4 if isinstance(outcome, OfflineError) else 1)
    raise typer.Exit(1 if 1 in codes else max(codes))


@app.command("list")
def list_keys(inventory: InventoryArgument, limit: LimitOption = None, state_dir: StateOption = None) -> None:
    """List the accepted keys: those of the inventory, and those of our own store."""
    from iea_fleet.cli.output import complain
    from iea_fleet.engine.hosts import Hosts

    listed = list(Hosts.open(options(inventory, None, limit, state_dir)).listed())
    for workstation, line, where in listed:
        typer.echo(f"{line} {workstation}: {where}")
    if not listed:
        complain("no host key is accepted yet; see them with: iea-fleet trust scan")


@app.command()
def remove(inventory: InventoryArgument, workstation: WorkstationArgument, state_dir: StateOption = None) -> None:
    """Forget the accepted keys of a workstation, after it was reinstalled."""
    from iea_fleet.engine.hosts import Hosts

    removed = Hosts.open(options(inventory, None, None, state_dir)).remove(workstation)
    typer.echo(f"{workstation}: {removed} key{'s' if removed != 1 else ''} forgotten")
    if not removed:
        raise typer.Exit(1)


def _typed_yes(workstation: str, lines: list[str]) -> bool:
    """Whether the operator types the whole word, having been shown the fingerprints."""
    from iea_fleet.cli.asking import says_yes
    from iea_fleet.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to type yes on",
            "use --fingerprint, --fingerprints or --known-hosts",
        )
    for line in lines:
        typer.echo(f"{workstation} presents {line}", err=True)
    return says_yes(f"Compare with what {workstation} itself shows. Accept?")
