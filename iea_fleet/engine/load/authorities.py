"""Files of certificates that an inventory names and that are not on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from iea_fleet.core.faults import Steps
from iea_fleet.engine.load.source import Source
from iea_fleet.errors import Mistake
from iea_fleet.model.inventory import InventoryFile

_SECTIONS: Final = ("connection", "server_connection", "net_entreprises_service")


def missing_authorities(sources: Iterable[Source[InventoryFile]]) -> list[Mistake]:
    """A warning for each ``ca_file`` that is not there; no mistake, as it may be kept on another machine alone."""
    return [
        source.document.mistake(
            steps,
            f"warning: there is no file {file} on this machine",
            "put the certificates of the authority there, or correct the path",
        )
        for source in sources
        for steps, file in _named(source.document.root, ())
        if not os.path.isfile(file)  # noqa: PTH113 - a path that cannot be looked at is none, and no exception
    ]


def _named(value: Any, steps: Steps) -> Iterator[tuple[Steps, str]]:  # noqa: ANN401 - what YAML holds
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "ca_file" and isinstance(inner, str) and steps and steps[-1] in _SECTIONS:
                yield (*steps, key), inner
            elif key != "vars":
                yield from _named(inner, (*steps, key))
