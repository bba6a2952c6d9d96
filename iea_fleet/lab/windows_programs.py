"""The programs that the agent can start on a lab workstation: those of its layout, and ``hostname.exe``."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Sequence
from typing import Final

from iea_fleet.errors import LabError
from iea_fleet.lab.agent_frames import Line, answer, failed
from iea_fleet.lab.maintenance import Outside, relaunch, seal
from iea_fleet.lab.windows_paths import same_name
from iea_fleet.lab.workstation import Workstation

HOSTNAME: Final = "C:/Windows/System32/hostname.exe"
_Ran = tuple[int, str, str]
_journal = logging.getLogger("iea_fleet.lab")


class Programs:
    """What can be run on one workstation; one relaunch at a time."""

    def __init__(self, workstation: Workstation, outside: Outside) -> None:
        self._workstation = workstation
        self._outside = outside
        self._relaunching = asyncio.Lock()

    async def run_action(self, request: Line) -> Line:
        """``ran``, or ``failed`` with ``action_not_found`` or ``action_timeout`` (the real one may go on then)."""
        program, stdin = request.text("program"), request.fields["stdin"]
        try:
            async with asyncio.timeout(request.number("timeout")):
                ran = await self._run(program, request.text("arguments"), stdin)
        except TimeoutError:
            return failed("action_timeout", program)
        if ran is None:
            return failed("action_not_found", program)
        code, out, err = ran
        return answer("ran", exit_code=code, stdout=out, stderr=err)

    async def _run(self, program: str, arguments: str, stdin: bytes) -> _Ran | None:
        if _same_program(program, HOSTNAME):
            return 0, f"{self._workstation.name}\r\n", ""
        actions = self._workstation.layout.actions
        known = {name: action.run for name, action in actions.items() if _same_program(program, action.run[0])}
        if not known:
            self._note(f"no such program: {program!r}")
            return None
        match next((name for name, run in known.items() if _arguments(run) == arguments), ""):
            case "relaunch_authentication":
                return await self._relaunch(program)
            case "seal":
                return await self._seal(program, stdin)
        return 2, "", "usage: " + " | ".join(subprocess.list2cmdline(run) for run in known.values()) + "\r\n"

    async def _relaunch(self, program: str) -> _Ran:
        try:
            async with self._relaunching:
                state = await relaunch(self._workstation, self._outside)
        except OSError as error:
            self._note(f"authentication relaunched, and the state cannot be written: {error}")
            return 1, "", f"{program}: {error}\r\n"
        self._note(f"authentication relaunched: {state}")
        return 0, f"{state}\r\n", ""

    async def _seal(self, program: str, stdin: bytes) -> _Ran:
        async def given() -> bytes:
            return stdin

        try:
            sealed = await seal(self._workstation, given)
        except LabError as error:
            self._note(f"nothing sealed: {error.sentence}")
            return 1, "", f"{program}: {error.sentence}\r\n"
        self._note("a value was sealed")
        return 0, f"{sealed}\r\n", ""

    def _note(self, event: str) -> None:
        _journal.info("%s: %s", self._workstation.name, event)


def _arguments(run: Sequence[str]) -> str:
    """The words after the program as Windows programs find them: one string, by the rules of the C runtime."""
    return subprocess.list2cmdline(run[1:])


def _same_program(one: str, other: str) -> bool:
    return same_name(one.replace("\\", "/"), other.replace("\\", "/"))
