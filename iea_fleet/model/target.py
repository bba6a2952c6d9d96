"""A target: one workstation with everything that applies to it, after inheritance, ranges and templates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from iea_fleet.model.inventory import Hold, Identity, Jump, Transfer, User
from iea_fleet.model.layout import Layout


@dataclass(frozen=True, slots=True)
class SshConnection:
    """How a workstation is reached over SSH. ``password`` and ``key_passphrase`` are secret references.

    ``timeout`` is seconds without an answer, ``deadline`` seconds for everything on this workstation.
    """

    user: str
    port: int = 22
    timeout: int = 20
    deadline: int = 300
    password: str | None = None
    key_file: str | None = None
    key_passphrase: str | None = None
    agent: bool = False
    jump: Jump | None = None
    transport: Literal["ssh"] = "ssh"


@dataclass(frozen=True, slots=True)
class WinrmConnection:
    """How a workstation is reached over WinRM. ``password`` is a secret reference."""

    user: str
    password: str | None = None
    port: int = 5986
    timeout: int = 20
    deadline: int = 300
    tls: bool = True
    auth: Literal["negotiate", "ntlm", "kerberos", "basic"] = "negotiate"
    certificate: str | None = None
    ca_file: str | None = None
    transport: Literal["winrm"] = "winrm"


@dataclass(frozen=True, slots=True)
class GuidedConnection:
    """A person at the window does it."""

    transport: Literal["none"] = "none"


Connection = SshConnection | WinrmConnection | GuidedConnection


@dataclass(frozen=True, slots=True)
class ServerConnection:
    """The wanted connection settings; None is a setting that the inventory does not ask for.

    ``ca_file`` is a path on the controller by which the probes judge the servers' certificates.
    """

    secure: bool | None = None
    authentication_url: str | None = None
    update_url: str | None = None
    ca_file: str | None = None

    def wanted(self) -> dict[str, str | bool]:
        """The settings that are asked for, by name."""
        named = {
            "secure": self.secure,
            "authentication_url": self.authentication_url,
            "update_url": self.update_url,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Software:
    """The wanted versions of IEA."""

    minimum: str | None = None
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class UserFiles:
    """Where the accounts of IEA users stand: ``folder`` has one entry for each, named ``before`` + user + ``after``.

    ``below`` is the rest of the path where the entry is a folder, beginning with ``/``; "" where it is the file.
    """

    folder: str
    before: str
    after: str
    below: str = ""

    def path(self, user: str) -> str:
        """The file of a user.

        >>> UserFiles("/iea/utilisateurs", "", ".xml").path("dupont")
        '/iea/utilisateurs/dupont.xml'
        """
        return f"{self.folder}/{self.before}{user}{self.after}{self.below}"

    def user_of(self, name: str) -> str | None:
        """The user of an entry of the folder; None for an entry of something else.

        >>> UserFiles("/iea/utilisateurs", "", ".xml").user_of("dupont.xml")
        'dupont'
        """
        user = name.removeprefix(self.before).removesuffix(self.after)
        return user if user and name == f"{self.before}{user}{self.after}" else None


@dataclass(frozen=True, slots=True)
class Target:
    """One workstation with everything that applies to it.

    ``files`` maps what a layout names (``server_connection``, ``state_file``, ``version_file``, ``lock_file``,
    ``net_entreprises.<user>``), and ``private``, to absolute paths on the workstation; ``resources`` holds the
    addresses of the resources that the inventory declares and the playbook selects. ``identities`` are those of its
    users, by name. ``user_files`` is where accounts can be listed; None where the layout keeps them otherwise.
    """

    name: str
    office: str
    installation: Literal["network", "standalone"]
    address: str | None
    connection: Connection
    layout: Layout | None
    files: Mapping[str, str] = field(default_factory=dict)
    user_files: UserFiles | None = None
    tags: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()
    hold: Hold | None = None
    server_connection: ServerConnection | None = None
    software: Software | None = None
    users: Mapping[str, User] = field(default_factory=dict)
    identities: Mapping[str, Identity] = field(default_factory=dict)
    transfers: Mapping[str, Transfer] = field(default_factory=dict)
    resources: tuple[str, ...] = ()

    @property
    def guided(self) -> bool:
        """Whether a person at the window does it: no connection, or no layout."""
        return self.connection.transport == "none" or self.layout is None

    @property
    def windows(self) -> bool:
        """Whether its layout is of Windows; not so without a layout."""
        return self.layout is not None and self.layout.os == "windows"

    def held_on(self, day: dt.date) -> Hold | None:
        """The hold that is in force on this day, if any."""
        if self.hold is None or (self.hold.until is not None and day > self.hold.until):
            return None
        return self.hold
