"""``iea-fleet lab``: a simulated network on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iea_fleet.lab import faults, lifecycle

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="A simulated network on this machine: real SSH servers and real TLS, on loopback, to try everything on.",
)

DirOption = Annotated[Path, typer.Option("--dir", help="The folder of the lab.")]
WorkstationArgument = Annotated[str, typer.Argument(metavar="WS", help="The workstation's name.")]
DEFAULT_DIR = Path(".lab")


@app.command()
def up(
    offices: Annotated[int, typer.Option("--offices", min=1, help="How many offices.")] = 3,
    workstations: Annotated[int, typer.Option("--workstations", min=1, help="How many workstations in all.")] = 6,
    directory: DirOption = DEFAULT_DIR,
) -> None:
    """Start a lab in the background; returns when everything answers."""
    info = lifecycle.up(directory, offices, workstations)
    typer.echo(f"{len(info.workstations)} workstations in {offices} offices; process {info.pid}")
    typer.echo(f"inventory: {_shown(info.inventory)}")


@app.command()
def down(directory: DirOption = DEFAULT_DIR) -> None:
    """Stop a lab. Its folder stays."""
    pid = lifecycle.down(directory)
    typer.echo(f"process {pid} has ended" if pid else f"no lab runs in {directory}")


@app.command()
def status(directory: DirOption = DEFAULT_DIR) -> None:
    """Show a lab: its workstations, their ports and faults."""
    info = lifecycle.status(directory)
    if info is None:
        typer.echo(f"no lab runs in {directory}")
        raise typer.Exit(4)
    typer.echo(f"process {info.pid}, inventory {_shown(info.inventory)}")
    typer.echo(f"servers: {info.authentication_url} and {info.update_url}{' (down)' if info.servers_down else ''}")
    for one in info.workstations:
        typer.echo(f"{one.name}  port {one.port}  {', '.join(one.faults) or 'no fault'}")


@app.command("break", epilog="Faults: " + "; ".join(f"{fault}: {meaning}" for fault, meaning in faults.FAULTS.items()))
def break_(
    workstation: WorkstationArgument,
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="One of the faults below.")],
    directory: DirOption = DEFAULT_DIR,
) -> None:
    """Bring a fault over a workstation, or over the servers."""
    info = lifecycle.break_(directory, workstation, fault)
    now = next((", ".join(one.faults) for one in info.workstations if one.name == workstation), fault)
    typer.echo(f"{workstation}: {now or 'settings changed'}")


@app.command()
def mend(workstation: WorkstationArgument, directory: DirOption = DEFAULT_DIR) -> None:
    """End all faults of a workstation. Settings that were pushed since stay."""
    lifecycle.mend(directory, workstation)
    typer.echo(f"{workstation}: no fault")


def _shown(path: Path) -> str:
    """A path as somebody types it who is here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
