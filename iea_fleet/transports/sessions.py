"""The way from an entrance to a session, by the transport of the workstation. One line a transport."""

from __future__ import annotations

from collections.abc import Callable

from iea_fleet.transports.base import Reach, Session
from iea_fleet.transports.domain_logins import LOGINS, DomainLogins
from iea_fleet.transports.wire import Wire


def open_session(reach: Reach, entrance: Wire, *, read_only: bool, logins: DomainLogins = LOGINS) -> Session:
    """Log in at a workstation that has answered; the entrance is taken over, also when it fails. TransportError."""
    try:
        with logins.turn(reach):
            return _way_in(reach)(reach, entrance, read_only=read_only)
    except BaseException:
        entrance.close()
        raise


def _way_in(reach: Reach) -> Callable[..., Session]:
    """A transport's library is loaded when the first workstation needs it: each takes some 0.2 s."""
    if reach.transport == "winrm":
        from iea_fleet.transports.winrm import open_session as over_winrm  # noqa: PLC0415

        return over_winrm
    if reach.windows:
        from iea_fleet.transports.ssh_windows import open_session as over_ssh_to_windows  # noqa: PLC0415

        return over_ssh_to_windows
    from iea_fleet.transports.ssh import open_session as over_ssh  # noqa: PLC0415

    return over_ssh
