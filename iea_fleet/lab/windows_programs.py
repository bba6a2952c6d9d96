"""The programs that the agent can start on a lab workstation: those of its layout, and two of Windows."""

from __future__ import annotations

import asyncio
import re
import subprocess
from typing import Final

from iea_fleet.lab.agent_frames import Line, answer, failed
from iea_fleet.lab.maintenance import Maintenance, Outside
from iea_fleet.lab.windows_paths import same_name
from iea_fleet.lab.workstation import Workstation

HOSTNAME: Final = "C:/Windows/System32/hostname.exe"
FINDSTR: Final = "C:/Windows/System32/findstr.exe"
_WHOLE_LINE: Final = re.compile(r'/x (?:"/c:(?P<quoted>[^"]+)"|/c:(?P<bare>[^ "]+))')


class Programs:
    """What can be run on one workstation."""

    def __init__(self, workstation: Workstation, outside: Outside) -> None:
        self._workstation = workstation
        self._maintenance = Maintenance(workstation, outside)

    async def run_action(self, request: Line) -> Line:
        """``ran``, or ``failed`` with ``action_not_found`` or ``action_timeout`` (the real one may go on then)."""
        program = request.text("program")
        try:
            async with asyncio.timeout(request.number("timeout")):
                ran = await self._run(program, request.text("arguments"), request.fields["stdin"])
        except TimeoutError:
            return failed("action_timeout", program)
        if ran is None:
            self._maintenance.note(f"no such program: {program!r}")
            return failed("action_not_found", program)
        code, *texts = ran
        out, err = (text.replace("\n", "\r\n") for text in texts)
        return answer("ran", exit_code=code, stdout=out, stderr=err)

    async def _run(self, program: str, arguments: str, stdin: bytes) -> tuple[int, str, str] | None:
        async def given() -> bytes:
            return stdin

        if _same_program(program, HOSTNAME):
            return 0, f"{self._workstation.name}\n", ""
        if _same_program(program, FINDSTR):
            return _findstr(arguments, stdin.decode("utf-8", "replace"))
        actions = self._workstation.layout.actions.items()
        known = {name: action.run for name, action in actions if _same_program(program, action.run[0])}
        if not known:
            return None
        action = next((name for name, run in known.items() if subprocess.list2cmdline(run[1:]) == arguments), None)
        if action is None:
            return 2, "", "usage: " + " | ".join(subprocess.list2cmdline(run) for run in known.values()) + "\n"
        return await self._maintenance.run(action, program, given)


def _findstr(arguments: str, text: str) -> tuple[int, str, str]:
    """Whole lines that are the one that is looked for (``/x /c:…``); 1 where there is none."""
    if (asked := _WHOLE_LINE.fullmatch(arguments)) is None:
        return 2, "", "FINDSTR: Bad command line\n"
    found = [line for line in text.splitlines() if line == (asked["quoted"] or asked["bare"])]
    return (0 if found else 1), "".join(f"{line}\n" for line in found), ""


def _same_program(one: str, other: str) -> bool:
    return same_name(one.replace("\\", "/"), other.replace("\\", "/"))
