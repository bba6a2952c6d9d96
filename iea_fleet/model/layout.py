"""A layout: where and how one version of IEA keeps its settings on a workstation.

The publisher documents none of this, so it is data: a site describes its own installation, and no path is in code.
"""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from iea_fleet.model.part import Name, Part, Switch, Text, Whole
from iea_fleet.model.version import VersionRange

Scalar = str | bool | int | float | None
"""What one setting is: text in most formats; json keeps its own types."""

FormatName = Literal["properties", "ini", "xml", "json", "registry"]
TrayState = Literal["connected", "failed", "assistance", "refused", "licence"]


def _is_encoding(text: str) -> str:
    try:
        codecs.lookup(text)
    except LookupError:
        raise ValueError("is no encoding; write one like utf-8, cp1252, latin-1 or utf-16") from None
    return text


def _is_range(text: str) -> str:
    VersionRange.parse(text)
    return text


Encoding = Annotated[Text, AfterValidator(_is_encoding)]
FileText = Annotated[str, StringConstraints(strict=True)]
"""Text of several lines, as a file holds it."""


class Key(Part):
    """Where one setting stands in a file. ``key`` is a path with ``/``; ``values`` maps its text to the value.

    ``seal`` names the action that the value goes through before it is written.
    """

    key: Text
    values: Annotated[dict[str, Switch | Text], Field(min_length=1)] | None = None
    seal: Name | None = None


class SettingsFile(Part):
    r"""One file of settings. Its path is relative to the layout's root and may hold names in ``{{ }}``.

    With ``format: registry`` it is a key of the Windows registry, written ``HKLM\SOFTWARE\…``.

    ``private`` files are readable by administrators, the system and the owner alone. A missing file starts from
    ``new``; without it a missing file waits for a person to open IEA once. ``scope: office`` is one file for the
    whole installation, on the office's server.
    """

    file: Text
    format: FormatName
    encoding: Encoding | None = None
    private: Switch = False
    new: FileText | None = None
    scope: Literal["workstation", "office"] = "workstation"


class VersionFile(SettingsFile):
    """Where the version of IEA can be read."""

    key: Text


class StateFile(SettingsFile):
    """What the tray icon shows, and the key that says why."""

    key: Text
    values: Annotated[dict[str, TrayState], Field(min_length=1)]
    reason: Text | None = None


class Application(Part):
    """How to tell that IEA is open: the lock file is there while it runs."""

    lock_file: Text


class ServerConnectionKeys(Part):
    """The settings of the window « Paramètres de connexion »; what is not named here stays untouched."""

    secure: Key | None = None
    authentication_url: Key | None = None
    update_url: Key | None = None


class ServerConnectionFile(SettingsFile):
    """Where the connection settings are kept."""

    keys: ServerConnectionKeys


class NetEntreprisesKeys(Part):
    """The fields of the tab « Net Entreprise »."""

    siret: Key
    nom: Key
    prenom: Key
    password: Key
    service: Key


class NetEntreprisesFile(SettingsFile):
    """Where the Net-Entreprises account of one IEA user is kept."""

    keys: NetEntreprisesKeys


class Action(Part):
    """A program of IEA on the workstation: an argv list, never a shell line; values travel on stdin.

    ``reads: true`` is the layout's word that the action changes nothing, so that read-only commands may run it.
    ``stdin`` says what an action of ``seal`` is given: the value as it stands or, where the user's own IEA password is
    asked for too, both in this order, a line each.
    """

    run: Annotated[tuple[Text, ...], Field(min_length=1)]
    timeout: Annotated[Whole, Field(ge=1, le=3600)] = 30
    reads: Switch = False
    stdin: Annotated[tuple[Literal["value", "iea_password"], ...], Field(min_length=1)] = ("value",)


class Layout(Part):
    """Where one version of IEA keeps its settings. Every rendered path stays under ``root``."""

    version: Literal[1]
    name: Name
    title: Text | None = None
    versions: Annotated[Text, AfterValidator(_is_range)] | None = None
    os: Literal["windows", "posix"]
    root: Text
    private: Text
    version_file: VersionFile | None = None
    state_file: StateFile | None = None
    application: Application | None = None
    server_connection: ServerConnectionFile | None = None
    net_entreprises: NetEntreprisesFile | None = None
    actions: dict[Name, Action] = Field(default_factory=dict)
