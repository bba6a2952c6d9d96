"""Options of a rollout in waves, and the question before each of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from iea_fleet.cli.durations import duration

if TYPE_CHECKING:
    from iea_fleet.cli.progress import LiveBar, PlainLines
    from iea_fleet.engine.course import Confirm, Pace
    from iea_fleet.engine.operation import Operation

WavePauseOption = Annotated[
    float | None,
    typer.Option("--wave-pause", metavar="TIME", parser=duration, help="Wait between waves: 90, 5m, 1h."),
]
ConfirmWavesOption = Annotated[bool, typer.Option("--confirm-waves", help="Ask on the terminal before each wave.")]
WaitOfflineOption = Annotated[
    float | None,
    typer.Option(
        "--wait-offline", metavar="TIME", parser=duration, help="Keep trying who is switched off so long, calmly: 2h."
    ),
]


def check(*, yes: bool, confirm_waves: bool, wait_offline: float) -> None:
    """UsageError when these options cannot be had together, or here."""
    from iea_fleet.errors import UsageError

    if confirm_waves and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "--confirm-waves asks before each wave, and there is no terminal to ask on",
            "leave it out, or take --wave-pause",
        )
    if wait_offline and not yes:
        raise UsageError(
            "--wait-offline writes to workstations later that are switched off now and cannot be shown before",
            "add --yes",
        )


def pace(
    opened: Operation,
    listener: PlainLines | LiveBar,
    wave_pause: float,
    wait_offline: float,
    *,
    confirm_waves: bool,
    test_accounts: bool,
) -> Pace:
    """What these options ask of the rollout."""
    from iea_fleet.engine.course import Pace

    return Pace(wave_pause, wait_offline, _question(opened, listener) if confirm_waves else None, test_accounts)


def _question(opened: Operation, listener: PlainLines | LiveBar) -> Confirm:
    from iea_fleet.cli.asking import says_yes
    from iea_fleet.cli.visit import question
    from iea_fleet.reports.wording import workstations

    def confirm(number: int, of: int, size: int) -> bool:
        with listener.aside():
            try:
                with question():
                    return says_yes(f"Begin wave {number} of {of}, {workstations(size)}?")
            except KeyboardInterrupt:
                typer.echo(err=True)
                opened.stop()
                return False

    return confirm
