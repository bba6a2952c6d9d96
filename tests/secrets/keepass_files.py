"""KeePass files that open fast: their key derivation is made cheap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pykeepass


def keepass_file(path: Path, password: str, keyfile: Path | None = None) -> Any:
    """A new KeePass file; ``save`` writes it."""
    made = pykeepass.create_database(str(path), password=password, keyfile=str(keyfile) if keyfile else None)
    parameters = made.kdbx.header.value.dynamic_header.kdf_parameters.data.dict
    parameters["I"].value = 1
    parameters["M"].value = 64 * 1024
    made.save()
    return made


def put(opened: Any, path: str, value: str) -> Any:
    """Keep a password under groups and a title."""
    *groups, title = path.split("/")
    group = opened.root_group
    for name in groups:
        group = next((found for found in group.subgroups if found.name == name), None) or opened.add_group(group, name)
    entry = next((found for found in group.entries if found.title == title), None)
    if entry is None:
        entry = opened.add_entry(group, title, "", value)
    else:
        entry.password = value
    opened.save()
    return entry
