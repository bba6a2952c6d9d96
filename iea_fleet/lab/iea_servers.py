"""The IEA authentication and update servers of the lab: HTTPS on one port, by the lab's own certificate authority.

The real ones share a host too (``https://impact-emploi.urssaf.fr`` and ``…/updates``). How IEA logs in is not
published; here a workstation posts its name and version and is told accepte, refus or licence.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from urllib.parse import parse_qs

import trustme

from iea_fleet.lab.https_server import HttpAnswer, HttpRequest, HttpsServer
from iea_fleet.lab.network import HOST


class IeaServers(HttpsServer):
    """Both servers. ``verdict`` says of a workstation's name what the authentication answers."""

    def __init__(self, authority: trustme.CA, verdict: Callable[[str], str]) -> None:
        super().__init__(authority, ("localhost", HOST), self._judge)
        self._verdict = verdict

    @property
    def authentication_url(self) -> str:
        """The wanted authentication address."""
        return f"https://localhost:{self.port}"

    @property
    def update_url(self) -> str:
        """The wanted update address."""
        return f"https://localhost:{self.port}/updates"

    async def _judge(self, request: HttpRequest) -> HttpAnswer:
        path = request.path.rstrip("/")
        if path not in ("", "/updates"):
            return _said(404, "page inconnue")
        if request.method in ("GET", "HEAD"):
            name = "de mise à jour" if path else "d'authentification"
            return _said(200, f"Impact emploi association : serveur {name} du lab")
        if request.method != "POST" or path:
            return _said(405, "méthode refusée")
        workstation = parse_qs(request.body.decode("utf-8", "replace")).get("poste", [""])[0]
        result = self._verdict(workstation)
        return _said(200 if result == "accepte" else 403, f"resultat={result}")


def _said(status: int, text: str) -> HttpAnswer:
    return HttpAnswer(status, f"{text}\n".encode())


def client_tls(ca_pem: bytes) -> ssl.SSLContext:
    """How the workstations of the lab judge the servers: by the lab's authority alone, name included."""
    return ssl.create_default_context(cadata=ca_pem.decode("ascii"))
