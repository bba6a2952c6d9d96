"""Settings kept in a file of a layout: from the answer to a read to values, and from values to an edit."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import format_named
from iea_fleet.model.layout import Key, Scalar, SettingsFile
from iea_fleet.model.matrix import Status
from iea_fleet.model.plan import Edit, Hidden
from iea_fleet.model.request import ABSENT, Absent, Answer, Failed, FileContent, as_shown, is_registry_key
from iea_fleet.resources import Observed, Unobserved

_TRUE_FALSE: Mapping[str, bool] = {"true": True, "false": False}


def observe_file(
    file: SettingsFile, keys: Mapping[str, Key], path: str, answer: Answer, switches: Collection[str] = ()
) -> Observed | Unobserved:
    """The values of ``keys`` (by setting) in the file at ``path``, as the layout means them.

    ``switches`` are the settings that are true or false, also where the layout does not say how that is written.
    """
    match answer:
        case FileContent(content, found_digest):
            try:
                texts = format_named(file.format).read(content, [key.key for key in keys.values()], file.encoding)
            except SettingsFormatError as error:
                return Unobserved(Status.UNKNOWN, f"{as_shown(path)} cannot be read: {error}", error.code)
            values = {
                setting: _meaning(key, texts[key.key], file.format, switch=setting in switches)
                for setting, key in keys.items()
                if key.key in texts
            }
            return Observed(values, {path: found_digest})
        case Absent():
            if file.new is not None:
                return Observed({}, {path: ABSENT})
            return Unobserved(Status.WAITING, _not_there(path), "settings_absent")
        case Failed(reason_code, reason):
            return Unobserved(Status.UNKNOWN, reason, reason_code)
        case _:
            raise AssertionError(f"a read was answered by {type(answer).__name__}")


def _not_there(path: str) -> str:
    if not is_registry_key(path):
        return f"open IEA once on this workstation: {path} is not there yet"
    return (
        f"the key {as_shown(path)} is not there; open IEA once on this workstation, or correct the key in the "
        r"layout: its spelling, or HKLM\SOFTWARE\WOW6432Node\… of a 32-bit IEA"
    )


def edit_file(
    file: SettingsFile,
    keys: Mapping[str, Key],
    path: str,
    observed: Observed,
    values: Mapping[str, Scalar | Hidden],
    *,
    secret: bool = False,
) -> Edit:
    """The edit that writes ``values`` (by setting) to the file at ``path``, where it still is what was read.

    None takes a setting away. ``secret``: the file holds a secret, before or after.
    """
    return Edit(
        path=path,
        format=file.format,
        encoding=file.encoding,
        values={keys[setting].key: _text(keys[setting], value, file.format) for setting, value in values.items()},
        expected=observed.read[path],
        new=file.new,
        private=file.private,
        secret=secret,
    )


def _meaning(key: Key, text: Scalar, format_name: str, *, switch: bool) -> Scalar:
    """What a text of the file means; a text that the layout does not name stays as it is, and so differs."""
    meanings = key.values or (_TRUE_FALSE if switch and format_name != "json" else {})
    return meanings.get(text, text) if isinstance(text, str) else text


def _text(key: Key, value: Scalar | Hidden, format_name: str) -> Scalar | Hidden:
    meanings = key.values or ({} if format_name == "json" else _TRUE_FALSE)
    return next((text for text, meaning in meanings.items() if meaning is value or meaning == value), value)
