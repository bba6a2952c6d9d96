"""One workstation of the lab and one transaction of three files on it: one secret, one not there before."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleets import wait_until
from labs import RunningLab
from targets import NOTHING_KNOWN

from iea_fleet.engine import leftovers
from iea_fleet.engine.gather import gather
from iea_fleet.engine.lease import Leases, Standing
from iea_fleet.engine.load import load
from iea_fleet.engine.reach import reaches
from iea_fleet.engine.settle import Settled, put_run_file_back, settle
from iea_fleet.engine.transaction import Transaction
from iea_fleet.history.key import HistoryKey
from iea_fleet.model.journal import JournalFile
from iea_fleet.model.request import ABSENT, Done, ReplaceFile, digest
from iea_fleet.model.target import Target
from iea_fleet.resources import Unobserved
from iea_fleet.secrets import Secrets
from iea_fleet.transports.base import Reach, Session
from iea_fleet.transports.sessions import open_session
from iea_fleet.transports.wire import Wire

RUN = "20260301-120000-test"
NEW = {"server_connection": b"secret=new\n", "version_file": b"version=V74\n", "state_file": b"etat=connecte\n"}


@dataclass
class Workstation:
    """One workstation of the lab, and the transaction that is made on it."""

    lab: RunningLab
    target: Target
    reach: Reach
    leases: Leases
    old: dict[str, bytes | None] = field(default_factory=dict)
    recorded: dict[str, tuple[JournalFile, ...]] = field(default_factory=dict)
    """What the history was told, by run."""

    @classmethod
    def of(cls, lab: RunningLab, state: Path) -> Workstation:
        """The only workstation of a lab, reached as the command reaches it; its tray state is not there."""
        loaded = load(lab.inventory)
        (target,) = loaded.selected
        lab.file(target.name, target.files["state_file"]).unlink()
        reach = reaches([target], Secrets(loaded.secrets, loaded.folder), {}, {})[target.name]
        assert isinstance(reach, Reach)
        one = cls(lab, target, reach, Leases(loaded.name, HistoryKey.open(state)))
        one.old = one.now()
        return one

    @property
    def name(self) -> str:
        return self.target.name

    def session(self) -> Session:
        """A session of its own."""
        entrance: list[socket.socket] = []

        def answers() -> bool:
            with contextlib.suppress(ConnectionRefusedError):
                entrance.append(socket.create_connection((self.reach.address, self.reach.port)))
            return bool(entrance)

        wait_until(answers)  # it may be starting again
        return open_session(self.reach, Wire(entrance[0]), read_only=False)

    def file(self, name: str) -> Path:
        return self.lab.file(self.name, self.target.files[name])

    def now(self) -> dict[str, bytes | None]:
        """The three files."""
        return {name: self.file(name).read_bytes() if self.file(name).exists() else None for name in NEW}

    def left(self) -> list[str]:
        """What is there that was not."""
        known = {self.target.files[name].rpartition("/")[2] for name in NEW}
        tree = self.lab.directory / "workstations" / self.name
        files = (path for path in tree.rglob("*") if path.is_file() and path.parent.name != "utilisateurs")
        return sorted(path.name for path in files if path.name not in known)

    def old_again(self) -> None:
        """As before anything was done; a workstation that was switched off and on keeps no remote shell either."""
        self.lab.end_shells(self.name)
        self.recorded.clear()
        for name, content in self.old.items():
            self.file(name).unlink(missing_ok=True)
            if content is not None:
                self.file(name).write_bytes(content)
        for path in self.lab.file(self.name, self.target.files["private"]).glob("*"):
            path.unlink()

    def prepared(self, session: Session) -> tuple[Transaction, Unobserved | None]:
        """The transaction, ``run.json`` taken."""
        before = gather(session, self.target, (), NOTHING_KNOWN, (self.leases.read(self.target),), for_writing=True)
        writes = [
            ReplaceFile(
                self.target.files[name],
                content,
                ABSENT if (old := self.old[name]) is None else digest(old),
                private=name == "server_connection",
                secret=name == "server_connection",
            )
            for name, content in NEW.items()
        ]
        transaction = Transaction.prepare(session, self.target, self.leases, RUN, writes, before)
        return transaction, transaction.take(before)

    def written(self, session: Session) -> Transaction:
        """The transaction with its files written."""
        transaction, trouble = self.prepared(session)
        assert trouble is None
        answers = transaction.write()
        assert all(isinstance(answer, Done) for answer in answers), answers
        return transaction

    def settled(self, session: Session) -> Settled | Unobserved | None:
        """What settling says; None when there is nothing to settle. Done as an apply with nothing to change does it."""
        also = (self.leases.read(self.target), *leftovers.folders(self.target))
        gathered = gather(session, self.target, (), NOTHING_KNOWN, also, for_writing=True)
        lease = self.leases.standing(self.target, gathered.answers[also[0]], session)
        if lease.standing is Standing.FREE and put_run_file_back(session, self.target, gathered.answers) is not None:
            return self.settled(session)
        if lease.standing is Standing.FREE:
            leftovers.tidy(session, self.target, self.leases, RUN, gathered)
            return None
        assert lease.standing is Standing.DEAD
        return settle(session, self.target, lease, self.leases, self.record)

    def record(self, run: str, workstation: str, files: Sequence[JournalFile]) -> None:
        """Keep what settling found to be replaced; ``run.json`` has to be there still."""
        assert (workstation, "run.json" in self.left()) == (self.name, True)
        self.recorded[run] = tuple(files)
