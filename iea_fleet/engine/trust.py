"""Our own store of host keys: one OpenSSH known_hosts file for each inventory, its names those of the workstations.

``ssh -o UserKnownHostsFile=FILE -o HostKeyAlias=nancy-01`` reads it as it stands. Nothing is ever overwritten: a
workstation that has another key than the stored one has to be removed first, by a person.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from iea_fleet.errors import TrustError

_TYPE_AND_KEY = 2


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The host keys (``ssh-ed25519 AAAA…``) that were accepted for the workstations of one inventory."""

    file: Path

    @classmethod
    def of(cls, state_dir: Path, inventory: str) -> TrustStore:
        """The store of the inventory of this name."""
        return cls(state_dir / "trust" / f"{quote(inventory, safe='')}.known_hosts")

    def keys(self) -> dict[str, tuple[str, ...]]:
        """All accepted keys by workstation, in the order they were added."""
        keys: dict[str, tuple[str, ...]] = {}
        for name, key, _ in self._lines():
            keys[name] = (*keys.get(name, ()), key)
        return keys

    def add(self, workstation: str, keys: tuple[str, ...], comment: str) -> None:
        """Accept keys for a workstation; TrustError when it has another key of one of these types."""
        with self._locked():
            known = {_type(key): key for key in self.keys().get(workstation, ())}
            if any(known.get(_type(key), key) != key for key in keys):
                raise TrustError(
                    f"{workstation} has another host key in {self.file}",
                    f"find out why it changed; after a reinstallation: iea-fleet trust remove INVENTORY {workstation}",
                    code="host_key_changed",
                )
            new = [(workstation, key, comment) for key in keys if _type(key) not in known]
            if new:
                self._write([*self._lines(), *new])

    def remove(self, workstation: str) -> int:
        """Forget the keys of a workstation; how many there were."""
        with self._locked():
            lines = list(self._lines())
            kept = [line for line in lines if line[0] != workstation]
            if len(kept) != len(lines):
                self._write(kept)
            return len(lines) - len(kept)

    def _lines(self) -> Iterator[tuple[str, str, str]]:
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise TrustError(f"the host keys in {self.file} cannot be read: {error}", "repair the file") from None
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, *rest = line.split(" ", 3)
            if len(rest) < _TYPE_AND_KEY:
                raise TrustError(f"{self.file}:{number} is no host key", "remove the line, and add the key again")
            yield name, " ".join(rest[:_TYPE_AND_KEY]), "".join(rest[_TYPE_AND_KEY:])

    def _write(self, lines: list[tuple[str, str, str]]) -> None:
        text = "".join(f"{name} {key} {comment}".rstrip() + "\n" for name, key, comment in lines)
        new = self.file.with_suffix(f".new-{os.getpid()}")
        try:
            with new.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.file)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise TrustError(f"the host keys in {self.file} cannot be written: {error.strerror}") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.file.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise TrustError(f"the host keys in {self.file.parent} cannot be written: {error.strerror}") from None


def _type(key: str) -> str:
    return key.split(" ", maxsplit=1)[0]


def owners(keys: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Whose key a key is: base64 text → workstation, so that an alarm can name it."""
    return {key.split(" ")[1]: name for name, of_name in keys.items() for key in of_name}
