"""What was said to a Windows workstation and by it: taken down while it is said, and played again without one.

A ``Conversation`` is one session: each start of the agent as the lines that went in and out (the protocol is in
``transports/windows``), and each batch that went another way (SFTP, forwarding) as requests and answers. Played again,
the agent's lines pass through the real decoder. A player knows its conversation alone, in that order, and fails on
everything else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from iea_fleet.errors import BrokenError, TransportError
from iea_fleet.model.request import Answer, OpenUrl, Request
from iea_fleet.transports.base import Ended
from iea_fleet.transports.windows import frames
from iea_fleet.transports.windows.agent import Agent, AgentSession, Run

if TYPE_CHECKING:
    from httpcore import NetworkBackend

_RAW: Final = -zlib.MAX_WBITS
_OF_THE_MOMENT: Final = frozenset({"id", "temporary", "aside", "roots"})
"""Fields that are other ones each time, so that nothing is to be learned from them."""


class ReplayError(Exception):
    """Something is said that the conversation does not know: the record is of another version, or damaged."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the agent's protocol: its word, and fields of bytes by name."""

    word: str
    fields: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, line: bytes) -> Self:
        """A line as it travels. ValueError when it is none."""
        word, *fields = line.decode("ascii").split(" ")
        pairs = (each.partition("=") for each in fields)
        return cls(word, {name: base64.b64decode(value, validate=True) for name, _, value in pairs})

    def __bytes__(self) -> bytes:
        """The line as it travels."""
        fields = (f"{name}={base64.b64encode(value).decode()}" for name, value in self.fields.items())
        return " ".join((self.word, *fields)).encode("ascii") + b"\n"

    def lasting(self) -> Line:
        """The line without what is another thing each time."""
        return Line(self.word, {name: value for name, value in self.fields.items() if name not in _OF_THE_MOMENT})


@dataclass(frozen=True, slots=True)
class AgentCall:
    """One start of the agent.

    ``sent`` is empty where it was damaged on purpose, ``said`` where no whole frame came back; ``noise`` is the rest of
    standard output. ``error``: it did not come to an end.
    """

    sent: tuple[Line, ...]
    said: tuple[Line, ...] = ()
    exit_code: int = 0
    noise: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)
    error: TransportError | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class OtherCall:
    """One batch that did not go to the agent."""

    requests: tuple[Request, ...]
    answers: tuple[Answer, ...] = ()
    error: TransportError | None = None
    seconds: float = 0.0


Call = AgentCall | OtherCall


@dataclass(slots=True)
class Conversation:
    """All that was said in one session, in order."""

    calls: list[Call] = field(default_factory=list)


class Recorded:
    """A session of which everything is taken down. It takes the session over."""

    def __init__(self, session: AgentSession, conversation: Conversation) -> None:
        self._session = session
        self._calls = conversation.calls
        session.agent = session.agent.through(self._listen)

    @property
    def agent(self) -> Agent:
        """That of the session, listened to."""
        return self._session.agent

    @agent.setter
    def agent(self, agent: Agent) -> None:
        self._session.agent = agent

    @property
    def round_trips(self) -> int:
        """Those of the session."""
        return self._session.round_trips

    def carry_out(self, requests: Sequence[Request]) -> list[Answer]:
        """As the session does."""
        began, before = time.monotonic(), len(self._calls)
        lasting = tuple(map(_lasting, requests))
        answers: list[Answer] = []
        error: TransportError | None = None
        try:
            answers = self._session.carry_out(requests)
        except TransportError as broken:
            error = broken
        if not _all_of_it(self._calls[before:], requests):
            # It went another way, at least in part: then it is told as a whole.
            self._calls[before:] = [OtherCall(lasting, tuple(answers), error, time.monotonic() - began)]
        if error is not None:
            raise error
        return answers

    def way_out(self, seconds: float) -> NetworkBackend:
        """As the session does; what is said over it is not taken down."""
        return self._session.way_out(seconds)

    def _listen(self, run: Run) -> Run:
        def listened_to(command: str, stdin: bytes, seconds: float) -> Ended:
            began, sent = time.monotonic(), _lines_of(_batch_in(stdin))
            try:
                ended = run(command, stdin, seconds)
            except TransportError as error:
                self._calls.append(AgentCall(sent, error=error, seconds=time.monotonic() - began))
                raise
            said, noise = _heard(ended.stdout)
            took = time.monotonic() - began
            self._calls.append(AgentCall(sent, said, ended.exit_code, noise, ended.stderr, seconds=took))
            return ended

        return listened_to

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Replay:
    """A session without a workstation: it plays a conversation again. ReplayError for whatever was not said in it."""

    def __init__(self, conversation: Conversation, name: str, private_folder: str) -> None:
        self._rest: Iterator[Call] = iter(conversation.calls)
        self._next: Call | None = next(self._rest, None)
        self.agent = Agent(self._run, name, private_folder=private_folder, timeout=60)
        self.round_trips = 0

    @property
    def is_over(self) -> bool:
        """Whether all of it was played."""
        return self._next is None

    def carry_out(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers that were given."""
        if isinstance(self._next, AgentCall):
            return self.agent.ask(requests, read_only=False)
        call = self._taken()
        if not isinstance(call, OtherCall) or call.requests != tuple(map(_lasting, requests)):
            raise ReplayError(f"not asked in the record: {', '.join(map(_named, requests))}")
        self.round_trips += 1
        if call.error is not None:
            raise call.error
        return list(call.answers)

    def way_out(self, seconds: float) -> NetworkBackend:
        """None: nobody connects anywhere here."""
        raise BrokenError(f"a record makes no connection, not for {seconds:g} s either", code="no_way_out")

    def _run(self, _command: str, stdin: bytes, _seconds: float) -> Ended:
        call = self._taken()
        batch = _lines_of(_batch_in(stdin))
        if not isinstance(call, AgentCall) or _lasting_of(batch) != _lasting_of(call.sent):
            said = ", ".join(line.word for line in batch) or "something damaged"
            raise ReplayError(f"not said to the agent in the record: {said}")
        self.round_trips += 1
        if call.error is not None:
            raise call.error
        identity = batch[0].fields["id"] if batch else b""
        return Ended(call.exit_code, _frame(call.said, identity) + call.noise, call.stderr)

    def _taken(self) -> Call | None:
        taken, self._next = self._next, next(self._rest, None)
        return taken

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lasting(request: Request) -> Request:
    """A request without the place of a file on this controller."""
    return OpenUrl(request.url, request.timeout) if isinstance(request, OpenUrl) else request


def _all_of_it(calls: Sequence[Call], requests: Sequence[Request]) -> bool:
    """Whether these requests, and nothing else, went to the agent in one call."""
    return len(calls) == 1 and isinstance(calls[0], AgentCall) and len(calls[0].sent) == 1 + len(requests)


def _named(request: Request) -> str:
    return type(request).__name__


def _batch_in(stdin: bytes) -> bytes:
    """The batch in what goes to standard input; empty when it is damaged."""
    try:
        head, *lines = stdin.decode("ascii").split("\n")
        deflated = base64.b64decode("".join(lines), validate=True)
        if head.split(" ")[1] != hashlib.sha256(deflated).hexdigest():
            return b""
        return zlib.decompress(deflated, _RAW).partition(b"\0")[2]
    except (ValueError, IndexError, zlib.error, binascii.Error):
        return b""


def _lines_of(text: bytes) -> tuple[Line, ...]:
    return tuple(Line.read(line) for line in text.splitlines())


def _heard(stdout: bytes) -> tuple[tuple[Line, ...], bytes]:
    """The lines of the frame, and what else was printed; everything, where there is no whole frame."""
    try:
        lines = _lines_of(frames.read_answer(stdout))
    except (frames.NoFrameError, frames.TornError, ValueError):
        return (), stdout
    return lines, b"".join(each for each in stdout.splitlines(keepends=True) if b"IEA1 " not in each)


def _lasting_of(lines: Sequence[Line]) -> list[Line]:
    return [line.lasting() for line in lines]


def _frame(said: Sequence[Line], identity: bytes) -> bytes:
    """The line on standard output that holds these answers, as those of the batch with this identity."""
    if not said:
        return b""
    first, *rest = said
    lines = (Line(first.word, {**first.fields, "id": identity}), *rest)
    deflating = zlib.compressobj(wbits=_RAW)
    deflated = deflating.compress(b"".join(map(bytes, lines))) + deflating.flush()
    return b"IEA1 %s %s\r\n" % (hashlib.sha256(deflated).hexdigest().encode(), base64.b64encode(deflated))
