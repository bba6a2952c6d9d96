"""Reading a workstation: everything a command needs to know, in one batch."""

from __future__ import annotations

import datetime as dt
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from iea_fleet.core import planner
from iea_fleet.core.planner import Reading
from iea_fleet.engine import clock
from iea_fleet.model.playbook import ProbeName
from iea_fleet.model.request import Answer, FileContent, ReadFile, Request, Stat, is_registry_key
from iea_fleet.model.target import Target
from iea_fleet.probes import state, version
from iea_fleet.resources import Knowledge
from iea_fleet.transports.base import Session


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a workstation answered, and what its resources are by that."""

    answers: Mapping[Request, Answer] = field(repr=False)
    reading: Reading
    at: dt.datetime

    @property
    def knowledge(self) -> Knowledge:
        """What was known before the workstation was asked."""
        return self.reading.knowledge

    def answer(self, request: Request | None) -> Answer | None:
        """The answer to a request of this batch; None when it was not asked."""
        return self.answers.get(request) if request else None

    def file(self, requests: Iterable[ReadFile]) -> Answer | None:
        """The answer to a probe's only read; None when the layout gives it none."""
        return next((self.answers.get(request) for request in requests), None)

    def content(self, path: str) -> bytes | None:
        """The bytes that were read from a path; None when there were none."""
        answer = self.answers.get(ReadFile(path))
        return answer.content if isinstance(answer, FileContent) else None


def gather(
    session: Session,
    target: Target,
    probes: Sequence[ProbeName],
    knowledge: Knowledge,
    also: Sequence[Request] = (),
    *,
    for_writing: bool = False,
) -> Gathered:
    """Read the settings, what the probes want and what is ``also`` asked, in one batch.

    ``for_writing``: also what the preconditions want. Another batch follows where an answer says what else to read.
    """
    requests: dict[Request, None] = dict.fromkeys((*planner.reads(target, {}), *also))
    if "state" in probes or for_writing:
        requests.update(dict.fromkeys(state.reads(target)))
    if "version" in probes or for_writing:
        requests.update(dict.fromkeys(version.reads(target)))
    if for_writing:
        paths = [target.files[name] for name in ("lock_file", "state_file", "private") if name in target.files]
        paths = [path for path in paths if not is_registry_key(path)]
        requests.update(dict.fromkeys(map(Stat, (*paths, posixpath.dirname(target.files["private"])))))
    answers: dict[Request, Answer] = {}
    while new := [request for request in requests if request not in answers]:
        answers.update(zip(new, session.carry_out(new), strict=True))
        requests.update(dict.fromkeys(planner.reads(target, answers)))
    at = clock.now()
    return Gathered(answers, planner.observe(target, answers.__getitem__, knowledge, at), at)
