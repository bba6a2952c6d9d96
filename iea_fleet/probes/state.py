"""What the tray icon shows: « boule bleue », « cœur rouge », « scarabée rouge », or a refusal.

Source: the connection fiche. A refusal (« Autorisation refusée », « Licence d'installation non reconnue ») cannot be
repaired by settings: only support can.

    probes: [state]
"""

from __future__ import annotations

from collections.abc import Mapping

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import format_named
from iea_fleet.model.layout import TrayState
from iea_fleet.model.matrix import OK, Cell, Status
from iea_fleet.model.request import Absent, Answer, Failed, FileContent, ReadFile
from iea_fleet.model.target import Target

NAME = "state"
ADDRESS = "state.tray"

_VERDICTS: Mapping[TrayState, tuple[Status, str]] = {
    "connected": (OK, "boule bleue"),
    "assistance": (
        Status.WARN,
        "scarabée rouge: assistance mode; leave it with support's password of the day before anything else",
    ),
    "failed": (Status.BAD, "cœur rouge: the installation is not connected to its server"),
    "refused": (Status.BAD, "« Autorisation refusée »: only support can repair this; no setting can"),
    "licence": (Status.BAD, "« Licence d'installation non reconnue »: only support can repair this; no setting can"),
}


def reads(target: Target) -> tuple[ReadFile, ...]:
    """The state file, where the layout knows one."""
    return (ReadFile(target.files["state_file"]),) if "state_file" in target.files else ()


def tray_state(target: Target, answer: Answer | None) -> tuple[TrayState | None, str]:
    """The state that the answer to the read shows, and why; None with the reason when it cannot be told."""
    if target.layout is None or target.layout.state_file is None or answer is None:
        return None, "the layout names no state file"
    file = target.layout.state_file
    match answer:
        case FileContent(content):
            keys = [file.key, *([file.reason] if file.reason else [])]
            try:
                values = format_named(file.format).read(content, keys, file.encoding)
            except SettingsFormatError as error:
                return None, str(error)
            state = file.values.get(str(values.get(file.key)))
            if state is None:
                return None, f"the state file says {str(values.get(file.key))[:40]!r}, which the layout does not name"
            return state, str(values.get(file.reason or "") or "")
        case Absent():
            return None, "there is no state file; IEA has not run here yet"
        case Failed(_, reason):
            return None, reason
        case _:
            raise AssertionError(f"a read was answered by {type(answer).__name__}")


def judge(target: Target, answer: Answer | None) -> Cell:
    """The verdict on the tray icon."""
    state, why = tray_state(target, answer)
    if state is None:
        return Cell(ADDRESS, Status.UNKNOWN, why, "no_state")
    status, words = _VERDICTS[state]
    # The program's own words are told, unless they are the ones already said.
    told = why and status is not OK and why.casefold() not in words.casefold()
    return Cell(ADDRESS, status, f"{words} ({why})" if told else words, f"tray_{state}")
