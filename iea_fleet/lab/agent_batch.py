"""One batch of requests in the stand-in for the agent: in order, replacements in groups, each primitive a step."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final, Protocol, TypeVar

from iea_fleet.lab.agent_frames import Line, RefusedError, answer, failed
from iea_fleet.lab.maintenance import Outside
from iea_fleet.lab.windows_files import FileReplacement, WindowsFiles, why
from iea_fleet.lab.windows_paths import same_name
from iea_fleet.lab.windows_programs import Programs
from iea_fleet.lab.windows_registry import KeyReplacement, Registry, remove_key
from iea_fleet.lab.windows_urls import open_url
from iea_fleet.lab.workstation import Workstation
from iea_fleet.model.request import ABSENT

_GROUPED: Final = ("replace_file", "replace_key")
_WRITING: Final = (*_GROUPED, "remove_file", "make_folder", "remove_key")
_TRIES: Final = 4
_PAUSE: Final = 0.25
_Step = Callable[[], None]
_Result = TypeVar("_Result")
_NOT_TRIED: Final = answer("not_tried")
_journal = logging.getLogger("iea_fleet.lab")


class _Replacement(Protocol):
    """What becomes new, a file or a key. Each step raises RefusedError or OSError when it cannot be done."""

    path: str

    def prepare(self) -> Sequence[_Step]:
        """What comes before any replacement of its group is made."""
        ...

    def make(self) -> Iterator[_Step]:
        """The replacement itself, one step after the other."""
        ...

    def withdraw(self) -> Sequence[_Step]:
        """What takes away the traces of one that was not made."""
        ...

    def done(self) -> Line:
        """The answer when all went well."""
        ...


class Mutex:
    """The machine-wide mutex of one workstation; ``patience`` is in seconds."""

    def __init__(self, patience: float = 10) -> None:
        self.patience = patience
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def waited_for(self) -> AsyncIterator[bool]:
        """Whether it was had in time. A process that dies leaves it to the next."""
        try:
            async with asyncio.timeout(self.patience):
                await self._lock.acquire()
        except TimeoutError:
            yield False
            return
        try:
            yield True
        finally:
            self._lock.release()


class Batch:
    """The requests of one process. ``step`` is one counted request of its connection."""

    def __init__(
        self,
        workstation: Workstation,
        outside: Outside,
        programs: Programs,
        mutex: Mutex,
        step: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._workstation = workstation
        self._outside = outside
        self._programs = programs
        self._mutex = mutex
        self._step = step
        self._files = WindowsFiles(workstation)
        self._registry = Registry(self._files)
        self._reads: dict[str, Callable[[Line], Line]] = {
            "read_file": self._files.read_file,
            "list_folder": self._files.list_folder,
            "stat": self._files.stat,
            "measure_room": self._files.measure_room,
            "read_key": self._registry.read_key,
        }

    async def carry_out(self, requests: Sequence[Line], *, writing: bool) -> list[Line]:
        """One answer for each request. ``writing``: the batch may change the workstation."""
        answers: list[Line] = []
        stopped = False
        for group in _groups(requests):
            word = group[0].word
            if stopped and _changes(group[0]):
                got = [_NOT_TRIED] * len(group)
            elif _changes(group[0]) and not writing:
                got = [failed("read_only"), *[_NOT_TRIED] * (len(group) - 1)]
            else:
                got = await self._understood(group)
            stopped = stopped or (word in _WRITING and any(each.word != "done" for each in got))
            answers += got
        return answers

    async def _understood(self, group: Sequence[Line]) -> list[Line]:
        try:
            return await self._carry_out_group(group)
        except (KeyError, ValueError) as error:
            return [failed("error", f"a field is missing or makes no sense: {error}"), *[_NOT_TRIED] * (len(group) - 1)]

    async def _carry_out_group(self, group: Sequence[Line]) -> list[Line]:
        first = group[0]
        if first.word in _WRITING:
            return await self._write(group)
        if first.word in self._reads:
            return [await self._primitive(partial(self._reads[first.word], first))]
        if first.word == "run_action":
            return [await self._awaited(self._programs.run_action(first))]
        if first.word == "open_url":
            return [await self._awaited(open_url(first, self._outside))]
        return [failed("unknown_request", first.word)]

    async def _write(self, group: Sequence[Line]) -> list[Line]:
        first = group[0]
        async with self._mutex.waited_for() as mine:
            if not mine:
                return [failed("agent_busy"), *[_NOT_TRIED] * (len(group) - 1)]
            if first.word in _GROUPED:
                return await self._replace([self._replacement(each) for each in group])
            if first.word == "remove_file":
                return [await self._remove_file(first)]
            if first.word == "remove_key":
                return [await self._primitive(partial(remove_key, self._registry, first))]
            return [await self._primitive(partial(self._make_folder, first))]

    def _replacement(self, request: Line) -> _Replacement:
        if request.word == "replace_key":
            return KeyReplacement(self._registry, request)
        return FileReplacement(self._files, request)

    async def _replace(self, group: Sequence[_Replacement]) -> list[Line]:
        """All of them, or none when one cannot be prepared; those after one that fails later are not made."""
        for at, each in enumerate(group):
            for step in each.prepare():
                if refusal := await self._primitive(step):
                    return await self._withdraw(group, at, refusal)
        answers: list[Line] = []
        for at, each in enumerate(group):
            for step in each.make():
                if refusal := await self._patiently(step):
                    return answers + (await self._withdraw(group[at:], 0, refusal))
            _note(self._workstation, f"replace {each.path!r}")
            answers.append(each.done())
        return answers

    async def _patiently(self, step: _Step) -> Line | None:
        """Take a step again for a second, where somebody, most often an antivirus, holds the file for a moment."""
        for _ in range(_TRIES):
            refusal = await self._primitive(step)
            if refusal is None or refusal.fields.get("code") != b"busy":
                return refusal
            await asyncio.sleep(_PAUSE)
        return await self._primitive(step)

    async def _withdraw(self, group: Sequence[_Replacement], at: int, refusal: Line) -> list[Line]:
        for each in group:
            for step in each.withdraw():
                await self._primitive(step)
        return [refusal if place == at else _NOT_TRIED for place in range(len(group))]

    async def _remove_file(self, request: Line) -> Line:
        path, expected = request.text("path"), request.text("expected")
        if refusal := await self._primitive(partial(self._files.look, path, expected)):
            return refusal
        if expected != ABSENT:
            if refusal := await self._patiently(partial(self._files.remove, path, expected)):
                return refusal
            _note(self._workstation, f"remove {path!r}")
        return answer("done", digest=ABSENT)

    def _make_folder(self, request: Line) -> Line:
        made = self._files.make_folder(request)
        if made.word == "done":
            _note(self._workstation, f"mkdir {request.text('path')!r}")
        return made

    async def _primitive(self, call: Callable[[], _Result]) -> _Result | Line:
        """Take a step: its result, or what it was refused with. What the step raises is the death of this process."""
        async with self._step():
            try:
                return call()
            except RefusedError as refused:
                return refused.answer
            except OSError as error:
                return why(error)

    async def _awaited(self, call: Awaitable[Line]) -> Line:
        async with self._step():
            return await call


def _changes(request: Line) -> bool:
    return request.word in _WRITING or (request.word == "run_action" and not request.is_set("reads"))


def _groups(requests: Sequence[Line]) -> Iterator[list[Line]]:
    """Consecutive replacements of different paths; everything else by itself."""
    group: list[Line] = []
    for request in requests:
        if group and not (request.word in _GROUPED and group[-1].word in _GROUPED and not _is_among(request, group)):
            yield group
            group = []
        group.append(request)
    if group:
        yield group


def _is_among(request: Line, group: Sequence[Line]) -> bool:
    return any(same_name(request.text("path"), each.text("path")) for each in group)


def _note(workstation: Workstation, event: str) -> None:
    _journal.info("%s: agent: %s", workstation.name, event)
