"""In which waves workstations are visited: how many in each, and which come first. Pure.

The shares of a playbook are cumulative: ``[1, 10%, 100%]`` of 40 workstations are waves of 1, 3 and 36. What the last
share leaves over is a wave of its own, so that every workstation has its turn.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from iea_fleet.model.matrix import Row, Status
from iea_fleet.model.target import Target

_NOT_TRIED: Final = frozenset({Status.OFFLINE, Status.WAITING, Status.STALE})


def sizes(shares: Sequence[int | str], total: int) -> tuple[int, ...]:
    """How many workstations each wave has; percentages are of ``total`` and rounded up, empty waves left out.

    >>> sizes((1, "10%", "100%"), 40)
    (1, 3, 36)
    >>> sizes((5,), 12)
    (5, 7)
    """
    ends, reached = [], 0
    for share in (*shares, "100%"):
        end = min(total, _rounded_up(share, total))
        if end > reached:
            ends.append(end - reached)
            reached = end
    return tuple(ends)


def spread(targets: Sequence[Target]) -> list[Target]:
    """All targets, in an order whose beginning has something of every office and transport; the same every time.

    Next is always the first one, in the order of the inventory, of the office that has had the fewest turns; among
    these of the transport that has had the fewest.
    """
    queues: dict[tuple[str, str], deque[Target]] = {}
    for target in targets:
        queues.setdefault((target.office, target.connection.transport), deque()).append(target)
    offices, transports, ordered = Counter[str](), Counter[str](), list[Target]()
    while queues:
        chosen = min(queues, key=lambda one: (offices[one[0]], transports[one[1]]))
        ordered.append(queues[chosen].popleft())
        offices[chosen[0]] += 1
        transports[chosen[1]] += 1
        if not queues[chosen]:
            del queues[chosen]
    return ordered


def is_canary(row: Row) -> bool:
    """Whether a workstation of the first wave says something about the push.

    One that is switched off, waits for a person or is not as it was planned for does not, and another one takes its
    place. One with nothing to change does: it was reached and read.
    """
    return not any(cell.status in _NOT_TRIED for cell in row.cells)


def _rounded_up(share: int | str, total: int) -> int:
    if isinstance(share, int):
        return share
    return -(-int(share.removesuffix("%")) * total // 100)
