"""What paramiko raises, in the words of this product; its exceptions stop here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import paramiko
from paramiko import ssh_exception
from paramiko.auth_strategy import AuthFailure
from paramiko.ber import BERException
from paramiko.buffered_pipe import PipeTimeout
from paramiko.hostkeys import InvalidHostKey
from paramiko.packet import NeedRekeyException
from paramiko.pkey import UnknownKeyType

from iea_fleet.errors import BrokenError, NotLetInError, TransportError

# paramiko logs whole tracebacks of refused connections at ERROR; everything in them is told by our own errors.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

WIRE_ERRORS: Final = (paramiko.SSHException, OSError, EOFError)
"""All that paramiko's public calls raise once ``Connection`` has normalised what its reading thread saved."""

_Meaning = tuple[type[TransportError], str, str, str]
_LOST: Final[_Meaning] = (BrokenError, "connection_lost", "the connection to {name} was lost", "run it again")
_NONSENSE: Final[_Meaning] = (
    BrokenError,
    "protocol_error",
    "what {name} sends is no correct SSH",
    "look whether another program listens on that port",
)
_NO_SSH: Final[_Meaning] = (
    BrokenError,
    "not_ssh",
    "what answers for {name} is no SSH server",
    "check address and port of its connection",
)
_NOT_LET_IN: Final[_Meaning] = (
    NotLetInError,
    "auth_refused",
    "{name} does not let us in",
    "check user, key and password of its connection",
)
_CONFIGURATION: Final[_Meaning] = (
    BrokenError,
    "ssh_configuration",
    "the SSH connection to {name} cannot be set up as configured",
    "check its connection in the inventory",
)
_CHANNEL: Final[_Meaning] = (
    BrokenError,
    "channel_refused",
    "{name} lets us in and then refuses to open a session",
    "check MaxSessions and the subsystem sftp in its sshd_config",
)
_HOST_KEY: Final[_Meaning] = (
    NotLetInError,
    "host_key_changed",
    "{name} shows another host key than the known one",
    "find out why before anything else; then iea-fleet trust remove and trust add",
)

ERRORS: Mapping[type[BaseException], _Meaning] = {
    ssh_exception.BadHostKeyException: _HOST_KEY,
    ssh_exception.PasswordRequiredException: (
        NotLetInError,
        "passphrase_missing",
        "the key for {name} is encrypted and no passphrase is given",
        "set key_passphrase in its connection",
    ),
    ssh_exception.BadAuthenticationType: (
        NotLetInError,
        "method_refused",
        "{name} does not accept this way of logging in",
        "configure a key where it wants a key, a password where it wants a password",
    ),
    ssh_exception.PartialAuthentication: (
        NotLetInError,
        "more_asked",
        "{name} accepts this and asks for a second proof",
        "allow one key alone for this user in its sshd_config",
    ),
    ssh_exception.UnableToAuthenticate: _NOT_LET_IN,
    AuthFailure: _NOT_LET_IN,
    ssh_exception.AuthenticationException: _NOT_LET_IN,
    ssh_exception.ChannelException: _CHANNEL,
    ssh_exception.IncompatiblePeer: (
        BrokenError,
        "no_common_algorithm",
        "{name} speaks an SSH so old (or so new) that we share no algorithm with it",
        "update its SSH server",
    ),
    ssh_exception.MessageOrderError: _NONSENSE,
    ssh_exception.ProxyCommandFailure: _CONFIGURATION,
    ssh_exception.NoValidConnectionsError: _LOST,
    ssh_exception.CouldNotCanonicalize: _CONFIGURATION,
    ssh_exception.ConfigParseError: _CONFIGURATION,
    paramiko.SFTPError: _NONSENSE,
    UnknownKeyType: _NONSENSE,
    InvalidHostKey: _NONSENSE,
    BERException: _NONSENSE,
    NeedRekeyException: _LOST,
    PipeTimeout: _LOST,
    paramiko.SSHException: _NONSENSE,
    EOFError: _LOST,
    OSError: _LOST,
}
"""Exception class → our class, code, sentence, hint. A class that is not listed is judged as its nearest base."""

_VERDICTS: Final = {
    "went_silent": ("{name} answered and then went silent", "raise timeout in its connection if it is only slow"),
    "deadline_passed": ("the time for {name} is over", "raise deadline in its connection if it is only slow"),
}


def silent(name: str, verdict: str = "went_silent") -> BrokenError:
    """The error for a far end that stopped answering; ``verdict`` is that of the ``Wire``."""
    sentence, hint = _VERDICTS[verdict]
    return BrokenError(sentence.format(name=name), hint, code=verdict)


def in_our_words(error: BaseException | None, name: str, verdict: str = "") -> TransportError:
    """The ``TransportError`` for what paramiko raised (None: it died without a word) about the far end ``name``."""
    if verdict:
        return silent(name, verdict)
    kind, code, sentence, hint = _judge(error or EOFError())
    return kind(sentence.format(name=name), hint, code=code)


def _judge(error: BaseException) -> _Meaning:
    # paramiko has one class for all that can be wrong with the first line; a test holds the texts.
    said = str(error) if type(error) is paramiko.SSHException else ""
    if said.startswith("Error reading SSH protocol banner"):
        return _LOST
    if said.startswith(("Indecipherable protocol version", "Invalid SSH banner")):
        return _NO_SSH
    return next((ERRORS[base] for base in type(error).__mro__ if base in ERRORS), _NONSENSE)
