"""The way to a workstation looked at piece by piece, up to the point where somebody would log in.

Nothing here logs in at a workstation (at its jump host, yes), and no step waits longer than the connection's timeout.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from typing import Final

from iea_fleet.errors import BrokenError, OfflineError, TransportError
from iea_fleet.model.examination import Finding, Step
from iea_fleet.transports.base import Reach
from iea_fleet.transports.connection import Connection, check_host_key
from iea_fleet.transports.fingerprint import describe
from iea_fleet.transports.jump import JumpHosts, closed_at_once, no_banner
from iea_fleet.transports.offline import why_offline
from iea_fleet.transports.ssh_errors import WIRE_ERRORS
from iea_fleet.transports.trail import Seen, Trail
from iea_fleet.transports.wire import Wire

_Address = tuple[socket.AddressFamily, str]

_LONGEST_WORD: Final = 8192
_HTTP_PATIENCE: Final = 3.0
"""Seconds in which a web server that was taken for an SSH server says something to a question in its own language."""


def enter(reach: Reach, jumps: JumpHosts) -> Wire:
    """A new connection to a workstation, directly or through its jump host. TransportError when there is none."""
    return jumps.enter(reach) if reach.jump is not None else Wire(_dial(reach))


def examine(reach: Reach, jumps: JumpHosts, trail: Trail) -> bool:
    """Look at the way to a workstation step by step; whether somebody may log in now.

    The steps: ``jump`` where there is one, ``name``, ``port``; then ``first_word`` and ``host_key`` for SSH,
    ``certificate`` and ``first_word`` for WinRM.
    """
    if reach.jump is not None:
        wire = _behind_jump(reach, jumps, trail)
        return wire is not None and _examine_ssh(reach, wire, trail)
    sock = _directly(reach, trail)
    if sock is None:
        return False
    if reach.transport == "winrm":
        from iea_fleet.transports.examine_web import examine_web  # noqa: PLC0415 - with pypsrp, 0.3 s

        return examine_web(reach, Wire(sock), trail)
    return _examine_ssh(reach, Wire(sock), trail)


def _examine_ssh(reach: Reach, wire: Wire, trail: Trail) -> bool:
    with contextlib.closing(wire):
        return trail.take("first_word", lambda: _first_word(reach, wire)) and trail.take(
            "host_key", lambda: _host_key(reach, wire)
        )


def _dial(reach: Reach) -> socket.socket:
    try:
        return socket.create_connection((reach.address, reach.port), timeout=reach.timeout)
    except (OSError, UnicodeError) as error:
        raise _offline(reach, error) from error


def _directly(reach: Reach, trail: Trail) -> socket.socket | None:
    addresses: list[_Address] = []
    reached: list[socket.socket] = []

    def look_up() -> Seen:
        addresses.extend(_addresses(reach))
        if len(addresses) == 1 and addresses[0][1] == reach.address:
            return f"{reach.address} is an address already"
        return f"{reach.address} is {', '.join(address for _, address in addresses)}"

    def connect() -> Seen:
        sock, seen = _connect(reach, addresses)
        reached.append(sock)
        return seen

    if trail.take("name", look_up) and trail.take("port", connect):
        return reached[0]
    return None


def _addresses(reach: Reach) -> list[_Address]:
    """What the resolver knows; for as long as it likes, which is 5 to 30 s where no name server answers."""
    with contextlib.suppress(ValueError):
        version = ipaddress.ip_address(reach.address).version
        return [(socket.AF_INET if version == 4 else socket.AF_INET6, reach.address)]
    try:
        found = socket.getaddrinfo(reach.address, reach.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _offline(reach, error) from error
    return [(family, str(address[0])) for family, _, _, _, address in found]


def _connect(reach: Reach, addresses: list[_Address]) -> tuple[socket.socket, Seen]:
    """A connection to the first of the addresses that takes one, and what to say of those that did not."""
    deaf: list[OfflineError] = []
    for family, address in addresses:
        try:
            sock = _connected(family, (address, reach.port), reach.timeout)
        except OSError as error:
            deaf.append(_offline(reach, error, address))
            continue
        seen = f"{_place(address, reach.port)} accepts the connection"
        if not deaf:
            return sock, seen
        remedy = f"remove {', '.join(one for _, one in addresses[: len(deaf)])} from the DNS: each visit waits for it"
        said = "; ".join(one.sentence for one in deaf)
        return sock, Step("port", Finding.WARN, f"{seen}, but {said}", remedy, "address_dead")
    raise deaf[0]


def _connected(family: socket.AddressFamily, place: tuple[str, int], timeout: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(place)
    except BaseException:
        sock.close()
        raise
    return sock


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _offline(reach: Reach, error: OSError | UnicodeError, address: str = "") -> OfflineError:
    where = f"{reach.workstation} ({_place(address or reach.address, reach.port)})"
    told = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, str(error))
    found = why_offline(told, where)
    if reach.transport == "winrm" and found.code == "refused":
        hint = "look whether WinRM listens there (winrm enumerate winrm/config/listener), and at the firewall"
        return OfflineError(found.sentence, hint, code=found.code)
    return found


def _behind_jump(reach: Reach, jumps: JumpHosts, trail: Trail) -> Wire | None:
    """The connection that the jump host makes; what is wrong is told in the step where it is wrong."""
    assert reach.jump is not None
    jump = f"the jump host {_place(reach.jump.address, reach.jump.port)}"
    began = time.monotonic()
    try:
        wire, error = jumps.enter(reach), None
    except TransportError as wrong:
        wire, error = None, wrong
    seen = {
        "jump": f"{jump} lets us in",
        "name": f"{jump} looks up {reach.address}",
        "port": f"{jump} reaches {_place(reach.address, reach.port)}",
    }
    wrong_at = _where_it_ended(error) if error else ""
    for name in ("jump", "name", "port", "first_word"):
        if error is not None and name == wrong_at:
            trail.error = error
            bad = Step(name, Finding.BAD, error.sentence, error.hint, error.code, time.monotonic() - began)
            trail.steps.append(bad)
            return None
        if name in seen:
            trail.steps.append(Step(name, Finding.OK, seen[name]))
    trail.steps[-1] = Step("port", Finding.OK, seen["port"], seconds=time.monotonic() - began)
    return wire


def _where_it_ended(error: TransportError) -> str:
    if error.code.startswith("jump_"):
        return "jump"
    if isinstance(error, OfflineError):
        return "name" if error.code == "name_unknown" else "port"
    return "first_word"


def _first_word(reach: Reach, wire: Wire) -> Seen:
    """The version that an SSH server tells (RFC 4253 §4.2), which stays on the wire for who comes next."""
    where = f"{reach.workstation} ({_place(reach.address, reach.port)})"
    limit = time.monotonic() + reach.timeout
    said = b""
    try:
        while (version := _version(said)) is None and len(said) < _LONGEST_WORD:
            wire.settimeout(max(0.01, limit - time.monotonic()))
            more = wire.recv(4096)
            if not more:
                break
            said += more
    except TimeoutError:
        version = None
    except WIRE_ERRORS as error:
        raise closed_at_once(where) from error
    if version is not None:
        wire.give_back(said)
        return version
    if not said and (answer := _answers_http(reach, wire)):
        said = answer
    if said:
        hint = "another program listens on that port: correct the port of its connection"
        raise BrokenError(f"{where} speaks no SSH: it says « {_first_line(said)} »", hint, code="not_ssh")
    raise no_banner(where) if time.monotonic() >= limit else closed_at_once(where)


def _version(said: bytes) -> str | None:
    lines = said.split(b"\n")[:-1]
    found = next((line for line in lines if line.startswith(b"SSH-")), None)
    return None if found is None else found.decode("utf-8", "replace").strip()


def _first_line(said: bytes) -> str:
    return said.decode("utf-8", "replace").strip().partition("\n")[0].strip()[:80]


def _answers_http(reach: Reach, wire: Wire) -> bytes:
    """What a server that waited for the first word says to a question of HTTP; nothing when it stays silent."""
    with contextlib.suppress(*WIRE_ERRORS):
        wire.settimeout(min(reach.timeout, _HTTP_PATIENCE))
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        return wire.recv(4096)
    return b""


def _host_key(reach: Reach, wire: Wire) -> Seen:
    with contextlib.closing(Connection(wire, reach.workstation, reach.timeout, None)) as connection:
        shown = connection.shake_hands([key.split()[0] for key in reach.host_keys])
    check_host_key(shown, reach.host_keys, reach.owners, reach.workstation, trusted_by=reach.trusted_by)
    key = describe(shown)
    where = "pinned in the inventory" if reach.pinned_in_inventory else "accepted with iea-fleet trust"
    return f"{key.kind} {key.fingerprint}, {where}"
