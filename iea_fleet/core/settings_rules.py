"""What inherited settings have to hold to: connections, servers, versions. Each fault stands where its value does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from iea_fleet.core.faults import Notes, Steps
from iea_fleet.model.inventory import Jump, Settings, is_host
from iea_fleet.model.layout import Layout
from iea_fleet.model.part import Part
from iea_fleet.model.target import (
    Connection,
    GuidedConnection,
    ServerConnection,
    Software,
    SshConnection,
    WinrmConnection,
)
from iea_fleet.model.version import IeaVersion

_COMMON = frozenset({"user", "port", "timeout", "deadline", "password"})
KEYS: Mapping[str, frozenset[str]] = {
    "ssh": _COMMON | {"key_file", "key_passphrase", "agent", "jump"},
    "winrm": _COMMON | {"tls", "auth", "certificate", "ca_file"},
    "none": frozenset(),
}
_FICHE = "since V72 IEA connects over https alone (Lisez-moi V72, 19 March 2019)"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the inheritance: where it stands, and what it says."""

    path: Steps
    settings: Settings | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels that apply to one workstation or office, the uppermost first."""

    levels: tuple[Level, ...]

    @property
    def lowest(self) -> Steps:
        """The path of the workstation or office itself."""
        return self.levels[-1].path

    def where(self, *keys: str) -> Steps:
        """The path of a value: that of the lowest level that gives one; the lowest level when none does."""
        depth = self.depth(*keys)
        return self.lowest if depth is None else (*self.levels[depth].path, *keys)

    def depth(self, *keys: str) -> int | None:
        """How far down the lowest level is that gives a value, from 0; None when none does."""
        for depth, level in reversed(tuple(enumerate(self.levels))):
            value: Any = level.settings
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)
            if value is not None:
                return depth
        return None

    def needs(self, section: str) -> tuple[Steps, ...]:
        """What has to be read rightly before something missing in a section is certain."""
        return tuple((*level.path, section) for level in self.levels)


def connection(settled: Mapping[str, Any], levels: Levels, notes: Notes) -> Connection:
    """The connection of a workstation; one that a person makes stands in for a faulty one."""
    transport = settled.get("transport")
    needs = levels.needs("connection")
    if transport is None:
        remedy = "write connection: {transport: ssh}, winrm or none, here or in defaults"
        notes.add(levels.lowest, "has no transport", remedy, at_key=True, needs=needs)
        return GuidedConnection()
    for key in [key for key in settled if key != "transport" and key not in KEYS[transport]]:
        owner = next(name for name, keys in KEYS.items() if key in keys)
        notes.add(
            levels.where("connection", key),
            f"`{key}` is a key of {owner}, and the transport is {transport}",
            "delete it, or name the other transport",
            at_key=True,
            needs=needs,
        )
    known = {key: value for key, value in settled.items() if key in KEYS[transport]}
    lacking = _lacking(transport, known)
    for wrong, remedy in lacking:
        notes.add(levels.where("connection"), wrong, remedy, needs=needs)
    if transport == "none" or lacking:
        return GuidedConnection()
    return _ssh(known, levels, notes) if transport == "ssh" else _winrm(known, levels, notes)


def _lacking(transport: str, known: Mapping[str, Any]) -> list[tuple[str, str]]:
    lacking = []
    if transport != "none" and "user" not in known:
        lacking.append((f"{transport} has no `user`", "add the account that the workstation lets in"))
    if transport == "winrm" and "password" not in known:
        lacking.append(("winrm has no `password`", "add where the secret is, like password: age:winrm/office"))
    if transport == "ssh" and not ({"key_file", "password"} & known.keys() or known.get("agent")):
        lacking.append(("ssh has no way to log in", "add key_file, password or agent: true"))
    return lacking


def _ssh(known: dict[str, Any], levels: Levels, notes: Notes) -> SshConnection:
    if "key_passphrase" in known and "key_file" not in known:
        path = levels.where("connection", "key_passphrase")
        notes.add(
            path, "there is no `key_file` to it", "add key_file, or delete this", needs=levels.needs("connection")
        )
    if "jump" in known:
        known["jump"] = jump = Jump.model_validate(known["jump"])
        if not is_host(jump.address):
            remedy = "write a name like bastion.example.org or an IP address"
            notes.add(levels.where("connection", "jump", "address"), f"`{jump.address}` is no address", remedy)
    return SshConnection(**known)


def _winrm(known: dict[str, Any], levels: Levels, notes: Notes) -> WinrmConnection:
    if not known.get("tls", True):
        known.setdefault("port", 5985)
        if known.get("auth") == "basic":
            wrong = "sends the password in the clear without tls"
            notes.add(levels.where("connection", "auth"), wrong, "write tls: true, or auth: negotiate")
        for key in [each for each in ("certificate", "ca_file") if each in known]:
            # One that is inherited is for those below that have tls.
            if (levels.depth("connection", key) or 0) >= (levels.depth("connection", "tls") or 0):
                wrong = "there is no certificate without tls, where the login alone seals the messages"
                path = levels.where("connection", key)
                notes.add(path, wrong, "delete it, or write tls: true", needs=levels.needs("connection"))
            del known[key]
    return WinrmConnection(**known)


def server_connection(
    settled: Mapping[str, Any], layout: Layout | None, levels: Levels, notes: Notes
) -> ServerConnection | None:
    """The wanted connection settings, held to the rules of the fiches."""
    if not settled:
        return None
    wanted = ServerConnection(**settled)
    addresses = {
        key: address
        for key, address in (("authentication_url", wanted.authentication_url), ("update_url", wanted.update_url))
        if address is not None
    }
    for key, address in addresses.items():
        if wanted.secure and (reason := _insecure(address)):
            parts = urlsplit(address)
            remedy = f"write https://{parts.hostname}{parts.path}: {_FICHE}"
            notes.add(levels.where("server_connection", key), reason, remedy)
    if len(addresses) == 2:
        _swapped(addresses["authentication_url"], addresses["update_url"], levels, notes)
    if layout is not None:
        _has_keys(wanted, layout, levels, notes)
    return wanted


def _insecure(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme == "http":
        return "is an http: address, and secure is true"
    return "has :80, and secure is true" if parts.port == 80 else ""


def _swapped(authentication: str, update: str, levels: Levels, notes: Notes) -> None:
    here = levels.where("server_connection", "update_url")
    if authentication.rstrip("/") == update.rstrip("/"):
        notes.add(here, "is the same as authentication_url", "the address of the updates ends in /updates")
    elif _is_updates(authentication) and not _is_updates(update):
        wrong = "looks like the address of the updates"
        notes.add(levels.where("server_connection", "authentication_url"), wrong, "swap it with update_url")
    elif not urlsplit(update).path.strip("/"):
        notes.add(here, "has no path", f"write {update.rstrip('/')}/updates, as the fiche of V72 does")


def _is_updates(address: str) -> bool:
    return urlsplit(address).path.rstrip("/").endswith("/updates")


def _has_keys(wanted: ServerConnection, layout: Layout, levels: Levels, notes: Notes) -> None:
    described = layout.server_connection
    for key in wanted.wanted():
        if described is None or getattr(described.keys, key) is None:
            notes.add(
                levels.where("server_connection", key),
                f"the layout {layout.name} does not say where `{key}` is kept",
                f"add server_connection.keys.{key} to the layout, or take the setting away",
            )


def software(settled: Mapping[str, Any], levels: Levels, notes: Notes) -> Software | None:
    """The wanted versions."""
    if not settled:
        return None
    wanted = Software(**settled)
    if wanted.minimum and wanted.wanted and IeaVersion.parse(wanted.minimum) > IeaVersion.parse(wanted.wanted):
        path = levels.where("software", "minimum")
        notes.add(path, f"is newer than the wanted {wanted.wanted}", "lower it, or raise `wanted`")
    return wanted


def as_values(variables: Mapping[str, Any]) -> dict[str, str]:
    """Variables by the names that templates give them."""
    return {f"vars.{name}": str(value) for name, value in variables.items()}


def overrides(part: Part) -> bool:
    """Whether a workstation says anything of its own that is inherited otherwise."""
    return not part.model_fields_set.isdisjoint(Settings.model_fields)
