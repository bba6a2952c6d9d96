"""Host keys seen and accepted: what ``iea-fleet trust`` does. Only a person, or a list a person made, accepts a key."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from iea_fleet.core.selectors import select
from iea_fleet.engine import clock
from iea_fleet.engine.known_hosts import keys_of
from iea_fleet.engine.load import load
from iea_fleet.engine.options import Options
from iea_fleet.engine.reach import reaches
from iea_fleet.engine.trust import TrustStore, owners
from iea_fleet.errors import IeaFleetError, TrustError, UsageError
from iea_fleet.model.target import SshConnection, Target
from iea_fleet.secrets import Secrets
from iea_fleet.transports.base import Reach
from iea_fleet.transports.fingerprint import describe, fingerprint
from iea_fleet.transports.jump import JumpHosts
from iea_fleet.transports.scan import fetch_host_keys

Accepted = Iterator[tuple[str, str | IeaFleetError]]
"""A workstation and the fingerprint line of each key as soon as it was accepted, or why none was."""


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A key that a workstation presented: its line as ``ssh-keygen -l`` has it, and what we know of it."""

    key: str
    line: str
    standing: str


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one workstation presented, or why it did not."""

    workstation: str
    keys: tuple[SeenKey, ...] = ()
    error: IeaFleetError | None = None


@dataclass(frozen=True, slots=True)
class Hosts:
    """The SSH workstations of an inventory, the keys pinned there, and our own store.

    ``behind_jumps`` has the way in of those that are behind a jump host, where somebody has to log in first.
    """

    targets: tuple[Target, ...]
    pinned: dict[str, tuple[str, ...]]
    store: TrustStore
    concurrency: int
    behind_jumps: Mapping[str, Reach | IeaFleetError]
    jumps: JumpHosts

    @classmethod
    def open(cls, options: Options) -> Self:
        """Read the inventory. InvalidFilesError, or UsageError when a selector matches nothing."""
        loaded = load(options.inventory, None)
        selected = select(loaded.targets, options.limit) if options.limit else loaded.targets
        targets = tuple(target for target in selected if isinstance(target.connection, SshConnection))
        jumping = [
            target for target in targets if isinstance(target.connection, SshConnection) and target.connection.jump
        ]
        return cls(
            targets,
            {target.name: target.host_keys for target in loaded.targets if target.host_keys},
            TrustStore.of(options.state_dir, loaded.name),
            options.concurrency,
            reaches(jumping, Secrets(loaded.secrets, loaded.folder), {}, {}),
            JumpHosts(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.jumps.close()

    def scan(self) -> Iterator[Scanned]:
        """Ask every workstation for its keys, in the order of the inventory."""
        stored = self.store.keys()
        known = owners({**stored, **self.pinned})
        with ThreadPoolExecutor(self.concurrency) as workers:
            for target, answer in zip(self.targets, workers.map(self._fetch, self.targets), strict=True):
                if isinstance(answer, IeaFleetError):
                    yield Scanned(target.name, error=answer)
                    continue
                accepted = self.pinned.get(target.name) or stored.get(target.name, ())
                yield Scanned(target.name, tuple(_seen(target.name, key, accepted, known) for key in answer))

    def add_fingerprint(self, wanted: str) -> Accepted:
        """Accept the key of the one selected workstation that has this fingerprint, and none other."""
        return self._add_matching({target.name: wanted for target in self.targets})

    def add_listed(self, file: Path) -> Accepted:
        """Accept keys by a list of ``WORKSTATION SHA256:…`` lines."""
        wanted = {}
        for number, line in enumerate(_text(file).splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            match line.split():
                case [name, found] if found.startswith("SHA256:"):
                    wanted[name] = found
                case _:
                    raise UsageError(f"{file}:{number} is not understood", "write: WORKSTATION SHA256:…")
        unknown = sorted(set(wanted) - {target.name for target in self.targets})
        if unknown:
            raise UsageError(f"{file} names {', '.join(unknown)}, which the inventory does not", "correct the name")
        yield from self._add_matching(wanted)

    def add_known_hosts(self, file: Path) -> Accepted:
        """Accept the keys that an OpenSSH known_hosts file has for the selected workstations; nobody is asked."""
        text = _text(file)
        for target in self.targets:
            assert isinstance(target.connection, SshConnection)
            keys = keys_of(text, (target.name, target.address or ""), target.connection.port)
            if keys:
                yield from self._accept(target.name, keys)
            else:
                names = " nor ".join(name for name in (target.name, target.address) if name)
                hint = f"it knows neither {names} on port {target.connection.port}"
                yield target.name, UsageError(f"{target.name}: {file} has no key of it", hint)

    def add_confirmed(self, confirm: Callable[[str, list[str]], bool]) -> Accepted:
        """Show each workstation's keys to a person, and accept those that the person says yes to."""
        for found in self.scan():
            if found.error is not None:
                yield found.workstation, _named(found.workstation, found.error)
                continue
            lines = [f"{key.line}, {key.standing}" for key in found.keys]
            if confirm(found.workstation, lines):
                yield from self._accept(found.workstation, tuple(key.key for key in found.keys))
            else:
                yield found.workstation, UsageError(f"{found.workstation}: not accepted")

    def listed(self) -> Iterator[tuple[str, str, str]]:
        """Workstation, fingerprint line and where it is accepted, of every accepted key."""
        stored = self.store.keys()
        for target in self.targets:
            pinned = self.pinned.get(target.name, ())
            for key in pinned:
                yield target.name, str(describe(key)), "in the inventory"
            for key in stored.get(target.name, ()):
                yield (
                    target.name,
                    str(describe(key)),
                    "in the store" + (", not used: the inventory pins" if pinned else ""),
                )

    def remove(self, workstation: str) -> int:
        """Forget the accepted keys of a workstation; how many there were."""
        if workstation in self.pinned:
            raise UsageError(f"the key of {workstation} is in the inventory", "remove its host_keys there")
        return self.store.remove(workstation)

    def _add_matching(self, wanted: dict[str, str]) -> Accepted:
        for target in self.targets:
            if target.name not in wanted:
                continue
            answer = self._fetch(target)
            if isinstance(answer, IeaFleetError):
                yield target.name, _named(target.name, answer)
                continue
            matching = tuple(key for key in answer if fingerprint(key) == wanted[target.name])
            if matching:
                yield from self._accept(target.name, matching)
                continue
            presented = ", ".join(str(describe(key)) for key in answer)
            wrong = f"{target.name} presents no key of this fingerprint, but {presented}"
            yield target.name, UsageError(wrong, "read it again at the workstation: ssh-keygen -l -f on its host key")

    def _fetch(self, target: Target) -> list[str] | IeaFleetError:
        assert isinstance(target.connection, SshConnection)
        reach, connect = self.behind_jumps.get(target.name), None
        if isinstance(reach, IeaFleetError):
            return reach
        if reach is not None:
            connect = partial(self.jumps.enter, reach)
        try:
            return fetch_host_keys(
                target.address or "", target.connection.port, target.connection.timeout, connect=connect
            )
        except IeaFleetError as error:
            return error

    def _accept(self, workstation: str, keys: tuple[str, ...]) -> Accepted:
        comment = f"accepted {clock.today().isoformat()} by {getpass.getuser()}@{platform.node()}"
        try:
            self.store.add(workstation, keys, comment)
        except TrustError as error:
            yield workstation, error
            return
        for key in keys:
            yield workstation, str(describe(key))


def _named(workstation: str, error: IeaFleetError) -> IeaFleetError:
    """The same error with the workstation's name before its address."""
    return type(error)(f"{workstation}: {error.sentence}", error.hint, code=error.code)


def _seen(workstation: str, key: str, accepted: tuple[str, ...], known: dict[str, str]) -> SeenKey:
    owner = known.get(key.split()[1])
    if key in accepted:
        standing = "accepted"
    elif owner is not None and owner != workstation:
        standing = f"ALARM: this is the key of {owner}"
    elif any(one.split()[0] == key.split(maxsplit=1)[0] for one in accepted):
        standing = "ALARM: another key of this type was accepted"
    else:
        standing = "unknown"
    return SeenKey(key, str(describe(key)), standing)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
