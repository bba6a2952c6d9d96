"""Probes on a workstation: requests where the files do not tell, and one cell for each question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from iea_fleet.core.planner import Reading
from iea_fleet.engine import clock
from iea_fleet.engine.gather import Gathered
from iea_fleet.model.layout import Scalar
from iea_fleet.model.matrix import Cell, Status
from iea_fleet.model.playbook import ProbeName
from iea_fleet.model.request import Answer, OpenUrl
from iea_fleet.model.target import Target
from iea_fleet.probes import servers, state, version
from iea_fleet.resources import server_connection
from iea_fleet.transports.base import Session

Asked = dict[OpenUrl, Answer]
"""Answers about web addresses in this session: none is asked twice."""


def ask(session: Session, target: Target, addresses: Mapping[str, Scalar], asked: Asked) -> tuple[Cell, ...]:
    """Whether the workstation reaches these addresses (by setting); what ``asked`` knows is not asked again."""
    requests = servers.requests(target, addresses)
    new = [request for request in dict.fromkeys(requests.values()) if request not in asked]
    asked.update(zip(new, session.carry_out(new) if new else (), strict=True))
    at = clock.now()
    cells = []
    for setting in servers.ADDRESSES:
        found = addresses.get(setting)
        cell = servers.judge(setting, found, asked.get(requests[setting]) if setting in requests else None)
        cells.append(replace(cell, observed_at=at, reason=_explained(target, setting, found, cell)))
    return tuple(cells)


def _explained(target: Target, setting: str, found: Scalar, cell: Cell) -> str:
    """The reason of a bad address; when it is not even the wanted one, that is the first thing to know."""
    wanted = target.server_connection.wanted().get(setting) if target.server_connection else None
    if cell.status is not Status.BAD or wanted is None or server_connection.same(setting, found, wanted):
        return cell.reason
    return f"{cell.reason}; this is not the address that the files ask for"


def probe(
    session: Session, target: Target, probes: Sequence[ProbeName], gathered: Gathered, asked: Asked
) -> tuple[Cell, ...]:
    """The cells of these probes. The servers are those that the workstation uses now, not those it should use."""
    cells: list[Cell] = []
    for name in probes:
        match name:
            case "servers":
                cells += ask(session, target, _in_use(target, gathered.reading), asked)
            case "state":
                cells.append(replace(state.judge(target, gathered.file(state.reads(target))), observed_at=gathered.at))
            case "version":
                cells.append(
                    replace(version.judge(target, gathered.file(version.reads(target))), observed_at=gathered.at)
                )
    return tuple(cells)


def required(
    session: Session, target: Target, probes: Sequence[ProbeName], gathered: Gathered, asked: Asked
) -> dict[str, Cell]:
    """The verdicts of the required probes before anything is written, by address."""
    return {cell.address: cell for cell in probe(session, target, probes, gathered, asked)}


def _in_use(target: Target, reading: Reading) -> Mapping[str, Scalar]:
    return reading.values(server_connection.KIND) if server_connection.KIND in target.resources else {}
