"""A lab workstation on the wire: WinRM over HTTPS, or over HTTP with sealed messages (MS-WSMV), one account."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import secrets
import socket
import ssl
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iea_fleet.errors import LabError
from iea_fleet.lab.faults import Fault
from iea_fleet.lab.https_server import LARGEST, PATIENCE
from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.network import HOST
from iea_fleet.lab.ports import Served
from iea_fleet.lab.powershell import PowerShell
from iea_fleet.lab.winrm_authentication import Account, Login
from iea_fleet.lab.winrm_shells import Shells
from iea_fleet.lab.winrm_visit import Visit
from iea_fleet.lab.workstation import Workstation

_OF_CERTIFICATES: Final = ("new-host-key", "expired-certificate", "http-on-https")


class WinrmWorkstation(Served):
    """One workstation behind its port; ``user`` and ``password`` (no colon in them) are the one account.

    With ``tls`` it has its own certificate of ``authority``, for 127.0.0.1 and its name; without, messages are sealed.
    """

    def __init__(
        self,
        workstation: Workstation,
        outside: Outside,
        user: str,
        password: str,
        authority: trustme.CA,
        *,
        tls: bool,
    ) -> None:
        super().__init__(workstation)
        self.tls = tls
        self.account = Account(workstation.name, user, password)
        self.shells = Shells(PowerShell(workstation, outside), workstation.faults, user)
        self._password = password
        self._authority = authority
        self._first = self._shown = _Identity(authority, workstation.name) if tls else None

    @property
    def certificate(self) -> str | None:
        """The fingerprint of the certificate it was installed with (``sha256:…``); None without TLS."""
        return None if self._first is None else f"sha256:{self._first.digest.hex()}"

    def spoil(self, fault: Fault) -> None:
        """Bring a fault into force. LabError when it cannot be."""
        if fault.kind in _OF_CERTIFICATES and not self.tls:
            raise LabError(
                f"{fault} is no fault of {self.workstation.name}", "it has no certificate: it seals over HTTP"
            )
        super().spoil(fault)
        match fault.kind:
            case "new-host-key":
                self._shown = _Identity(self._authority, self.workstation.name)
            case "expired-certificate":
                yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
                self._shown = _Identity(self._authority, self.workstation.name, yesterday)
            case "password-changed":
                self.account.password = secrets.token_urlsafe(12)

    def mend(self) -> None:
        """End all faults."""
        super().mend()
        self._shown = self._first
        self.account.password = self._password

    def go_down(self) -> None:
        """Drop every client, and end every shell with what runs in it."""
        super().go_down()
        self.shells.end()

    async def converse(self, connection: socket.socket) -> None:
        """Answer one client until it goes, over TLS where a certificate is shown."""
        shown = self._shown
        visit = Visit(self, Login(self.account, None if shown is None else shown.digest))
        reader = asyncio.StreamReader(limit=LARGEST)
        protocol = _Watched(reader, visit)
        tls = None if shown is None or "http-on-https" in self.workstation.faults else shown.context
        self.visits.add(visit)
        try:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=tls, ssl_handshake_timeout=PATIENCE if tls else None
            )
            await visit.serve(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
        finally:
            self.visits.discard(visit)


class _Watched(asyncio.StreamReaderProtocol):
    """A stream that tells its visit when the client is gone, also while nobody reads."""

    def __init__(self, reader: asyncio.StreamReader, visit: Visit) -> None:
        super().__init__(reader)
        self._visit = visit
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._visit.begin(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._begun and not data[:1].isalpha():
            # As a client of TLS begins, which would wait for an answer before it says more.
            self._visit.misunderstand()
            return
        self._begun = True
        super().data_received(data)

    def eof_received(self) -> bool | None:
        self._visit.hung_up()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._visit.hung_up()
        super().connection_lost(exc)


class _Identity:
    """A certificate and its key, ready to be shown; ``digest`` is what the channel is bound to (SHA-256)."""

    def __init__(self, authority: trustme.CA, name: str, until: dt.datetime | None = None) -> None:
        issued = authority.issue_cert(HOST, name, not_after=until)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self.context)
        certificate = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
        self.digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
