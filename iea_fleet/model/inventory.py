"""What a user writes in an inventory: offices, workstations, identities, settings, secret references.

These are the files as they stand, before inheritance: nearly every key may be left out, and ``null`` takes an
inherited one away. What follows from them for one workstation is a ``Target``.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from iea_fleet.model.part import Name, Part, Reference, Switch, Text, Texts, Whole
from iea_fleet.model.version import IeaVersion

_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_THUMBPRINT = re.compile(r"(sha1:)?([0-9a-f]{2}[ :]?){19}[0-9a-f]{2}", re.IGNORECASE)
_HOST_KEY = re.compile(
    r"(?P<kind>ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) (?P<key>[A-Za-z0-9+/]+={0,2})(?: .*)?"
)
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}|ssh-(?:ed25519|rsa) AAAA[A-Za-z0-9+/]+={0,2}(?: .*)?")
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_WORKSTATION = r"^[^\W_](?:[\w.-]|\[\d+:\d+\])*$"
_DURATION = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def is_host(text: str) -> bool:
    """Whether a text is an IP address or a host name (RFC 1123, underscores let through as Windows does)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        return len(text) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return True


def _is_web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is no address; write it like https://impact-emploi.urssaf.fr") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_host(parts.hostname) or port == 0:
        raise ValueError("is no address; write it like https://impact-emploi.urssaf.fr")
    if parts.username or parts.password:
        raise ValueError("holds a user name or password; an address of a server has none")
    if parts.query or parts.fragment or text != text.strip() or " " in text or not text.isascii():
        raise ValueError("holds a blank, an accent, a ? or a #; an address of a server has none")
    return text


def is_web_address(text: str) -> bool:
    """Whether a text is an http or https address of a server, with nothing around it."""
    try:
        _is_web_address(text)
    except ValueError:
        return False
    return True


def _is_host_key(text: str) -> str:
    if not _HOST_KEY.fullmatch(text):
        raise ValueError("is no host key; copy the line of ssh-keyscan without the name, like: ssh-ed25519 AAAA…")
    return text


def _is_recipient(text: str) -> str:
    if text.upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError("is an identity, which is a secret, not a recipient; make a new identity, this one was shown")
    if not _RECIPIENT.fullmatch(text):
        raise ValueError("is no recipient of age; write age1… or a public key ssh-ed25519 AAAA… or ssh-rsa AAAA…")
    return text


def _is_fingerprint(text: str) -> str:
    if _THUMBPRINT.fullmatch(text):
        raise ValueError(
            "is the SHA-1 thumbprint that Windows shows; write the SHA-256 one, which iea-fleet doctor shows "
            "without this line"
        )
    if not _FINGERPRINT.fullmatch(text):
        raise ValueError("is no certificate fingerprint; write sha256: and 64 lower-case hexadecimal digits")
    return text


def _is_version(text: str) -> str:
    IeaVersion.parse(text)
    return text


def _is_duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise ValueError("is no duration; write a number and s, m, h or d, like 24h")
    return text


def seconds(duration: str) -> int:
    """A validated duration such as ``24h``, in seconds.

    >>> seconds("24h")
    86400
    """
    found = _DURATION.fullmatch(duration)
    assert found is not None
    return int(found[1]) * _SECONDS[found[2]]


def _as_day(value: Any) -> Any:  # noqa: ANN401 - what YAML holds
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            raise ValueError("is no day; write it like 2026-12-15") from None
    return value


WebAddress = Annotated[Text, AfterValidator(_is_web_address)]
HostKey = Annotated[Text, AfterValidator(_is_host_key)]
Recipient = Annotated[Text, AfterValidator(_is_recipient)]
Fingerprint = Annotated[Text, AfterValidator(_is_fingerprint)]
VersionText = Annotated[Text, AfterValidator(_is_version)]
Duration = Annotated[Text, AfterValidator(_is_duration)]
Day = Annotated[dt.date, BeforeValidator(_as_day)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
Seconds = Annotated[Whole, Field(ge=1, le=86400)]
TransportName = Literal["ssh", "winrm", "none"]
WorkstationKey = Annotated[str, StringConstraints(strict=True, max_length=64, pattern=_WORKSTATION)]
BackendName = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_-]*$")]
Variable = Text | Whole


class Contact(Part):
    """Who support may call back."""

    name: Text | None = None
    phone: Text | None = None
    email: Text | None = None


class AgeBackend(Part):
    """Secrets in files encrypted with age, one file a secret; the identity is the operator's."""

    kind: Literal["age"]
    folder: Text = "secrets"
    recipients: Annotated[tuple[Recipient, ...], Field(min_length=1)]


class EnvBackend(Part):
    """Secrets in environment variables; no other variable than the listed ones can be referred to."""

    kind: Literal["env"]
    names: Annotated[tuple[Text, ...], Field(min_length=1)]


class KeepassBackend(Part):
    """Secrets in a KeePass file."""

    kind: Literal["keepass"]
    file: Text
    password: Reference | None = None
    key_file: Text | None = None


class VaultBackend(Part):
    """Secrets in a HashiCorp Vault or OpenBao, engine KV version 2."""

    kind: Literal["vault"]
    url: WebAddress
    mount: Text = "secret"
    token: Reference


class KeyringBackend(Part):
    """Secrets in the keyring of the operator's desktop."""

    kind: Literal["keyring"]
    service: Text = "iea-fleet"


Backend = Annotated[
    AgeBackend | EnvBackend | KeepassBackend | VaultBackend | KeyringBackend,
    Field(discriminator="kind"),
]


class NetEntreprisesService(Part):
    """Where Net-Entreprises accounts are tested."""

    environment: Literal["production", "test"] = "production"
    test_from: Text = "controller"
    ca_file: Text | None = None
    proxy: WebAddress | None = None
    recheck_accepted_after: Duration = "24h"


class Identity(Part):
    """One Net-Entreprises account. Its password is a reference."""

    siret: Annotated[Text, StringConstraints(pattern=r"^[0-9]{14}$")]
    nom: Annotated[Text, StringConstraints(max_length=64)]
    prenom: Annotated[Text, StringConstraints(max_length=39)]
    password: Reference
    service: Annotated[Text, StringConstraints(max_length=2)]


class Jump(Part):
    """A host in between, reached first; one connection to it is shared by every workstation behind it."""

    address: Text
    port: Port = 22
    user: Text
    host_keys: Annotated[tuple[HostKey, ...], Field(min_length=1)]
    sessions: Annotated[Whole, Field(ge=1, le=64)] = 8


class ConnectionPart(Part):
    """How workstations are reached, as far as one level of the inventory says it.

    ``timeout`` is seconds without an answer, ``deadline`` seconds for everything on one workstation.
    """

    transport: TransportName | None = None
    user: Text | None = None
    port: Port | None = None
    timeout: Seconds | None = None
    deadline: Seconds | None = None
    password: Reference | None = None
    key_file: Text | None = None
    key_passphrase: Reference | None = None
    agent: Switch | None = None
    jump: Jump | None = None
    tls: Switch | None = None
    auth: Literal["negotiate", "ntlm", "kerberos", "basic"] | None = None
    certificate: Fingerprint | None = None
    ca_file: Text | None = None


class ServerConnectionPart(Part):
    """The window « Paramètres de connexion », as far as one level of the inventory says it."""

    secure: Switch | None = None
    authentication_url: WebAddress | None = None
    update_url: WebAddress | None = None
    ca_file: Text | None = None


class SoftwarePart(Part):
    """Which versions of IEA are wanted, as far as one level of the inventory says it."""

    minimum: VersionText | None = None
    wanted: VersionText | None = None


class Settings(Part):
    """What is inherited: defaults < office < workstation."""

    layout: Text | None = None
    connection: ConnectionPart | None = None
    server_connection: ServerConnectionPart | None = None
    software: SoftwarePart | None = None
    vars: dict[Name, Variable | None] | None = None


class Hold(Part):
    """A workstation that is read and never written, up to and including the day ``until``."""

    reason: Text
    until: Day | None = None
    by: Text | None = None


ABSENT_ACCOUNT = "absent"
"""Stands where an identity would: the account is removed."""


class User(Part):
    """An IEA account of an installation, and the Net-Entreprises identity it deposits with (or ``absent``)."""

    net_entreprises: Name | None = None
    iea_password: Reference | None = None


class Transfer(Part):
    """Employers or employees copied from one dossier to another."""

    source: Text
    destination: Text
    create: Switch = False
    employers: Texts = ()
    employees: Texts = ()
    on_conflict: Literal["stop", "skip"] = "stop"


class Workstation(Settings):
    """One machine, or a range of them (« nancy-[01:03] »)."""

    address: Text | None = None
    tags: Texts = ()
    host_keys: tuple[HostKey, ...] = ()
    hold: Hold | None = None


class Office(Settings):
    """A place. ``network`` is « réseau », ``standalone`` is « monoposte »."""

    title: Text | None = None
    installation: Literal["network", "standalone"] = "network"
    server: Name | None = None
    users: dict[Text, User] = Field(default_factory=dict)
    workstations: dict[WorkstationKey, Workstation] = Field(default_factory=dict)
    transfers: dict[Name, Transfer] = Field(default_factory=dict)


class InventoryFile(Part):
    """One file of an inventory: the first one, or one that it includes."""

    version: Literal[1]
    name: Text | None = None
    include: Texts = ()
    layout: Text | None = None
    contact: Contact | None = None
    secrets: dict[BackendName, Backend] = Field(default_factory=dict)
    net_entreprises_service: NetEntreprisesService | None = None
    identities: dict[Name, Identity] = Field(default_factory=dict)
    defaults: Settings | None = None
    offices: dict[Name, Office] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _layout_stands_once(self) -> Self:
        if self.layout is not None and self.defaults is not None and self.defaults.layout is not None:
            raise ValueError("layout stands at the top and in defaults; keep one of them")
        return self
