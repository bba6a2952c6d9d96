"""The program « Centre de maintenance » of a lab workstation: it logs in at the server and shows how that went.

It reads the workstation's own settings file and does what they say over real TLS. Sources of what follows from what:
the connection fiche (tray icons, assistance mode, « Autorisation refusée », « Licence d'installation non reconnue »).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlencode, urlsplit

from iea_fleet.errors import LabError, SettingsFormatError
from iea_fleet.lab.network import NoRouteError, route
from iea_fleet.lab.workstation import REFUSALS, Workstation
from iea_fleet.model.layout import TrayState

_PATIENCE = 5
_journal = logging.getLogger("iea_fleet.lab")
_VERDICTS = {"accepte": ("connected", ""), "refus": REFUSALS["refused"], "licence": REFUSALS["licence"]}


class _FailedError(Exception):
    """The login came to nothing; the text is the motif."""


@dataclass(frozen=True, slots=True)
class Outside:
    """The world of a workstation: what it reaches (see ``route``), and the trust store that judges servers."""

    ports: Collection[int]
    names: Mapping[str, int]
    tls: ssl.SSLContext


class Maintenance:
    """The program on one workstation, as whoever starts it sees it: exit code, output, words on standard error."""

    def __init__(self, workstation: Workstation, outside: Outside) -> None:
        self._workstation = workstation
        self._outside = outside
        self._relaunching = asyncio.Lock()

    async def run(self, action: str, program: str, stdin: Callable[[], Awaitable[bytes]]) -> tuple[int, str, str]:
        """Do what the layout calls by this name; ``program`` is what it was started as."""
        try:
            said = await (self._relaunch() if action == "relaunch_authentication" else self._seal(stdin))
        except (OSError, LabError) as error:
            return 1, "", f"{program}: {error.sentence if isinstance(error, LabError) else error}\n"
        return 0, f"{said}\n", ""

    async def _relaunch(self) -> TrayState:
        try:
            async with self._relaunching:
                state = await relaunch(self._workstation, self._outside)
        except OSError as error:
            self.note(f"authentication relaunched, and the state cannot be written: {error}")
            raise
        self.note(f"authentication relaunched: {state}")
        return state

    async def _seal(self, stdin: Callable[[], Awaitable[bytes]]) -> str:
        try:
            sealed = await seal(self._workstation, stdin)
        except LabError as error:
            self.note(f"nothing sealed: {error.sentence}")
            raise
        self.note("a value was sealed")
        return sealed

    def note(self, event: str) -> None:
        """Write a line of the journal."""
        _journal.info("%s: %s", self._workstation.name, event)


async def relaunch(workstation: Workstation, outside: Outside) -> TrayState:
    """« Relancer l'authentification auprès du serveur »: log in with the settings on disk, write the tray state.

    In assistance mode nothing is tried (the fiche forbids it). OSError when the state cannot be written.
    """
    if workstation.state() == "assistance":
        return "assistance"
    state: TrayState
    try:
        state, motif = await _log_in(workstation, outside)
    except _FailedError as failure:
        state, motif = "failed", str(failure)
    workstation.show(state, motif)
    return state


async def seal(workstation: Workstation, stdin: Callable[[], Awaitable[bytes]]) -> str:
    """« Sceller »: the value that comes on stdin, as this workstation keeps passwords. LabError when it cannot be."""
    if slow := workstation.faults.get("seal-slow"):
        await asyncio.sleep(slow.amount / 1000)
    try:
        async with asyncio.timeout(_PATIENCE):
            value = (await stdin()).decode()
    except TimeoutError:
        raise LabError("no end of the input") from None
    except UnicodeDecodeError:
        raise LabError("the input is no UTF-8 text") from None
    if "seal-fails" in workstation.faults:
        raise LabError("the key store does not answer")
    return workstation.seal.close(value)


async def _log_in(workstation: Workstation, outside: Outside) -> tuple[TrayState, str]:
    address = _address(workstation)
    secure = address.scheme == "https"
    body = urlencode({"poste": workstation.name, "version": workstation.version()}).encode()
    head = (
        f"POST {address.path or '/'} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        host, port = route(
            address.hostname or "", address.port or (443 if secure else 80), outside.ports, outside.names
        )
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=outside.tls if secure else None, server_hostname=address.hostname if secure else None
            )
            try:
                writer.write(head.encode("ascii") + body)
                answer = await reader.read()
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise _FailedError("Le serveur ne répond pas") from None
    except (NoRouteError, ConnectionRefusedError) as error:
        named = "not known" in str(error)
        raise _FailedError("Serveur inconnu" if named else "Connexion refusée") from None
    except ssl.SSLCertVerificationError:
        raise _FailedError("Certificat du serveur refusé") from None
    except OSError:
        raise _FailedError("Réponse incompréhensible du serveur") from None
    return _judged(answer)


def _address(workstation: Workstation) -> SplitResult:
    """Where the settings lead. _FailedError when they contradict each other or lead nowhere."""
    try:
        settings = workstation.settings()
    except FileNotFoundError:
        raise _FailedError("Paramètres de connexion absents") from None
    except SettingsFormatError:
        raise _FailedError("Paramètres de connexion illisibles") from None
    text, secure = str(settings.get("authentication_url") or ""), settings.get("secure")
    try:
        address = urlsplit(text)
        wrong = text != text.strip() or not text.isascii() or address.port == 0
    except ValueError:
        wrong = True
    if wrong or address.scheme not in ("http", "https") or not address.hostname:
        raise _FailedError("Adresse du serveur d'authentification incorrecte")
    if not isinstance(secure, bool):
        raise _FailedError("Mode de connexion inconnu")
    if secure != (address.scheme == "https"):
        raise _FailedError("Le mode de connexion et l'adresse se contredisent")
    return address


def _judged(answer: bytes) -> tuple[TrayState, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) != 3 or not words[0].startswith(b"HTTP/1."):
        raise _FailedError("Réponse incompréhensible du serveur")
    verdict = _VERDICTS.get(body.decode("utf-8", "replace").strip().removeprefix("resultat="))
    if verdict is None:
        raise _FailedError(f"Réponse inattendue du serveur ({words[1].decode('ascii', 'replace')})")
    return verdict
