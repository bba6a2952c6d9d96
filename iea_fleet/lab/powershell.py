"""A stand-in for powershell.exe that plays the shipped agent on the workstations of the lab, and nothing else.

No PowerShell runs here. It takes the shipped bootstrap and the shipped script by their bytes, refuses every other
text, and does in Python what the script is written to do. So it proves the controller's side alone (frames, retries,
races, what a death leaves behind); it says nothing of whether the script itself runs on Windows.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from iea_fleet.lab.agent_batch import Batch, Mutex
from iea_fleet.lab.agent_frames import TornError, answer, pack, unpack
from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.windows_programs import Programs
from iea_fleet.lab.workstation import Workstation

Step = Callable[[], AbstractAsyncContextManager[None]]
"""One counted request of a connection; when it raises, the process was killed there."""

Shell = Literal["cmd", "powershell"]
"""What the command line is handed to first: cmd.exe, or PowerShell where it is the DefaultShell of OpenSSH."""

TORN: Final = 90
CONSTRAINED: Final = 91
_LONGEST_OF_CMD: Final = 8191
_OPTIONS: Final = "-NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand"
_ABOUT: Final = {"powershell": "5.1.17763.316", "language": "FullLanguage", "windows": "10.0.17763.0, stand-in"}
_journal = logging.getLogger("iea_fleet.lab")

_UNKNOWN: Final = {
    "cmd": "'{word}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
    "powershell": "{word} : The term '{word}' is not recognized as the name of a cmdlet, function, script file, or "
    "operable program.\r\n    + CategoryInfo          : ObjectNotFound: ({word}:String) [], "
    "CommandNotFoundException\r\n    + FullyQualifiedErrorId : CommandNotFoundException\r\n",
}
_STAND_IN: Final = "this stand-in of the lab for powershell.exe plays the shipped agent alone: {what} is another\r\n"

_BLOCKED: Final = "This program is blocked by group policy. For more information, contact your system administrator."
_BLOCKED_WORDS: Final = {
    "cmd": f"{_BLOCKED}\r\n",
    "powershell": f"Program 'powershell.exe' failed to run: {_BLOCKED}At line:1 char:1\r\n",
}
_NOT_STARTED: Final = {
    "execution-policy": "File C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\Modules\\Microsoft.PowerShell.Utility\\"
    "Microsoft.PowerShell.Utility.psm1 cannot be loaded because running scripts is disabled on this system. For more "
    "information, see about_Execution_Policies at https:/go.microsoft.com/fwlink/?LinkID=135170.\r\n"
    "    + CategoryInfo          : SecurityError: (:) [], PSSecurityException\r\n"
    "    + FullyQualifiedErrorId : UnauthorizedAccess\r\n",
    "script-blocked": "At line:1 char:1\r\n+ $ErrorActionPreference = 'Stop'\r\n"
    "This script contains malicious content and has been blocked by your antivirus software.\r\n"
    "    + CategoryInfo          : ParserError: (:) [], ParentContainsErrorRecordException\r\n"
    "    + FullyQualifiedErrorId : ScriptContainedMaliciousContent\r\n",
}
_NOISE: Final = (
    b"Active code page: 850\r\nIEA1 this is no frame\r\n",
    b"Bonjour, poste g\x82r\x82 par la f\x82d\x82ration.\r\n",
)
_CLIXML: Final = (
    b'#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
    b'<Obj S="progress" RefId="0"><TN RefId="0"><T>System.Management.Automation.PSCustomObject</T></TN><MS>'
    b'<I64 N="SourceId">1</I64><PR N="Record"><AV>Preparing modules for first use.</AV></PR></MS></Obj></Objs>'
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that came to its end. ``exit_code`` has 32 bits without a sign, as Windows counts."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class PowerShell:
    """powershell.exe of one workstation: processes of it share the machine-wide mutex."""

    def __init__(self, workstation: Workstation, outside: Outside) -> None:
        self._workstation = workstation
        self._outside = outside
        self._programs = Programs(workstation, outside)
        self.mutex = Mutex()

    async def run(self, command_line: str, stdin: bytes, step: Step, shell: Shell = "cmd") -> Ended:
        """Run a command line as a shell of Windows would, with all that comes on its standard input.

        The start of the process is a step, and so is each primitive step of the batch. What ``step`` raises ends the
        process where it is, and its files stay as they are then.
        """
        if (refused := self.refusal(command_line, shell)) is not None:
            return refused
        async with step():
            if (ended := await self._start(shell)) is not None:
                return ended
        return await self._play(stdin, step)

    def refusal(self, command_line: str, shell: Shell = "cmd") -> Ended | None:
        """How every command line but the shipped one ends, whatever is on its standard input."""
        if shell == "cmd" and len(command_line) > _LONGEST_OF_CMD:
            return Ended(1, b"", b"The command line is too long.\r\n")
        if (word := command_line.partition(" ")[0]) not in ("powershell.exe", "powershell"):
            self._note(f"no such program: {word!r}")
            return Ended(1, b"", _UNKNOWN[shell].format(word=word).encode("utf-8", "replace"))
        return None if command_line == shipped_command_line() else self._refused("this command line")

    async def _start(self, shell: Shell) -> Ended | None:
        """What becomes of the process before it runs the script; None when it runs."""
        faults = self._workstation.faults
        if "powershell-blocked" in faults:
            return Ended(1, b"", _BLOCKED_WORDS[shell].encode())
        if slow := faults.get("slow-powershell"):
            await asyncio.sleep(slow.amount / 1000)
        words = next((words for fault, words in _NOT_STARTED.items() if fault in faults), None)
        if words is not None:
            return Ended(1, b"", words.encode())
        return Ended(CONSTRAINED, b"IEA1-91\r\n", b"") if "constrained" in faults else None

    async def _play(self, stdin: bytes, step: Step) -> Ended:
        if "torn-stdin" in self._workstation.faults:
            stdin = stdin[: len(stdin) * 2 // 3]
        try:
            script, (head, *requests) = unpack(stdin)
        except TornError as error:
            self._note(f"the agent was sent a torn batch: {error}")
            return Ended(TORN, b"IEA1-90\r\n", b"")
        if script != shipped_script():
            return self._refused("this script")
        batch = Batch(self._workstation, self._outside, self._programs, self.mutex, step)
        answers = await batch.carry_out(requests, writing=head.text("mode") == "writing")
        out = pack([answer("agent", version=1, id=head.text("id"), **_ABOUT), *answers])
        if "noise" in self._workstation.faults:
            return Ended(0, out.join(_NOISE), _CLIXML)
        return Ended(0, out, b"")

    def _refused(self, what: str) -> Ended:
        self._note(f"powershell.exe was asked for something else than the agent: {what} is another")
        return Ended(1, b"", _STAND_IN.format(what=what).encode())

    def _note(self, event: str) -> None:
        _journal.info("%s: %s", self._workstation.name, event)


@cache
def shipped_command_line() -> str:
    """The one command line that is played."""
    bootstrap = files("iea_fleet").joinpath("transports/windows/bootstrap.ps1").read_text(encoding="ascii")
    return f"powershell.exe {_OPTIONS} {base64.b64encode(bootstrap.encode('utf-16-le')).decode('ascii')}"


@cache
def shipped_script() -> bytes:
    """The one script that is played."""
    return files("iea_fleet").joinpath("transports/windows/agent.ps1").read_bytes()
