"""The fingerprint of a host key, as ``ssh-keygen -l`` prints it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

import paramiko
from paramiko.pkey import UnknownKeyType

_TYPES = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA"}


def fingerprint(host_key: str) -> str:
    """``SHA256:…`` of a key line (``ssh-ed25519 AAAA…``). ValueError when it is none.

    >>> fingerprint("ssh-ed25519 AAAA")
    'SHA256:cJUZTg3NiPT1yGyrbN5G/SHQMIYFm+uZfl+h7TZb3Vg'
    """
    try:
        blob = base64.b64decode(host_key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("is no host key; it looks like: ssh-ed25519 AAAA…") from None
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class DescribedKey:
    """A host key as a person compares it: length in bits, fingerprint, kind (``ED25519``, ``RSA``, ``ECDSA``)."""

    host_key: str
    bits: int
    fingerprint: str
    kind: str

    def __str__(self) -> str:
        return f"{self.bits} {self.fingerprint} ({self.kind})"


def describe(host_key: str) -> DescribedKey:
    """The parts that ``ssh-keygen -l`` prints for a key line. ValueError when it is none."""
    shown = fingerprint(host_key)
    name, encoded = host_key.split()[:2]
    try:
        key = paramiko.PKey.from_type_string(name, base64.b64decode(encoded))
    except (paramiko.SSHException, UnknownKeyType, ValueError, IndexError) as error:
        raise ValueError(f"is no host key of a known type ({name})") from error
    return DescribedKey(f"{name} {encoded}", key.get_bits(), shown, _TYPES.get(name, "ECDSA"))
