"""One workstation of the lab: its files, its faults, and what a person's hand did to it."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from iea_fleet.errors import LabError, SettingsFormatError
from iea_fleet.formats import format_named
from iea_fleet.lab.faults import Fault
from iea_fleet.lab.request_faults import CUT_OFF
from iea_fleet.lab.seal import Seal
from iea_fleet.lab.users import FOLDER
from iea_fleet.model.journal import NAME
from iea_fleet.model.layout import Layout, Scalar, ServerConnectionFile, StateFile, TrayState

# An escape that is none: no reader of properties files takes it, whichever key it asks for.
_GARBAGE = b"\x00\xff\xfe\x1f\x8b\\uZZZZ=\\uZZZZ\nconnexion.securisee=\\u00\n"


_PLANTED = {
    "iea_fleet_run": 1,
    "inventory": "Lab",
    "workstation": "nancy-01",
    "run": "20260101-000000-planted",
    "owner": {"controller": "0", "user": "root", "host": "elsewhere", "pid": 1, "process_start": "0"},
    "begun_at": "2026-01-01T00:00:00+00:00",
    "duration": 1.0,
    "files": [
        {"path": "/etc/passwd", "before": "absent", "after": "absent", "backup": "/etc/shadow", "secret": False},
    ],
    "signature": "0" * 64,
}


@dataclass(frozen=True, slots=True)
class _HandMade:
    """What a fault did to a file; None is no file."""

    fault: Fault
    path: Path
    before: bytes | None
    after: bytes | None


@dataclass(slots=True)
class Workstation:
    """Files below ``folder``, as the layout says, the faults in force by kind, and how often a client has a file open.

    The drive of a Windows path is a folder too: ``C:/ProgramData`` is ``folder / "C:/ProgramData"``.
    """

    name: str
    office: str
    folder: Path
    layout: Layout
    seal: Seal
    faults: dict[str, Fault] = field(default_factory=dict)
    exchanges: int = 0
    open_files: Counter[Path] = field(default_factory=Counter)
    _hand_made: list[_HandMade] = field(default_factory=list)

    def file(self, name: str) -> Path:
        """Where a file of the layout really is."""
        return self.folder / self.layout.root.strip("/") / name

    def install(self, files: Mapping[str, bytes]) -> None:
        """Put a fresh installation on the disk; the files of its users are for their owner alone."""
        self.file(FOLDER).mkdir(parents=True)
        for name, content in files.items():
            file = self.file(name)
            file.write_bytes(content)
            if file.parent.name == FOLDER:
                file.chmod(0o600)

    @property
    def settings_file(self) -> ServerConnectionFile:
        """Where the layout says the connection settings are."""
        assert self.layout.server_connection is not None
        return self.layout.server_connection

    @property
    def state_file(self) -> StateFile:
        """Where the layout says the tray state is."""
        assert self.layout.state_file is not None
        return self.layout.state_file

    @property
    def run_file(self) -> Path:
        """Where somebody who changes this workstation keeps the record of it."""
        return self.folder / self.layout.private.strip("/") / NAME

    def is_held(self, file: Path) -> bool:
        """Whether somebody has a file open, so that nobody can replace or remove it on Windows."""
        return file in self.open_files or ("antivirus" in self.faults and file == self.file(self.settings_file.file))

    def was_replaced(self, file: Path) -> None:
        """A client has replaced a file: once it has done so with the settings, ``stale-run`` ends its connection."""
        if "stale-run" in self.faults and file == self.file(self.settings_file.file) and self.run_file.exists():
            self.faults[CUT_OFF] = self.faults.pop("stale-run")

    def settings(self) -> dict[str, Scalar]:
        """What the window « Paramètres de connexion » would show; a setting that is not there is left out.

        FileNotFoundError without a file; SettingsFormatError when it cannot be read.
        """
        file = self.settings_file
        keys = {name: key for name in type(file.keys).model_fields if (key := getattr(file.keys, name)) is not None}
        content = self.file(file.file).read_bytes()
        found = format_named(file.format).read(content, [key.key for key in keys.values()], file.encoding)
        shown: dict[str, Scalar] = {}
        for name, key in keys.items():
            if key.key in found:
                text = found[key.key]
                shown[name] = key.values.get(str(text)) if key.values else text
        return shown

    def state(self) -> TrayState | None:
        """What the tray icon shows; None when the state file is not there or says something else."""
        file = self.state_file
        try:
            found = format_named(file.format).read(self.file(file.file).read_bytes(), [file.key], file.encoding)
        except (FileNotFoundError, SettingsFormatError):
            return None
        return file.values.get(str(found.get(file.key)))

    def account(self, user: str) -> dict[str, str]:
        """The Net-Entreprises account that IEA would deposit with for this user, the password unsealed.

        What is not there is left out. SettingsFormatError when the file cannot be read, LabError when the password was
        not sealed on this workstation.
        """
        file = self.layout.net_entreprises
        assert file is not None
        keys = {name: getattr(file.keys, name) for name in type(file.keys).model_fields}
        content = _content(self.file(file.file.replace("{{ user }}", user)))
        if content is None:
            return {}
        read = format_named(file.format).read(content, [key.key for key in keys.values()], file.encoding)
        found = {name: str(read[key.key]) for name, key in keys.items() if key.key in read}
        return {name: self.seal.open(text) if keys[name].seal else text for name, text in found.items()}

    def version(self) -> str:
        """The installed version as its file writes it; empty when it cannot be read."""
        file = self.layout.version_file
        assert file is not None
        try:
            found = format_named(file.format).read(self.file(file.file).read_bytes(), [file.key], file.encoding)
        except (FileNotFoundError, SettingsFormatError):
            return ""
        return str(found.get(file.key, ""))

    def show(self, state: TrayState, motif: str = "") -> None:
        """Write the state file. OSError when the disk is full."""
        if "disk-full" in self.faults:
            raise OSError("No space left on device")
        path = self.file(self.state_file.file)
        self._write(path, self.state_content(state, motif))
        if clock := self.faults.get("clock"):
            now = time.time() + clock.amount * 3600
            os.utime(path, (now, now))

    def spoil(self, fault: Fault) -> None:
        """Bring a fault into force; those of a person's hand change a file at once. LabError when it cannot be."""
        if fault.on_windows and self.layout.os != "windows":
            raise LabError(f"{self.name} is no Windows workstation", f"{fault.kind} is for those that are")
        change = _HANDS.get(fault.kind)
        if change is not None:
            try:
                path, after = change(self)
            except FileNotFoundError as error:
                raise LabError(f"{self.name} has no {error.filename}", f"mend {self.name} first") from error
            except SettingsFormatError as error:
                raise LabError(f"{self.name}: {error.sentence}", f"mend {self.name} first") from error
            self._hand_made.append(_HandMade(fault, path, _content(path), after))
            self._write(path, after)
        self.faults[fault.kind] = fault

    def mend(self) -> None:
        """End all faults. Files that a fault changed get back what they held, unless somebody wrote since."""
        for change in reversed(self._hand_made):
            untouched = _content(change.path) == change.after
            # A relaunch wrote the same refusal again: it goes with its cause.
            if untouched or (change.fault.kind in ("refused", "licence") and self.state() == change.fault.kind):
                self._write(change.path, change.before)
        self._hand_made.clear()
        self.faults.clear()

    def patched_settings(self, values: Mapping[str, Scalar]) -> tuple[Path, bytes]:
        """The settings file with these settings typed in."""
        file = self.settings_file
        path = self.file(file.file)
        texts: dict[str, Scalar] = {}
        for name, value in values.items():
            key = getattr(file.keys, name)
            texts[key.key] = next(t for t, v in key.values.items() if v == value) if key.values else value
        return path, format_named(file.format).patch(path.read_bytes(), texts, file.encoding)

    def state_content(self, state: TrayState, motif: str) -> bytes:
        """The state file with this state in it."""
        file = self.state_file
        values: dict[str, Scalar] = {file.key: next(text for text, means in file.values.items() if means == state)}
        if file.reason:
            values[file.reason] = motif
        writer = format_named(file.format)
        try:
            return writer.patch(_content(self.file(file.file)) or b"", values, file.encoding)
        except SettingsFormatError:
            return writer.patch(b"", values, file.encoding)

    def _write(self, path: Path, content: bytes | None) -> None:
        """Replace a file as a whole, its rights kept. The new one is made outside the tree that clients see."""
        if content is None:
            path.unlink(missing_ok=True)
            return
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o644
        fresh = self.folder.with_name(f".{self.name}.new")
        fresh.write_bytes(content)
        fresh.chmod(mode)
        fresh.replace(path)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _edit(workstation: Workstation) -> tuple[Path, bytes]:
    settings = workstation.settings()
    update = str(settings.get("update_url") or "")
    if settings.get("secure"):
        return workstation.patched_settings({"secure": False})
    if update.endswith("/updates"):
        return workstation.patched_settings({"update_url": update.removesuffix("/updates")})
    raise LabError(f"{workstation.name} was edited by hand already", f"mend {workstation.name} first")


def _append_port_80(workstation: Workstation) -> tuple[Path, bytes]:
    values: dict[str, Scalar] = {}
    for name, path in (("authentication_url", ""), ("update_url", "/updates")):
        scheme = str(workstation.settings().get(name) or "http:").partition(":")[0]
        values[name] = f"{scheme}://localhost:80{path}"
    return workstation.patched_settings(values)


def _state(state: TrayState, motif: str = "") -> Callable[[Workstation], tuple[Path, bytes]]:
    def show(workstation: Workstation) -> tuple[Path, bytes]:
        content = workstation.state_content(state, motif)
        return workstation.file(workstation.state_file.file), content

    return show


def _open_iea(workstation: Workstation) -> tuple[Path, bytes]:
    assert workstation.layout.application is not None
    return workstation.file(workstation.layout.application.lock_file), b""


def _plant_run(workstation: Workstation) -> tuple[Path, bytes]:
    """A run.json in our form, as somebody writes it who has read how it looks and has no key."""
    path = workstation.run_file
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return path, json.dumps(_PLANTED, indent=1).encode()


REFUSALS: Mapping[str, tuple[TrayState, str]] = {
    "refused": ("refused", "Autorisation refusée"),
    "licence": ("licence", "Licence d'installation non reconnue"),
}
"""The faults by which the authentication server says no: the tray state and the words on the screen (fiche)."""

_HANDS: Mapping[str, Callable[[Workstation], tuple[Path, bytes]]] = {
    "edited": _edit,
    "port-80": _append_port_80,
    "garbage": lambda workstation: (workstation.file(workstation.settings_file.file), _GARBAGE),
    "assistance": _state("assistance"),
    "iea-open": _open_iea,
    "planted-run": _plant_run,
    **{fault: _state(state, motif) for fault, (state, motif) in REFUSALS.items()},
}
"""Which file a fault changes at once, and to what."""
