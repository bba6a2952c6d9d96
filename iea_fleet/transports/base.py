"""What every transport offers: a session that carries out batches of requests on one workstation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self

from pydantic import SecretStr

from iea_fleet.model.inventory import Jump
from iea_fleet.model.request import Answer, Request, changes_workstation

if TYPE_CHECKING:
    from httpcore import NetworkBackend


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything a transport needs to open a session on one workstation, secrets resolved, trust decided.

    ``host_keys`` are the pinned keys (``ssh-ed25519 AAAA…``), none of them means unknown. ``owners`` maps the base64
    of known host keys to the workstation that owns them, so that an alarm can name it; ``pinned_in_inventory`` tells
    it where ``host_keys`` were pinned. ``timeout`` is seconds
    without an answer, ``deadline`` seconds for the whole session.

    ``windows``: the agent writes and acts there, and ``private_folder`` is where it puts what must not be left lying
    about. Of WinRM alone: ``tls`` or sealed by ``auth``, and by what the certificate is judged: ``certificate`` is its
    fingerprint (``sha256:`` and 64 digits), ``ca_file`` a path here; without both, this machine's trust store.
    """

    workstation: str
    address: str
    port: int
    user: str
    timeout: float = 20
    deadline: float = 300
    password: SecretStr | None = None
    key_file: str | None = None
    key_passphrase: SecretStr | None = None
    agent: bool = False
    jump: Jump | None = None
    host_keys: tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict, repr=False)
    pinned_in_inventory: bool = False
    transport: Literal["ssh", "winrm"] = "ssh"
    windows: bool = False
    private_folder: str = ""
    tls: bool = True
    auth: Literal["negotiate", "ntlm", "kerberos", "basic"] = "negotiate"
    certificate: str | None = None
    ca_file: str | None = None

    @property
    def trusted_by(self) -> str:
        """What a person does to accept the host key that this workstation shows now."""
        command = f"iea-fleet trust add INVENTORY {self.workstation}"
        if self.pinned_in_inventory:
            return f"correct host_keys of {self.workstation} in the inventory"
        return f"iea-fleet trust remove INVENTORY {self.workstation}, and {command}" if self.host_keys else command


class Ended(NamedTuple):
    """How a program ended over there. ``exit_code`` is -1 where a signal ended it; Windows has unsigned 32 bits."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def refuse_changes(requests: Sequence[Request]) -> None:
    """What a read-only session does first: PermissionError for a request that changes the workstation."""
    if forbidden := next(filter(changes_workstation, requests), None):
        raise PermissionError(f"{type(forbidden).__name__} in a session that only reads")


class Session(Protocol):
    """One connection to one workstation. A context manager; closing it leaves no socket and no thread."""

    @property
    def round_trips(self) -> int:
        """How often this session waited for the workstation, since it was let in."""
        ...

    def carry_out(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer for each request, in order. TransportError when the connection is of no more use.

        A read-only session raises PermissionError for a request that changes the workstation: that is a fault of
        ours, not of the user.
        """
        ...

    def way_out(self, seconds: float) -> NetworkBackend:
        """Connections that the workstation makes for us, for so many seconds; of TLS over them it sees nothing.

        Errors are those of httpcore's networks, and TransportError. BrokenError ``no_way_out`` where a transport makes
        none (WinRM).
        """
        ...

    def close(self) -> None:
        """End the session; more than once does no harm."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
