"""How statuses, addresses, times and counts are worded, the same on every table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from iea_fleet.model.matrix import Difference, Status
from iea_fleet.reports.safe import printable, value


class Look(NamedTuple):
    """A symbol one cell wide (no emoji, which terminals draw two wide) and a colour that only repeats it."""

    symbol: str
    style: str


LOOKS: Final[Mapping[Status, Look]] = {
    Status.FAILED: Look("✗", "bold red"),
    Status.ROLLED_BACK: Look("↺", "red"),
    # The fiche's own mark for a server that does not answer is a barred circle.
    Status.BAD: Look("⊘", "red"),
    Status.STALE: Look("~", "red"),
    Status.DRIFTED: Look("≠", "yellow"),
    Status.PENDING: Look("▸", "yellow"),
    Status.WAITING: Look("…", "cyan"),
    Status.UNKNOWN: Look("?", "cyan"),
    Status.OFFLINE: Look("○", "cyan"),
    Status.HELD: Look("‖", "blue"),
    Status.SKIPPED: Look("-", "dim"),
    Status.WARN: Look("!", "yellow"),
    Status.CHANGED: Look("•", "green"),
    Status.IN_SYNC: Look("✓", "green"),
}

MEANINGS: Final[Mapping[Status, str]] = {
    Status.FAILED: "did not work; the reason says what to do",
    Status.ROLLED_BACK: "written, did not hold, put back as it was",
    Status.BAD: "a test says no",
    Status.STALE: "changed by somebody since it was planned; not written",
    Status.DRIFTED: "was right, then changed by somebody",
    Status.PENDING: "not yet as the files ask",
    Status.WAITING: "a person has to do something first",
    Status.UNKNOWN: "could not be told",
    Status.OFFLINE: "no answer; switched off or unplugged",
    Status.HELD: "read, never written",
    Status.SKIPPED: "not done",
    Status.WARN: "works, but look at it",
    Status.CHANGED: "written and read back",
    Status.IN_SYNC: "as the files ask",
}

_PROBES: Final = frozenset({"servers", "state", "version"})

_HEADINGS: Final = {
    "server_connection": "settings",
    "servers.authentication_url": "auth server",
    "servers.update_url": "update server",
    "state.tray": "tray icon",
    "version.installed": "version",
    "assistance_mode": "assistance",
}
_FAMILIES: Final = {"servers": "servers", "state": "tray icon", "net_entreprises": "accounts", "transfer": "transfers"}
_MEMBERS: Final = {"net_entreprises": "account", "transfer": "transfer"}


def word(status: Status, address: str = "") -> str:
    """The status as people read it; a test that says yes is ``ok``, since there is nothing to be in sync with.

    >>> word(Status.ROLLED_BACK), word(Status.IN_SYNC), word(Status.IN_SYNC, "state.tray")
    ('rolled back', 'in sync', 'ok')
    """
    if status is Status.IN_SYNC and is_probe(address):
        return "ok"
    return status.value.replace("_", " ")


def is_probe(address: str) -> bool:
    """Whether a test answers for this address."""
    return address.partition(".")[0] in _PROBES


def marked(status: Status, address: str = "") -> str:
    """Symbol and word."""
    return f"{LOOKS[status].symbol} {word(status, address)}"


def heading(address: str) -> str:
    """What stands above a column.

    >>> heading("net_entreprises.dupont")
    'account dupont'
    """
    family, _, member = address.partition(".")
    if address in _HEADINGS:
        return _HEADINGS[address]
    if member and family in _MEMBERS:
        return f"{_MEMBERS[family]} {printable(member)}"
    return printable(address.replace("_", " "))


def family(address: str) -> str:
    """What stands above the one column of all addresses that begin alike (``servers``, ``accounts``)."""
    first = address.partition(".")[0]
    return _FAMILIES.get(first) or heading(first)


def workstations(count: int) -> str:
    """A number of workstations."""
    return f"{count} workstation{'' if count == 1 else 's'}"


def counted(counts: Mapping[Status, int]) -> str:
    """How many workstations have each status, worst first."""
    return ", ".join(f"{counts[status]} {word(status)}" for status in Status if counts.get(status))


def moment(when: dt.datetime, zone: dt.tzinfo | None = None) -> str:
    """A time for people, in ``zone`` or else in the zone of this machine.

    >>> moment(dt.datetime(2026, 11, 21, 10, 15, tzinfo=dt.UTC), dt.UTC)
    '21 Nov 2026 10:15'
    """
    local = when.astimezone(zone)
    # %b follows the locale of the machine; the rest of the sentence is English.
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[local.month - 1]
    return f"{local.day} {month} {local.year} {local:%H:%M}"


def age(when: dt.datetime, now: dt.datetime) -> str:
    """How long ago, in the largest unit that fits: ``now``, ``5min``, ``3h``, ``12d``. A time to come is ``now``."""
    seconds = (now - when).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return "now"


def ago(when: dt.datetime, now: dt.datetime) -> str:
    """The age in a sentence."""
    old = age(when, now)
    return "just now" if old == "now" else f"{old} ago"


def short_seconds(seconds: float) -> str:
    """How long a server took, in four places.

    >>> short_seconds(0.0042), short_seconds(1.24), short_seconds(15)
    ('4ms', '1.2s', '15s')
    """
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f}ms"
    return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"


def duration(length: dt.timedelta) -> str:
    """How long something took: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 04 min``."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole_seconds = round(seconds)
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    if whole_seconds < 3600:
        return f"{whole_seconds // 60} min {whole_seconds % 60:02} s"
    return f"{whole_seconds // 3600} h {whole_seconds % 3600 // 60:02} min"


def change(difference: Difference) -> str:
    """One difference: what is there, what the files ask, and the known leftover it is."""
    said = f"{printable(difference.setting)}: {found(difference)} → {wanted(difference)}"
    return f"{said} ({printable(difference.note)})" if difference.note else said


def changes(differences: Sequence[Difference]) -> list[str]:
    """All differences of one resource; in one line where everything is new, or goes.

    >>> changes([Difference("nom", None, "DUPONT"), Difference("service", None, "25")])
    ['absent → nom: DUPONT, service: 25']
    """
    if len(differences) > 1 and all(difference.before is None for difference in differences):
        return ["absent → " + ", ".join(f"{printable(one.setting)}: {wanted(one)}" for one in differences)]
    if len(differences) > 1 and all(difference.after is None for difference in differences):
        return [", ".join(printable(difference.setting) for difference in differences) + " → absent"]
    return [change(difference) for difference in differences]


def found(difference: Difference) -> str:
    """What was there. A secret is shown nowhere, not even its mark."""
    if difference.secret and difference.before is not None:
        return "another one"
    return value(difference.before)


def wanted(difference: Difference) -> str:
    """What the files ask."""
    if difference.secret and difference.after is not None:
        return "the one of the files"
    return value(difference.after)


def last_right(difference: Difference, zone: dt.tzinfo | None = None) -> str:
    """When a drifted setting was last right and what it was then; empty when we never saw it right."""
    if difference.last_right_at is None:
        return ""
    return f"was right until {moment(difference.last_right_at, zone)}{last_right_value(difference)}"


def last_right_value(difference: Difference) -> str:
    """What a setting was when it was last right, as the end of a sentence; empty where the files still ask for it."""
    if difference.last_right_at is None or difference.secret or difference.last_right == difference.after:
        return ""
    return f", last right value {value(difference.last_right)}"
