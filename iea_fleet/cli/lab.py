"""``iea-fleet lab``: a simulated network on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from iea_fleet.errors import LabError
from iea_fleet.lab import faults, lifecycle
from iea_fleet.lab.kinds import WINRM, mixed

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="A simulated network on this machine: real SSH servers and real TLS, on loopback, to try everything on.",
)

DirOption = Annotated[Path, typer.Option("--dir", help="The folder of the lab.")]
WorkstationArgument = Annotated[
    str, typer.Argument(metavar="WS", help="The workstation's name, or servers, or net-entreprises.")
]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name in the lab's inventory.")]
DEFAULT_DIR = Path(".lab")


@app.command()
def up(
    offices: Annotated[int, typer.Option("--offices", min=1, help="How many offices.")] = 3,
    workstations: Annotated[int, typer.Option("--workstations", min=1, help="How many workstations in all.")] = 9,
    windows: Annotated[
        int | None,
        typer.Option("--windows", min=0, help="How many of them are Windows, reached over SSH. [default: 3]"),
    ] = None,
    winrm: Annotated[
        int | None,
        typer.Option("--winrm", min=0, help="How many of them are Windows, reached over WinRM. [default: 3]"),
    ] = None,
    directory: DirOption = DEFAULT_DIR,
) -> None:
    """Start a lab in the background; returns when everything answers.

    PowerShell is played by a stand-in, which takes the shipped script alone: no Windows is needed, and none is proven.
    """
    kinds = mixed(workstations, windows, winrm)
    info = lifecycle.up(directory, offices, workstations, kinds)
    over_winrm = sum(kind in WINRM for kind in kinds)
    typer.echo(
        f"{len(kinds)} workstations in {offices} offices ({kinds.count('ssh-windows')} Windows over SSH, {over_winrm} "
        f"over WinRM); process {info.pid}"
    )
    typer.echo(f"inventory: {_shown(info.inventory)}")


@app.command()
def down(directory: DirOption = DEFAULT_DIR) -> None:
    """Stop a lab. Its folder stays."""
    pid = lifecycle.down(directory)
    typer.echo(f"process {pid} has ended" if pid else f"no lab runs in {directory}")


@app.command()
def status(directory: DirOption = DEFAULT_DIR) -> None:
    """Show a lab: its servers, accounts, workstations and faults."""
    info = lifecycle.status(directory)
    if info is None:
        typer.echo(f"no lab runs in {directory}")
        raise typer.Exit(4)
    typer.echo(f"process {info.pid}, inventory {_shown(info.inventory)}")
    typer.echo(f"servers: {info.authentication_url} and {info.update_url}{' (down)' if info.servers_down else ''}")
    service = info.net_entreprises
    typer.echo(
        f"net-entreprises: proxy {service.proxy}, {service.requests} requests, {service.repeated_refusals} repeated "
        f"refusals, {', '.join(service.faults) or 'no fault'}"
    )
    for account in service.accounts:
        typer.echo(f"account {account.name}  {account.state}, judged {account.asked} times")
    for one in info.workstations:
        typer.echo(f"{one.name}  {one.kind}  port {one.port}  {', '.join(one.faults) or 'no fault'}")


def _listed(known: Mapping[str, str]) -> str:
    return "; ".join(f"{fault}: {meaning}" for fault, meaning in known.items())


@app.command(
    "break",
    epilog=f"Faults: {_listed(faults.FAULTS)}. Faults of « {faults.SERVICE} »: {_listed(faults.SERVICE_FAULTS)}",
)
def break_(
    workstation: WorkstationArgument,
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="One of the faults below.")],
    directory: DirOption = DEFAULT_DIR,
) -> None:
    """Bring a fault over a workstation or a server."""
    info = lifecycle.break_(directory, workstation, fault)
    now = next((", ".join(one.faults) for one in info.workstations if one.name == workstation), fault)
    typer.echo(f"{workstation}: {now or 'settings changed'}")


@app.command()
def mend(workstation: WorkstationArgument, directory: DirOption = DEFAULT_DIR) -> None:
    """End all faults of a workstation or a server. Settings that were pushed since stay."""
    lifecycle.mend(directory, workstation)
    typer.echo(f"{workstation}: no fault")


portal = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Change an account at the simulated Net-Entreprises portal.",
)
app.add_typer(portal, name="portal")


@portal.command("set-password")
def set_password(account: AccountArgument, directory: DirOption = DEFAULT_DIR) -> None:
    """Give an account a new password, which unlocks it. It is read from stdin, or asked for."""
    from iea_fleet.secrets.base import without_line_end

    if sys.stdin.isatty():
        password = typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        try:
            password = without_line_end(sys.stdin.buffer.read()).decode()
        except UnicodeDecodeError:
            raise LabError("stdin is no UTF-8 text", "the account has its old password") from None
    _change(directory, account, "set-password", password)


@portal.command()
def lock(account: AccountArgument, directory: DirOption = DEFAULT_DIR) -> None:
    """Lock an account, as refusals in a row do."""
    _change(directory, account, "lock")


@portal.command()
def unlock(account: AccountArgument, directory: DirOption = DEFAULT_DIR) -> None:
    """Unlock an account."""
    _change(directory, account, "unlock")


@portal.command()
def expire(account: AccountArgument, directory: DirOption = DEFAULT_DIR) -> None:
    """Let the password of an account expire."""
    _change(directory, account, "expire")


@portal.command()
def unregister(account: AccountArgument, directory: DirOption = DEFAULT_DIR) -> None:
    """Take an account out of the service DSN."""
    _change(directory, account, "unregister")


@portal.command()
def register(account: AccountArgument, directory: DirOption = DEFAULT_DIR) -> None:
    """Put an account into the service DSN again."""
    _change(directory, account, "register")


def _change(directory: Path, account: str, verb: str, password: str = "") -> None:
    info = lifecycle.change_account(directory, account, verb, password)
    typer.echo(f"{account}: {info.net_entreprises.account(account).state}")


def _shown(path: Path) -> str:
    """A path as somebody types it who is here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
