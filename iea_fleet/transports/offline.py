"""Why no TCP connection came to be, in our words."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Final

from iea_fleet.errors import OfflineError

_NO_ROUTE: Final = frozenset(
    {
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EACCES,
        errno.EPERM,
        errno.EINVAL,
    }
)
_SENTENCES: Final = {
    "refused": ("{where} refuses the connection", "look whether its SSH server, or WinRM, runs there"),
    "no_route": ("there is no way to {where}{said}", "look at the network of the office and the VPN"),
    "name_unknown": ("the name {where} is not known{said}", "correct its address in the inventory, or the DNS"),
    "no_answer": ("{where} does not answer", "look whether it is switched on"),
}

# The fixed words of OpenSSH on Windows and of the C libraries elsewhere; any other text is a failed name lookup.
_WORDS: Final = {
    "connection refused": "refused",
    "connection reset": "refused",
    "connect call failed": "refused",
    "timed out": "no_answer",
    "host is unreachable": "no_route",
    "no route to host": "no_route",
    "network unreachable": "no_route",
    "network is unreachable": "no_route",
    "permission denied": "no_route",
    "open failed": "no_route",  # OpenSSH, when the kernel refuses at once to try
}


def offline(code: str, where: str, said: str = "") -> OfflineError:
    """The error with one of the codes ``refused``, ``no_route``, ``name_unknown``, ``no_answer``."""
    sentence, hint = _SENTENCES[code]
    return OfflineError(sentence.format(where=where, said=f" ({said})" if said else ""), hint, code=code)


def why_offline(error: OSError, where: str) -> OfflineError:
    """The error for what ``connect`` or the name lookup raised."""
    if isinstance(error, socket.gaierror):
        return offline("name_unknown", where, error.strerror or "")
    if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
        return offline("refused", where)
    if error.errno in _NO_ROUTE:
        return offline("no_route", where, error.strerror or "")
    return offline("no_answer", where)


def code_of_words(text: str, host: str) -> str:
    """The code for what an SSH server says of a connection to ``host`` that failed (RFC 4254 §5.1, code 2)."""
    words = text.lower()
    found = next((code for known, code in _WORDS.items() if known in words), "")
    return found or ("no_route" if _is_address(host) else "name_unknown")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
