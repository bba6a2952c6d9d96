"""The steps of ``windows-check`` in words: what each one expects and proves, and what no step can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from iea_fleet.model.windows_check import Step


class Words(NamedTuple):
    """A step: its title, the classes of answers that are expected, what these prove, and what is unproven without."""

    title: str
    expected: str
    proves: str
    unproven: str


STEPS: Final[Mapping[str, Words]] = {
    "start": Words(
        "the agent starts",
        "Windows PowerShell 5.1 or 5.0, FullLanguage",
        "powershell.exe takes the script on standard input, no policy keeps it from running, its answer comes whole",
        "that the agent runs there at all",
    ),
    "read_file": Words(
        "files of the layout are read",
        "content",
        "the account may read what the layout names, and the layout names what is there",
        "that the account may read the files of the layout",
    ),
    "list_folder": Words(
        "a folder is listed",
        "names, with the file's among them",
        "names come whole, in their own letters",
        "that folders are listed as they are",
    ),
    "stat": Words(
        "a file is looked at: owner, rights, time",
        "is",
        "the owner is told by SID, and whether others may read it",
        "that the agent can tell whose a file is, and who may read it",
    ),
    "absent": Words(
        "a file that is not there",
        "absent",
        "a missing file is told from one that may not be read",
        "that a missing file is told from an unreadable one",
    ),
    "room": Words(
        "the room left is measured",
        "room, 2 MB or more",
        "free bytes are told",
        "that a full disk is seen beforehand",
    ),
    "read_key": Words(
        "a registry key is read",
        "content",
        "the values of a real key, and their kinds, come in our form",
        "that registry keys are read",
    ),
    "run_action": Words(
        "a program: words, standard input, exit code",
        "ran 0, and ran 1 where nothing is found",
        "words are quoted as Windows programs split them, standard input ends, and exit codes come back",
        "that actions of the layout get their words and their standard input, and their exit codes come back",
    ),
    "read_only": Words(
        "a write where only reading is allowed",
        "failed: read_only",
        "the agent itself refuses, even if the controller were wrong",
        "that the agent refuses to write in plan, drift and status",
    ),
    "torn": Words(
        "standard input damaged, and cut short",
        "agent_torn",
        "what does not arrive whole is not begun",
        "that damaged input is noticed before anything is begun",
    ),
    "private_folder": Words(
        "the private folder",
        "done, or is a folder for administrators alone",
        "it is there, and nobody but administrators and the system may look into it",
        "that the private folder is closed to users",
    ),
    "create": Words(
        "a scratch file is made, private",
        "done",
        "a new file is born closed to users, with the owner of its folder",
        "that new private files are closed to users",
    ),
    "replace": Words(
        "it is replaced, with the right digest",
        "done",
        "[IO.File]::Replace and the machine-wide mutex work for this account",
        "that a file can be replaced at all",
    ),
    "moved": Words(
        "it is replaced and removed, with a wrong digest",
        "moved, twice",
        "an edit that somebody else made is not lost, and the digest of what is there is told",
        "that somebody else's edit is not lost",
    ),
    "still_private": Words(
        "its owner and rights after that",
        "is, as before",
        "Replace keeps owner and rights there",
        "that a replaced file keeps its owner and its rights",
    ),
    "bytes": Words(
        "every byte, accents, CR LF and NUL",
        "content, the same",
        "what is written is what is read, byte for byte",
        "that contents are kept byte for byte",
    ),
    "large": Words(
        "600,000 bytes that cannot be deflated",
        "done, and content, the same",
        "standard input and output are not cut off or choked",
        "that large input and output arrive whole",
    ),
    "group": Words(
        "two files of which one has moved",
        "not made, and moved",
        "of files that belong together none is written when one cannot be",
        "that files which belong together are written together or not at all",
    ),
    "race": Words(
        "two agents at one file, at once",
        "done once, moved once",
        "two PowerShells are ordered by the mutex, across sessions",
        "that two agents are ordered by the mutex",
    ),
    "write_key": Words(
        "a scratch registry key: each kind, a wrong digest, removed",
        "done, content, moved, done",
        "values of every kind are written and read back the same, and the key is removed",
        "that registry keys are written with their kinds",
    ),
    "sftp": Words(
        "the same file by SFTP",
        "content, the same",
        "what drift reads by SFTP is what the agent reads; owner and rights are left untold there",
        "that SFTP and the agent read the same",
    ),
    "servers_by_agent": Words(
        "the servers of the inventory, asked by the agent",
        "reached",
        "the account reaches them, and .NET accepts their certificates",
        "that the agent can ask the servers of the inventory",
    ),
    "servers_by_session": Words(
        "the servers of the inventory, through the session",
        "reached",
        "what status and apply will say of them; over SSH by forwarding, where the server allows it",
        "that status reaches the servers of the inventory through this workstation",
    ),
    "tidy": Words(
        "the scratch file is removed, and nothing is left",
        "done, and no file of ours in the folder",
        "neither what was prepared nor what was set aside stays behind",
        "that nothing is left behind",
    ),
}
"""In the order in which they are taken."""

ON_THE_SCRATCH_FILE: Final = frozenset({"replace", "moved", "still_private", "bytes", "large", "group", "race", "sftp"})
"""The steps that cannot come out right where the scratch file could not be made."""

ALWAYS_UNPROVEN: Final = (
    "other workstations: other versions, policies and antivirus programs; check one of each kind",
    "a file of IEA that a user or the antivirus holds open at that moment (only the lab has tried it)",
    "that Replace keeps the rights of IEA's own files: only scratch files of ours were written",
    "a disk that fills up, power that fails or a restart in the middle of a write",
    "whether logging or transcription keep what the agent is given: look into the event log and transcripts",
    "what IEA itself makes of what is written, its actions, and the proxies of the user at the screen",
)
_OTHER_WAY: Final = {
    "ssh": "the other way in, WinRM, and other versions of OpenSSH",
    "winrm": "the other way in, SSH; other kinds of login; quotas, and connections that were idle for minutes",
}
_NOTHING: Final = "everything that this check is for: the agent did not run there"
_STAND_IN: Final = "everything about Windows: what answered is the lab's stand-in, no PowerShell"


def unproven(transport: str, steps: Sequence[Step], *, stand_in: bool) -> tuple[str, ...]:
    """What this check has not shown, in sentences; what the steps themselves left open comes first."""
    return (*([_STAND_IN] if stand_in else []), *_not_shown(steps), *ALWAYS_UNPROVEN, _OTHER_WAY[transport])


def _not_shown(steps: Sequence[Step]) -> Iterable[str]:
    shown = {step.name for step in steps if step.verdict == "as_expected"}
    if "start" not in shown:
        return (_NOTHING,)
    return (words.unproven for name, words in STEPS.items() if name not in shown and name in {s.name for s in steps})
