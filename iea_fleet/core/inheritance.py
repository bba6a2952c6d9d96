"""Inheritance: defaults < office < workstation. Maps merge by key, lists replace, null removes.

Another transport inherits nothing: a connection that names another one than the level above starts empty.
``merge`` is associative, so an office's share can be computed once and used for each of its workstations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iea_fleet.model.part import Part

CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Layer:
    """One map, or several merged. ``fresh``: nothing from above shows through.

    ``transport`` is set in a connection that names one; ``before`` then holds what stood above that name in the same
    layer and counts only if the transport above is the same one.
    """

    entries: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    transport: str | None = None
    before: Mapping[str, Any] = field(default_factory=dict)


def layer(given: Mapping[str, Any] | Part, *, connection: bool = False) -> Layer:
    """The layer of one level as a file gives it. ``connection``: its transport decides what it inherits."""
    pairs = {key: getattr(given, key) for key in given.model_fields_set} if isinstance(given, Part) else given
    entries: dict[str, Any] = {
        key: layer(value, connection=key == CONNECTION) if isinstance(value, (Mapping, Part)) else value
        for key, value in pairs.items()
    }
    if not connection or "transport" not in entries:
        return Layer(entries)
    transport = entries.pop("transport")
    # A transport taken away by null is another one than any.
    return Layer(entries, fresh=transport is None, transport=transport)


def merge(upper: Layer, lower: Layer) -> Layer:
    """What both levels say together; the lower one wins."""
    if lower.fresh:
        return lower
    if lower.transport is None:
        return Layer(_together(upper.entries, lower.entries), upper.fresh, upper.transport, upper.before)
    if upper.transport is None and not upper.fresh:
        return Layer(lower.entries, transport=lower.transport, before=_together(upper.entries, lower.before))
    if upper.transport in (None, lower.transport):
        entries = _together(_together(upper.entries, lower.before), lower.entries)
        return Layer(entries, upper.fresh, lower.transport, upper.before)
    return Layer(lower.entries, fresh=True, transport=lower.transport)


def _together(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(upper)
    for key, value in lower.items():
        if not isinstance(value, Layer) or key not in upper:
            joined[key] = value
        elif isinstance(upper[key], Layer):
            joined[key] = merge(upper[key], value)
        else:
            # A map below null, or below something that is no map, begins anew.
            joined[key] = Layer(_together(value.before, value.entries), fresh=True, transport=value.transport)
    return joined


def settle(merged: Layer) -> dict[str, Any]:
    """The plain map that is left at the end: nulls are gone, and so are the keys they removed."""
    entries = _together(merged.before, merged.entries)
    settled = {
        key: settle(value) if isinstance(value, Layer) else value for key, value in entries.items() if value is not None
    }
    return settled if merged.transport is None else {"transport": merged.transport, **settled}
