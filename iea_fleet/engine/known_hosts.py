"""Reading an OpenSSH known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): which keys it has for a host.

Our own reader: paramiko's raises on lines with a marker, and does not match ``[host]:port`` with several names.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence

_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) ([A-Za-z0-9+/]+={0,2})(?:\s.*)?")
_MARKER = "@"


def keys_of(text: str, names: Sequence[str], port: int) -> tuple[str, ...]:
    """The keys (``ssh-ed25519 AAAA…``) that the file has for a host of any of these names on this port.

    Lines with a marker (``@revoked``, ``@cert-authority``), with wildcards or of unknown types are passed over.
    """
    wanted = {name if port == 22 else f"[{name}]:{port}" for name in names if name}
    keys = []
    for line in text.splitlines():
        hosts, _, rest = line.strip().partition(" ")
        found = _KEY.fullmatch(rest.strip())
        if found and not hosts.startswith(_MARKER) and any(_names(hosts, name) for name in wanted):
            keys.append(f"{found[1]} {found[2]}")
    return tuple(dict.fromkeys(keys))


def _names(hosts: str, wanted: str) -> bool:
    if not hosts.startswith("|1|"):
        return wanted.lower() in hosts.lower().split(",")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hosts.removeprefix("|1|").split("|"))
    except (ValueError, binascii.Error):
        return False
    # SHA-1 is what OpenSSH hides host names with; it protects no secret here.
    return hmac.compare_digest(hmac.new(salt, wanted.encode(), hashlib.sha1).digest(), digest)
