"""The way from an entrance to a session, by the transport of the workstation. One line a transport."""

from __future__ import annotations

from iea_fleet.transports.base import Reach, Session
from iea_fleet.transports.wire import Wire


def open_session(reach: Reach, entrance: Wire, *, read_only: bool) -> Session:
    """Log in at a workstation that has answered; the entrance is taken over, also when it fails. TransportError.

    A transport's library is loaded when the first workstation needs it.
    """
    if reach.transport == "winrm":
        from iea_fleet.transports import winrm  # noqa: PLC0415 - 0.3 s, which a fleet of SSH alone must not pay

        return winrm.open_session(reach, entrance, read_only=read_only)
    if reach.windows:
        from iea_fleet.transports import ssh_windows  # noqa: PLC0415 - as above

        return ssh_windows.open_session(reach, entrance, read_only=read_only)
    from iea_fleet.transports import ssh  # noqa: PLC0415 - as above

    return ssh.open_session(reach, entrance, read_only=read_only)
