"""The host keys that an SSH server shows, as ``ssh-keyscan`` asks for them: nobody logs in, nothing is accepted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from iea_fleet.errors import BrokenError
from iea_fleet.transports.connection import Connection
from iea_fleet.transports.offline import why_offline
from iea_fleet.transports.wire import Wire

_TYPES: Final = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


def fetch_host_keys(
    address: str, port: int, timeout: float, connect: Callable[[], socket.socket | Wire] | None = None
) -> list[str]:
    """All host keys of a server as ``type base64``, one connection for each type; ``timeout`` is seconds of silence.

    ``connect`` makes a connection where the address cannot be reached directly (``JumpHosts.enter``). OfflineError
    and BrokenError as for a session; ``no_common_algorithm`` when it has no key of a known type.
    """
    name = f"{address}:{port}"

    def directly() -> socket.socket:
        try:
            return socket.create_connection((address, port), timeout=timeout)
        except OSError as error:
            raise why_offline(error, name) from error

    keys, last = [], None
    for kind in _TYPES:
        stream = (connect or directly)()
        connection = Connection(stream if isinstance(stream, Wire) else Wire(stream), name, timeout, None)
        try:
            keys.append(connection.shake_hands([kind], only=True))
        except BrokenError as error:
            if error.code != "no_common_algorithm":
                raise
            last = error
        finally:
            connection.close()
    if not keys and last is not None:
        raise last
    return keys
