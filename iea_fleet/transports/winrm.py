r"""A session on one workstation over WinRM.

In an inventory::

    defaults:
      connection: {transport: winrm, user: 'NANCY\iea-admin', password: age:winrm/nancy}
    offices:
      nancy:
        workstations:
          nancy-01: {address: 10.1.0.11, connection: {certificate: 'sha256:…'}}
          nancy-02: {address: nancy-02.example.org, connection: {ca_file: ca.pem, auth: kerberos}}
          nancy-03: {address: 10.1.0.13, connection: {tls: false}}

``auth`` is ``negotiate`` (Kerberos for a user written ``name@REALM`` where its library is installed, else NTLM),
``ntlm``, ``kerberos`` or ``basic``. The port is 5986, and 5985 without ``tls``; there every message is sealed by the
login, and ``basic`` is refused.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import NoReturn, Self

from iea_fleet.errors import BrokenError, TransportError
from iea_fleet.model.request import Answer, Request
from iea_fleet.transports.base import Reach
from iea_fleet.transports.windows.agent import Agent
from iea_fleet.transports.winrm_shell import Shell
from iea_fleet.transports.winrm_wire import Http
from iea_fleet.transports.wire import Wire


def open_session(reach: Reach, entrance: socket.socket | Wire, *, read_only: bool) -> WinrmSession:
    """Log in at a workstation to which a TCP connection is there already, and open a remote shell on it.

    It takes over ``entrance``, also when it fails, and makes no other connection to log in on. The errors are those of
    ``Http.secure`` (what it shows), ``Messages.send`` (NotLetInError: ``password_refused``, ``account_expired``,
    ``auth_not_offered``, ``basic_without_tls``, ``kerberos_missing``, …; BrokenError: ``proxy_in_the_way``,
    ``not_winrm``, ``https_on_http_port``, …) and ``Shell.open`` (``access_denied``, ``too_many_shells``, …).
    """
    wire = entrance if isinstance(entrance, Wire) else Wire(entrance)
    http = Http(wire, reach)
    try:
        if reach.tls:
            http.secure()
        shell = Shell(http, reach)
        shell.open()
    except BaseException:
        http.close()
        raise
    http.round_trips = 0
    return WinrmSession(http, shell, reach, read_only=read_only)


class WinrmSession:
    """A ``Session`` over WinRM. Not for two threads at once."""

    def __init__(self, http: Http, shell: Shell, reach: Reach, *, read_only: bool) -> None:
        self._http = http
        self._shell = shell
        self._name = reach.workstation
        self._read_only = read_only
        self.agent = Agent(
            shell.run, reach.workstation, private_folder=reach.private_folder, timeout=max(reach.timeout, 1)
        )

    @property
    def round_trips(self) -> int:
        """How many HTTP exchanges there were, since it was let in."""
        return self._http.round_trips

    def carry_out(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer for each request, in order; see ``transports.base.Session``."""
        return self.agent.carry_out(requests, read_only=self._read_only)

    def way_out(self, seconds: float) -> NoReturn:
        """There is none: WinRM makes no connections for us. BrokenError ``no_way_out``."""
        del seconds
        raise BrokenError(
            f"{self._name} is connected by WinRM, through which no other connection can be made",
            "test accounts from a workstation that is connected by ssh, or from this machine",
            code="no_way_out",
        )

    def close(self) -> None:
        """Delete the remote shell, if the connection still allows that, and end it."""
        try:
            if self._http.usable:
                with contextlib.suppress(TransportError):
                    self._shell.close()
        finally:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
