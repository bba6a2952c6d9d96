"""The kinds of workstations in the lab, and how they are mixed."""

from __future__ import annotations

from typing import Final, Literal

from iea_fleet.errors import LabError

Kind = Literal["ssh", "ssh-windows", "winrm-https", "winrm-sealed", "winrm-basic"]
"""POSIX over SSH; Windows over SSH; Windows over WinRM: Negotiate over HTTPS, sealed over HTTP, Basic over HTTPS."""

WINRM: Final[tuple[Kind, ...]] = ("winrm-https", "winrm-sealed", "winrm-basic")
"""The kinds that ``--winrm`` asks for, in turn."""


def mixed(workstations: int, windows: int | None = None, winrm: int | None = None) -> tuple[Kind, ...]:
    """The kind of each of so many workstations, of which ``windows`` are reached over SSH and ``winrm`` over WinRM.

    Each kind is spread over the whole. What is not said is 3, or a third of fewer than 9. LabError when there are
    more of them than workstations.

    >>> mixed(6, 2, 1)
    ('ssh', 'ssh-windows', 'ssh', 'winrm-https', 'ssh-windows', 'ssh')
    """
    third = min(3, workstations // 3)
    windows, winrm = third if windows is None else windows, third if winrm is None else winrm
    if windows + winrm > workstations:
        wrong = f"{windows} and {winrm} Windows workstations are more than {workstations} in all"
        raise LabError(wrong, "--workstations counts all of them")
    posix: list[Kind] = ["ssh"] * (workstations - windows - winrm)
    over_ssh: list[Kind] = ["ssh-windows"] * windows
    over_winrm = [WINRM[number % len(WINRM)] for number in range(winrm)]
    places = [
        ((number + 0.5) / len(kinds), turn, kind)
        for turn, kinds in enumerate((posix, over_ssh, over_winrm))
        for number, kind in enumerate(kinds)
    ]
    return tuple(kind for _, _, kind in sorted(places))
