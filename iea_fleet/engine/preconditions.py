"""What has to hold before anything is written: IEA closed, not in assistance mode, a version the layout is made for."""

from __future__ import annotations

from iea_fleet.engine.gather import Gathered
from iea_fleet.model.matrix import Status
from iea_fleet.model.request import Absent, Answer, Failed, Stat
from iea_fleet.model.target import Target
from iea_fleet.probes import state, version
from iea_fleet.resources import Unobserved


def refusal(target: Target, gathered: Gathered) -> Unobserved | None:
    """Why this workstation waits for a person; None when it may be written to."""
    opened = is_open(gathered.answer(application(target)))
    return opened or _assistance(target, gathered) or _version(target, gathered)


def application(target: Target) -> Stat | None:
    """What tells whether IEA is open; None where the layout does not say."""
    path = target.files.get("lock_file")
    return Stat(path) if path else None


def is_open(answer: Answer | None) -> Unobserved | None:
    """Why nothing is written while IEA is open, or may be; None when it is closed."""
    match answer:
        case None | Absent():
            return None
        case Failed(reason_code, reason):
            return Unobserved(Status.WAITING, f"whether IEA is open here cannot be told: {reason}", reason_code)
        case _:
            return Unobserved(Status.WAITING, "IEA is open on this workstation; close it, then apply again", "iea_open")


def _assistance(target: Target, gathered: Gathered) -> Unobserved | None:
    # The fiche forbids the connection procedure while the scarabée rouge shows.
    tray, _ = state.tray_state(target, gathered.file(state.reads(target)))
    if tray != "assistance":
        return None
    reason = "assistance mode is on (scarabée rouge); leave it with support's password of the day, then apply again"
    return Unobserved(Status.WAITING, reason, "assistance_mode")


def _version(target: Target, gathered: Gathered) -> Unobserved | None:
    if target.layout is None or target.layout.versions is None or target.layout.version_file is None:
        return None
    found, why = version.installed(target, gathered.file(version.reads(target)))
    if found is None:
        return Unobserved(Status.WAITING, f"the version of IEA cannot be told: {why}", "version_unknown")
    if version.outside_layout(target, found):
        reason = f"IEA {found} is not a version that layout {target.layout.name} is made for ({target.layout.versions})"
        return Unobserved(Status.WAITING, reason, "version_outside_layout")
    return None
