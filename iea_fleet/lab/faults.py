"""What can be wrong in the lab: the kinds of faults, and how a person writes one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from iea_fleet.errors import LabError

WINDOWS_FAULTS: Mapping[str, str] = {
    "antivirus": "on Windows: the antivirus holds the settings file open, so that it can be read and not replaced",
    "constrained": "on Windows: PowerShell runs in Constrained Language Mode",
    "execution-policy": "on Windows: PowerShell says that running scripts is disabled",
    "powershell-blocked": "on Windows: powershell.exe is blocked by group policy",
    "script-blocked": "on Windows: the antivirus takes the agent for malicious and blocks it",
    "slow-powershell=MS": "on Windows: PowerShell takes MS milliseconds to start",
    "noise": "on Windows: something else is printed around the agent's answer, and PowerShell's XML on its stderr",
    "torn-stdin": "on Windows: the end of what the agent is sent does not come in",
}
"""The faults that only Windows workstations can have, with a sentence each."""

WINRM_FAULTS: Mapping[str, str] = {
    "password-changed": "on WinRM: somebody changed the password of the account that opens the workstation",
    "unauthorized-at=N": "on WinRM: answers 401 to the Nth request of a connection, and lets nobody in on it any more",
    "quota-shells": "on WinRM: refuses every new shell, this user has too many",
    "quota-operations": "on WinRM: refuses every command, this user has too many operations",
    "operation-timeout=N": "on WinRM: says of each command N times that no output came within OperationTimeout",
    "small-envelope": "on WinRM: takes and sends no message of more than 32 KB",
    "expired-certificate": "on WinRM over HTTPS: presents a certificate that expired yesterday",
    "http-on-https": "on WinRM over HTTPS: speaks HTTP without TLS on its port",
    "proxy-in-the-way": "on WinRM: a proxy answers in its place, 407 with an HTML page",
}
"""The faults that only workstations reached over WinRM can have, with a sentence each."""

FAULTS: Mapping[str, str] = {
    "offline": "switched off: nothing listens on its port",
    "hang": "accepts connections and then says nothing",
    "slow=MS": "every file request and every program waits MS milliseconds",
    "drop-after=N": "loses each connection once its Nth request was carried out, before the answer",
    "drop-before=N": "loses each connection when its Nth request arrives, which is not carried out",
    "lost-answer=N": "once: carries out the Nth request of a connection, keeps its answer, and ends the connection a "
    "second later",
    "pause-at=N": "carries out no request of a connection from its Nth on, until mended; the journal says when",
    "die-after=N": "once: restarts after the Nth request of a connection was carried out: all connections end, files "
    "half written stay as they are, and a second later it answers again",
    "stale-run": "once: the next push is cut off when its files are written, so that its run.json stays",
    "planted-run": "somebody put a run.json there that is none of ours and names /etc/passwd",
    "clock=HOURS": "its clock is wrong by so many hours (+3h, -3h): what is written from now on has that time",
    "read-only": "refuses every write: permission denied",
    "disk-full": "files can be made and nothing written into them; no space is free",
    "edited": "somebody unticked « Sécurisé » (or, where it was off, cut /updates from the update address)",
    "port-80": "the leftover of the fiche of V70: both addresses lead to port 80",
    "refused": "the authentication server answers « Autorisation refusée » to this workstation",
    "licence": "the authentication server answers « Licence d'installation non reconnue » to this workstation",
    "assistance": "somebody turned the assistance mode on: scarabée rouge",
    "iea-open": "IEA is open on this workstation",
    "seal-fails": "the program that seals a password ends with exit code 1 and seals nothing",
    "seal-slow=MS": "the program that seals a password takes MS milliseconds",
    "new-host-key": "presents another host key (over WinRM another certificate), as after a reinstallation",
    "garbage": "the settings file holds bytes that nobody can read",
    "servers-down": "nothing listens on the port of the IEA servers; for « servers » in place of a workstation",
    **WINDOWS_FAULTS,
    **WINRM_FAULTS,
}
"""Every fault with a sentence. What follows ``=`` stands for a number, or for hours with their sign."""

SERVERS = "servers"
"""Stands where a workstation's name would, for the fault of the IEA servers."""

SERVICE_FAULTS: Mapping[str, str] = {
    "outage": "answers 503 and looks at no account",
    "down": "nothing listens behind the proxy, which answers 502",
    "slow=MS": "waits MS milliseconds before it looks at an account",
    "answer-lost": "judges the account, counts it, and ends the connection without an answer",
    "html": "answers 200 with an HTML page and looks at no account",
    "huge": "answers 200 with 10 MB and looks at no account",
    "filtered": "answers 407, as the portal's filter does, and looks at no account",
}
"""The faults of the Net-Entreprises service, with a sentence each."""

SERVICE = "net-entreprises"
"""Stands where a workstation's name would, for the faults of the Net-Entreprises service."""

_MOST = {
    **dict.fromkeys(("slow", "seal-slow", "slow-powershell"), 60_000),
    **dict.fromkeys(("drop-after", "drop-before", "lost-answer", "pause-at", "die-after"), 100_000),
    **dict.fromkeys(("unauthorized-at", "operation-timeout"), 100_000),
}
_OVER_WINRM = frozenset(kind.partition("=")[0] for kind in WINRM_FAULTS)
_ON_WINDOWS = frozenset(kind.partition("=")[0] for kind in WINDOWS_FAULTS)
_HOURS = re.compile(r"(?P<hours>[+-][1-9][0-9]{0,3})h", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in force; ``amount`` is milliseconds, hours or a number of requests, 0 where the kind has none."""

    kind: str
    amount: int = 0

    @property
    def on_windows(self) -> bool:
        """Whether only a Windows workstation can have it."""
        return self.kind in _ON_WINDOWS

    @property
    def over_winrm(self) -> bool:
        """Whether only a workstation reached over WinRM can have it."""
        return self.kind in _OVER_WINRM

    def __str__(self) -> str:
        if self.kind == "clock":
            return f"clock={self.amount:+}h"
        return f"{self.kind}={self.amount}" if self.amount else self.kind

    @classmethod
    def parse(cls, text: str, known: Mapping[str, str] = FAULTS) -> Fault:
        """Read what a person wrote, such as ``slow=200``. LabError names the ``known`` faults.

        >>> Fault.parse("slow=200")
        Fault(kind='slow', amount=200)
        """
        kind, equals, number = text.strip().partition("=")
        kinds = [name.partition("=")[0] for name in known]
        if kind in _MOST and kind in kinds:
            if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= _MOST[kind]:
                raise LabError(f"{text!r} lacks its number", f"write it like {kind}=5, from 1 to {_MOST[kind]}")
            return cls(kind, int(number))
        if kind == "clock" and kind in kinds:
            if not (written := _HOURS.fullmatch(number)):
                raise LabError(f"{text!r} lacks its hours", "write it like clock=+3h or clock=-3h")
            return cls(kind, int(written["hours"]))
        if kind not in known or equals:
            near = difflib.get_close_matches(kind, kinds, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise LabError(f"{text!r} is no fault here", f"{meant}known are {', '.join(known)}")
        return cls(kind)
