"""What a workstation of the lab can reach: the lab's own servers, and nothing else in the world.

So an old address such as ``http://localhost:80`` fails here as it does in an office, whatever this machine runs.
"""

from __future__ import annotations

import errno
import ipaddress
import os
from collections.abc import Collection, Mapping

HOST = "127.0.0.1"
"""Where everything of the lab listens."""


class NoRouteError(OSError):
    """This address leads nowhere. Its text is OpenSSH's (glibc's for a name), as a forwarded connection shows it."""


def route(host: str, port: int, ports: Collection[int], names: Mapping[str, int]) -> tuple[str, int]:
    """The real address behind what a workstation asks for. NoRouteError when there is none.

    ``ports`` are those on this machine that it reaches, ``names`` the hosts that it knows: they listen on 443, and each
    leads to a port of this machine.
    """
    name = host.removesuffix(".").lower()
    if name in names:
        if port == 443:
            return HOST, names[name]
        raise NoRouteError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    if name in ("localhost", HOST):
        if port in ports:
            return HOST, port
        raise NoRouteError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        raise NoRouteError(errno.ENOENT, "Name or service not known") from None
    refused = errno.ECONNREFUSED if address.is_loopback else errno.ENETUNREACH
    raise NoRouteError(refused, os.strerror(refused))
