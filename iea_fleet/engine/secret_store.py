"""The secrets of an inventory, as an operator looks after them: made, set, listed, checked, encrypted anew."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from iea_fleet.core.credential_rules import password_fault, secret_fault
from iea_fleet.engine.load import Loaded, load
from iea_fleet.errors import InvalidFilesError, SecretError, UsageError
from iea_fleet.model.inventory import AgeBackend, EnvBackend
from iea_fleet.model.secret import Finding, KeptSecret
from iea_fleet.secrets import Secrets
from iea_fleet.secrets.age import AgeFolder
from iea_fleet.secrets.age_files import one_writer
from iea_fleet.secrets.age_identity import OperatorIdentity, identity_path, make_identity, recipients_of
from iea_fleet.secrets.base import parts_of, refuse_fault

_NAMED = re.compile(r"([a-z][a-z0-9_-]*):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Begun:
    """What ``begin`` found or made. ``recipients`` is empty for an SSH key: its .pub file is the recipient."""

    identity: Path
    made: bool
    recipients: tuple[str, ...]
    folder: Path
    declared: bool
    """Whether the inventory encrypts to one of these recipients already."""


def begin(inventory: Path, passphrase: SecretStr | None) -> Begun:
    """Make the operator's identity and the folder of secrets, where they are not there yet.

    An inventory that cannot name a recipient yet may hold mistakes; its folder is then ``secrets`` beside it.
    SecretError when an identity is there that cannot be read, or that a passphrase should protect now.
    """
    if not inventory.absolute().parent.is_dir():
        raise UsageError(f"the folder of {inventory} is not there", "make it first")
    folder, known = inventory.absolute().parent / "secrets", set[str]()
    try:
        declared = [backend for backend in load(inventory).secrets.values() if isinstance(backend, AgeBackend)]
    except InvalidFilesError:
        declared = []
    if declared:
        folder, known = Path(declared[0].folder), set(declared[0].recipients)
    file = identity_path(folder.parent)
    made = passphrase is not None or not file.exists()
    recipients = [make_identity(file, passphrase)] if made else recipients_of(OperatorIdentity().keys(folder.parent))
    with one_writer(folder):
        pass
    return Begun(file, made, tuple(recipients), folder, not known.isdisjoint(recipients))


class SecretStore:
    """The secrets of one inventory."""

    def __init__(self, inventory: Path) -> None:
        self._loaded: Loaded = load(inventory)
        self._secrets = Secrets(self._loaded.secrets, self._loaded.folder)

    @property
    def name(self) -> str:
        """The inventory's name."""
        return self._loaded.name

    def target(self, path: str) -> str:
        """The reference that a path means: ``net-entreprises/x`` in the age back-end, or ``age:net-entreprises/x``.

        UsageError or SecretError when it means none that can be written.
        """
        declared, found = self._loaded.secrets, _NAMED.fullmatch(path)
        if found:
            name, path = found[1], found[2]
            if name not in declared:
                raise UsageError(f"no back-end `{name}` is declared", f"declared: {', '.join(declared) or 'none'}")
            if declared[name].kind != "age":
                raise UsageError(
                    f"secrets of `{name}` are not kept by iea-fleet", f"set them in {declared[name].kind} itself"
                )
        else:
            name = self._default()
        parts_of(path)
        if path[0].isspace() or "#" in path or not path.isprintable():
            raise UsageError("this is no path of a secret", "write it like net-entreprises/ligue-54, without a #")
        return f"{name}:{path}"

    def put(self, reference: str, value: SecretStr) -> int:
        """Keep a value under a reference that ``target`` gave; how many recipients can read it.

        SecretError, with nothing written, when it holds characters that nobody means to type, or cannot be kept.
        """
        refuse_fault(value, self._rule(reference), "the value")
        name, _, path = reference.partition(":")
        folder = self._folder(name)
        folder.put(path, value)
        return len(folder.recipients)

    def used_by(self, reference: str) -> tuple[str, ...]:
        """The dotted places of the inventory that name a reference."""
        return self._loaded.references.get(reference, ())

    def listed(self) -> list[KeptSecret]:
        """Every secret that is kept or referred to. No back-end is asked but the folders of age files."""
        kept = self._kept()
        return [self._row(reference, kept) for reference in sorted({*kept, *self._loaded.references})]

    def checked(self) -> Iterator[Finding]:
        """What is wrong, then what is not used. Values are read, and not shown."""
        for reference, used_by in sorted(self._loaded.references.items()):
            try:
                refuse_fault(self._secrets.get(reference), self._rule(reference), "the value")
            except SecretError as error:
                yield Finding(reference, str(error), error.code, used_by)
        listed = [
            f"{name}:{variable}"
            for name, backend in self._loaded.secrets.items()
            if isinstance(backend, EnvBackend)
            for variable in backend.names
        ]
        for reference in sorted([*self._kept(), *listed]):
            if reference not in self._loaded.references:
                yield Finding(reference, "nothing refers to it", "secret_unused")

    def rekeyed(self) -> Iterator[tuple[str, SecretError | None]]:
        """Encrypt every age file to the recipients of now; each with why it was left as it was, if it was."""
        for reference in self._kept():
            name, _, path = reference.partition(":")
            try:
                self._folder(name).rekey(path)
            except SecretError as error:
                yield reference, error
            else:
                yield reference, None

    def _default(self) -> str:
        names = [name for name, backend in self._loaded.secrets.items() if backend.kind == "age"]
        if "age" in names or len(names) == 1:
            return "age" if "age" in names else names[0]
        if names:
            raise UsageError("there are several back-ends of age files", f"write one before: {', '.join(names)}")
        raise UsageError("the inventory declares no age back-end", "see: iea-fleet secrets INVENTORY init")

    def _folder(self, name: str) -> AgeFolder:
        folder = self._secrets.backend(name)
        assert isinstance(folder, AgeFolder)
        return folder

    def _kept(self) -> dict[str, float]:
        """The references of all age files, and when each was changed."""
        return {
            f"{name}:{path}": changed_at
            for name, backend in self._loaded.secrets.items()
            if backend.kind == "age"
            for path, changed_at in self._folder(name).kept().items()
        }

    def _row(self, reference: str, kept: Mapping[str, float]) -> KeptSecret:
        kind = self._loaded.secrets[reference.partition(":")[0]].kind
        changed_at = kept.get(reference)
        return KeptSecret(
            reference=reference,
            kind=kind,
            there=reference in kept if kind == "age" else None,
            changed_at=None if changed_at is None else dt.datetime.fromtimestamp(changed_at, dt.UTC),
            used_by=self.used_by(reference),
        )

    def _rule(self, reference: str) -> Callable[[str], str | None]:
        passwords = {identity.password for identity in self._loaded.identities.values()}
        return password_fault if reference in passwords else secret_fault
