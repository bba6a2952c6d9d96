"""Private keys read from the operator's files, each once: loading an RSA key takes 131 ms of processor time."""

from __future__ import annotations

import io
import threading
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey, SSHException
from pydantic import SecretStr

from iea_fleet.errors import NotLetInError

_CLASSES: tuple[tuple[type, type[PKey]], ...] = (
    (ed25519.Ed25519PrivateKey, Ed25519Key),
    (rsa.RSAPrivateKey, RSAKey),
    (ec.EllipticCurvePrivateKey, ECDSAKey),
)
_Identity = tuple[str, int, int, SecretStr | None]


class KeyRing:
    """Private keys by file, kept until the file changes. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[_Identity, PKey | NotLetInError] = {}

    def load(self, path: str, passphrase: SecretStr | None = None) -> PKey:
        """The key in this file (OpenSSH or PEM; a certificate ``<path>-cert.pub`` beside it is used too).

        NotLetInError: ``key_missing``, ``key_unreadable``, ``passphrase_missing``, ``passphrase_wrong``.
        """
        place = Path(path).expanduser()
        try:
            about = place.stat()
        except OSError as error:
            raise NotLetInError(
                f"the key file {path} cannot be found ({error.strerror})",
                "correct key_file in the connection, or put the key there",
                code="key_missing",
            ) from error
        identity = (str(place), about.st_mtime_ns, about.st_size, passphrase)
        with self._lock:  # held while loading: 32 workers that start together would else load it 32 times
            if identity not in self._known:
                try:
                    self._known[identity] = _read(place, passphrase)
                except NotLetInError as error:
                    self._known[identity] = error
            found = self._known[identity]
        if isinstance(found, NotLetInError):
            raise NotLetInError(found.sentence, found.hint, code=found.code)
        return found


SHARED = KeyRing()
"""The keys of this process."""


def _read(place: Path, passphrase: SecretStr | None) -> PKey:
    try:
        data = place.read_bytes()
    except OSError as error:
        raise NotLetInError(
            f"the key file {place} cannot be read ({error.strerror})",
            "correct its rights, or key_file in the connection",
            code="key_unreadable",
        ) from error
    try:
        private = _decrypt(data, passphrase)
        wanted = next((ours for theirs, ours in _CLASSES if isinstance(private, theirs)), None)
        if wanted is None:
            raise ValueError("of no usable kind")
        # Handed over as OpenSSH text: paramiko reads neither PKCS#8 nor every encryption.
        text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()  # type: ignore[attr-defined]
        key = wanted.from_private_key(io.StringIO(text))
        certificate = Path(f"{place}-cert.pub")
        if certificate.exists():
            key.load_certificate(str(certificate))
    except (ValueError, UnsupportedAlgorithm, SSHException, OSError) as error:
        raise NotLetInError(
            f"the key file {place} holds no private key that we can use",
            "use a key made by ssh-keygen (ed25519, ecdsa or rsa)",
            code="key_unreadable",
        ) from error
    return key


def _decrypt(data: bytes, passphrase: SecretStr | None) -> object:
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        return load(data, password=None)
    except TypeError as error:  # how cryptography says that it is encrypted
        if passphrase is None:
            raise NotLetInError(
                "the key file is encrypted and no passphrase is given",
                "set key_passphrase in the connection to where the passphrase is kept",
                code="passphrase_missing",
            ) from error
    try:
        return load(data, password=passphrase.get_secret_value().encode())
    except ValueError as error:
        raise NotLetInError(
            "the passphrase does not open the key file",
            "correct the secret that key_passphrase refers to",
            code="passphrase_wrong",
        ) from error
