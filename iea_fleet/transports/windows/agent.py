"""The agent as a session sees it: batches in, answers out, and what can be wrong with it as a whole."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from iea_fleet.errors import BrokenError, NotBegunError
from iea_fleet.model.request import Answer, Failed, OpenUrl, Request, RunAction, Writing
from iea_fleet.transports.base import Ended, Session, refuse_changes
from iea_fleet.transports.url import trusted_roots
from iea_fleet.transports.windows import answers, frames
from iea_fleet.transports.windows.requests import head, line, unsafe

Run = Callable[[str, bytes, float], Ended]
"""Runs a command line with standard input, for so many seconds at most. TransportError when it cannot, or too long."""

_MUTEX_SECONDS: Final = 10
_CRASHES: Final = range(0xC0000000, 0xF0000000)
"""NTSTATUS errors ([MS-ERREF] 2.3), and above them the exceptions of .NET (0xE0434352) and C++."""

_BY_EXIT_CODE: Final = {
    90: "agent_torn",
    91: "constrained_language",
    9009: "powershell_missing",  # cmd.exe
    1260: "powershell_blocked",  # ERROR_ACCESS_DISABLED_BY_POLICY ([MS-ERREF] 2.2)
    -1: "agent_crashed",
}

# Windows speaks its user's language in its console's code page and breaks lines anywhere, so these are looked for in
# what is left without blanks: identifiers that nobody translates, else the words of English and French.
_BY_WORDS: Final[Mapping[str, re.Pattern[str]]] = {
    "antivirus_blocked": re.compile("ScriptContainedMaliciousContent"),
    "agent_torn": re.compile("IEA1-90"),
    "constrained_language": re.compile("IEA1-91|InConstrainedLanguage"),
    "execution_policy": re.compile("PSSecurityException|about_Execution_Policies|LinkI[dD]=135170"),
    "powershell_missing": re.compile("powershell(.exe)?.{1,6}(isnotrecognized|n.{1,3}estpasreconnu)", re.IGNORECASE),
    "powershell_blocked": re.compile("grouppolicy|strat.{1,2}giedegroupe", re.IGNORECASE),
}
_BLANKS: Final = re.compile(r"\s|_x000D__x000A_|</?S\b[^<>]*>")
"""Among them line breaks and lines in CLIXML, which PowerShell writes to where it knows of no console."""

_MOST_WORDS: Final = 1024 * 1024
"""How many bytes of each stream are looked through for words."""

_MEANINGS: Final = {
    "agent_torn": (
        "what was sent to PowerShell on {name} did not arrive whole",
        "run it again; if it stays so, update its OpenSSH or WinRM server",
    ),
    "constrained_language": (
        "PowerShell on {name} runs in constrained language mode (AppLocker or WDAC), where the agent cannot work",
        "have the user of the connection exempted from that policy",
    ),
    "execution_policy": (
        "the execution policy on {name} forbids PowerShell to run the agent",
        "allow scripts for the user of the connection in the group policy « Turn on Script Execution »",
    ),
    "antivirus_blocked": (
        "the antivirus on {name} takes the agent for harmful and has blocked it",
        "have it exempted in the console of the antivirus; its text is agent.ps1 of this version of iea-fleet",
    ),
    "powershell_missing": (
        "{name} does not find powershell.exe",
        "look whether Windows PowerShell 5.1 is there and in the PATH of the system",
    ),
    "powershell_blocked": (
        "a group policy on {name} forbids to start powershell.exe",
        "allow it for the user of the connection",
    ),
    "agent_crashed": (
        "PowerShell on {name} crashed ({ended})",
        "look into its event log; an antivirus that ends it is a usual cause",
    ),
    "agent_failed": (
        "PowerShell on {name} ended before the agent could answer ({ended})",
        "log in there as the user of the connection, start powershell.exe and see what it says",
    ),
    "agent_silent": (
        "PowerShell on {name} ended without an answer of the agent ({ended})",
        "look whether something there replaces powershell.exe or takes its output away",
    ),
    "answer_torn": (
        "the answer of the agent on {name} did not arrive whole ({ended})",
        "run it again; if it stays so, look what prints into every session there",
    ),
    "agent_answers_nonsense": (
        "what answers on {name} is not the agent of this version of iea-fleet",
        "look whether something there replaces powershell.exe",
    ),
    "protocol_error": (
        "the agent on {name} gives an answer that makes no sense",
        "report it: this is a fault of iea-fleet, or something there changes what is sent",
    ),
}

_NOT_BEGUN: Final = frozenset(_BY_WORDS)
"""What keeps the script from beginning."""

AGENT_FAULTS: Final = frozenset(_MEANINGS) - {"protocol_error"}
"""The codes of what goes wrong with PowerShell or the agent alone: the session can be of use after it."""


class Agent:
    """Carries out batches on one workstation by starting PowerShell once for each.

    ``timeout``: the seconds that a start and the work on files may take; what requests wait for comes on top. What is
    set aside for a moment goes into ``private_folder``. ``about`` is what the agent said of itself last.
    """

    def __init__(self, run: Run, name: str, *, private_folder: str, timeout: float) -> None:
        self._run = run
        self._name = name
        self._private_folder = private_folder
        self._timeout = timeout
        self.round_trips = 0
        self.about: answers.About | None = None

    def carry_out(self, batch: Sequence[Request], *, read_only: bool) -> list[Answer]:
        """One answer for each request, in order. PermissionError for a change in a session that only reads.

        TransportError is one of ``run``; or BrokenError with one of the codes ``agent_torn``, ``constrained_language``,
        ``execution_policy``, ``antivirus_blocked``, ``powershell_missing``, ``powershell_blocked``, ``agent_crashed``,
        ``agent_failed``, ``agent_silent``, ``answer_torn``, ``agent_answers_nonsense``, ``protocol_error``; the first
        six are a NotBegunError. None of them shows what was printed, which may hold secrets.
        """
        if read_only:
            refuse_changes(batch)
        return self.ask(batch, read_only=read_only)

    def ask(self, batch: Sequence[Request], *, read_only: bool, patient: bool = False) -> list[Answer]:
        """The same without a look at the batch: with ``read_only`` the agent itself refuses to write.

        ``patient``: it may take as long as a batch that writes.
        """
        lines = [self._line(request) for request in batch]
        asked = [request for request, each in zip(batch, lines, strict=True) if isinstance(each, bytes)]
        if not asked:
            return [each for each in lines if isinstance(each, Failed)]
        identity = secrets.token_hex(8)
        sent = b"".join([head(identity, read_only=read_only), *(each for each in lines if isinstance(each, bytes))])
        self.round_trips += 1
        ended = self._run(frames.command_line(), frames.standard_input(sent), self._seconds(asked, patient))
        got = iter(self._understood(asked, identity, ended))
        return [each if isinstance(each, Failed) else next(got) for each in lines]

    def through(self, change: Callable[[Run], Run]) -> Agent:
        """The same agent, spoken to in another way: for whoever takes down, plays again or damages what is said."""
        return Agent(change(self._run), self._name, private_folder=self._private_folder, timeout=self._timeout)

    def _line(self, request: Request) -> bytes | Failed:
        """A request as it is sent; Failed for one that is not."""
        if isinstance(request, RunAction) and (refused := unsafe(request)):
            return refused
        roots = trusted_roots(request.ca_file) if isinstance(request, OpenUrl) and request.ca_file else ()
        return roots if isinstance(roots, Failed) else line(request, self._private_folder, roots)

    def _seconds(self, batch: Sequence[Request], patient: bool) -> float:
        waits = sum(each.timeout for each in batch if isinstance(each, RunAction | OpenUrl))
        patient = patient or any(isinstance(each, Writing) for each in batch)
        return self._timeout + waits + (_MUTEX_SECONDS if patient else 0)

    def _understood(self, batch: Sequence[Request], identity: str, ended: Ended) -> list[Answer]:
        try:
            first, *lines = frames.read_answer(ended.stdout).removesuffix(b"\n").split(b"\n")
            about = answers.about(first)
        except frames.NoFrameError as error:
            raise self._broken(_why_no_answer(ended), ended) from error
        except frames.TornError as error:
            raise self._broken("answer_torn", ended) from error
        except answers.NonsenseError as error:
            raise self._broken("agent_answers_nonsense", ended) from error
        if about.identity != identity or len(lines) != len(batch):
            raise self._broken("agent_answers_nonsense", ended)
        self.about = about
        try:
            return [answers.answer(request, each) for request, each in zip(batch, lines, strict=True)]
        except answers.NonsenseError as error:
            raise self._broken("protocol_error", ended) from error

    def _broken(self, code: str, ended: Ended) -> BrokenError:
        sentence, hint = _MEANINGS[code]
        code_there = f"0x{ended.exit_code:08X}" if ended.exit_code >= _CRASHES.start else ended.exit_code
        said = f"exit code {code_there}, {len(ended.stdout)} bytes of output, {len(ended.stderr)} of errors"
        kind = NotBegunError if code in _NOT_BEGUN else BrokenError
        return kind(sentence.format(name=self._name, ended=said), hint, code=code)


class AgentSession(Session, Protocol):
    """A session on a Windows workstation, with the agent that it sends its batches to."""

    agent: Agent


def _why_no_answer(ended: Ended) -> str:
    if ended.exit_code in _BY_EXIT_CODE:
        return _BY_EXIT_CODE[ended.exit_code]
    if ended.exit_code in _CRASHES:
        return "agent_crashed"
    words = _BLANKS.sub("", (ended.stderr[:_MOST_WORDS] + ended.stdout[:_MOST_WORDS]).decode("ascii", "replace"))
    found = next((code for code, pattern in _BY_WORDS.items() if pattern.search(words)), None)
    return found or ("agent_silent" if ended.exit_code == 0 else "agent_failed")
