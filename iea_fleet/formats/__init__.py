"""Text formats of settings files: values are found and spliced, every other byte stays.

A key is a path with ``/`` (``connexion.securisee``; ``section/option`` in ini; nesting below the root in xml and
json; ``@x`` at its end is an attribute in xml; the name of a value in registry).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Protocol, cast

from iea_fleet.model.layout import FormatName, Scalar

REGISTRY: Mapping[FormatName, str] = {
    "properties": "iea_fleet.formats.properties",
    "ini": "iea_fleet.formats.ini",
    "xml": "iea_fleet.formats.xml",
    "json": "iea_fleet.formats.json",
    "registry": "iea_fleet.formats.registry",
}


class Format(Protocol):
    """What every format module offers."""

    def read(self, data: bytes, keys: Iterable[str], encoding: str | None = None) -> dict[str, Scalar]:
        """The values of those ``keys`` that are there. SettingsFormatError when the file cannot be read."""
        ...

    def patch(self, data: bytes, values: Mapping[str, Scalar], encoding: str | None = None) -> bytes:
        """The file with these values and nothing else changed; an absent key goes to the end of its parent.

        None takes a key away, and with it its line, comma or element; what held it stays, also when it is empty now. A
        key that is not there is no error then. (So no format writes the ``null`` of json.)

        SettingsFormatError when the encoding or the format cannot hold a value, or when the result, read again by a
        well-kept parser, differs in anything but these keys.
        """
        ...


def format_named(name: FormatName) -> Format:
    """The format module of this name, imported when it is first asked for."""
    return cast("Format", importlib.import_module(REGISTRY[name]))
