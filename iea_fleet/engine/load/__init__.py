"""From the files of the user to resolved targets, or to every mistake in them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from iea_fleet.core.faults import Gaps, Notes, dotted
from iea_fleet.core.joining import Inventory, join
from iea_fleet.core.reference_rules import check_playbook, references
from iea_fleet.core.selectors import matching, select, terms
from iea_fleet.core.targets import resolve
from iea_fleet.engine.load.authorities import missing_authorities
from iea_fleet.engine.load.includes import read_inventory
from iea_fleet.engine.load.layouts import read_layouts
from iea_fleet.engine.load.operator import operator_path, read_operator_file
from iea_fleet.engine.load.source import Reading, Source
from iea_fleet.errors import InvalidFilesError, Mistake, UsageError
from iea_fleet.model.inventory import Contact, Identity, NetEntreprisesService
from iea_fleet.model.operator import AnyBackend
from iea_fleet.model.playbook import Playbook
from iea_fleet.model.target import Target


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything the files say, resolved and checked.

    ``files`` maps each file, as it was shown to the user, to its digest; ``offices`` an office to its title;
    ``folder`` is that of the main file. ``selected`` are the targets the playbook is for, in the inventory's order.
    ``secrets`` are the back-ends of the inventory and of the operator's own file; ``references`` maps each secret
    reference to the dotted places where it stands. ``warnings`` is what is odd and may be right.
    """

    name: str
    folder: Path
    targets: tuple[Target, ...]
    selected: tuple[Target, ...]
    playbook: Playbook
    contact: Contact | None = None
    secrets: Mapping[str, AnyBackend] = field(default_factory=dict)
    identities: Mapping[str, Identity] = field(default_factory=dict)
    net_entreprises_service: NetEntreprisesService = field(default_factory=NetEntreprisesService)
    offices: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[Mistake, ...] = ()


def load(inventory: Path, playbook: Path | None = None) -> Loaded:
    """Read an inventory and a playbook, or raise InvalidFilesError with every mistake of all their files.

    Without a playbook everything that is declared is selected. Nothing else than files is looked at: no secret is
    read and no connection opened.
    """
    reading = Reading()
    sources = read_inventory(inventory, reading)
    layouts = read_layouts(sources, reading)
    wanted = reading.read(playbook, Playbook) if playbook is not None else None
    asked = (wanted.value if wanted else None) or Playbook()
    left_out = [steps for source in sources for steps in source.document.left_out]
    operator, operator_mistakes = read_operator_file()
    if operator_mistakes:
        left_out.append(("secrets",))
    joined, targets = Inventory(main="", name=""), list[Target]()
    # Without its main file an inventory has no sense, and every word about it would be a guess.
    if sources[0].value is not None:
        gaps = Gaps(left_out)
        joined, notes = join([(source.shown, source.value) for source in sources if source.value is not None])
        reading.note(notes, gaps)
        joined = replace(joined, operator=operator.secrets, operator_file=str(operator_path()))
        notes = Notes(joined.file_of)
        targets = resolve(joined, layouts, asked, notes)
        reading.note(notes, gaps)
    selected = targets
    if wanted is not None:
        notes = Notes(lambda _path: wanted.shown)
        check_playbook(asked, joined, notes)
        inventory_gaps = [("inventory", *steps) for steps in left_out]
        reading.note(notes, Gaps([*wanted.document.left_out, *inventory_gaps]))
        # Of an inventory that was not read whole nobody can say that something matches nothing.
        selected = [] if left_out else _selected(targets, asked, wanted)
    if mistakes := operator_mistakes + reading.mistakes():
        raise InvalidFilesError(mistakes)
    return Loaded(
        name=joined.name,
        folder=inventory.absolute().parent,
        targets=tuple(targets),
        selected=tuple(selected),
        playbook=asked,
        contact=joined.contact,
        secrets=joined.backends,
        identities=joined.identities,
        net_entreprises_service=joined.net_entreprises_service,
        offices={name: office.title or name for name, office in joined.offices.items()},
        files=reading.digests,
        references=_places(joined),
        warnings=(*reading.warnings, *missing_authorities(sources)),
    )


def _places(inventory: Inventory) -> Mapping[str, tuple[str, ...]]:
    """Each secret reference, with the dotted places where it stands."""
    found: dict[str, tuple[str, ...]] = {}
    for steps, reference in references(inventory):
        found[reference] = (*found.get(reference, ()), dotted(steps))
    return found


def _selected(targets: Sequence[Target], playbook: Playbook, source: Source[Playbook]) -> list[Target]:
    """The selected targets; a selector that matches nothing is noted where it stands."""
    document, faulty = source.document, False
    for index, text in enumerate(playbook.select):
        for term in terms(text):
            try:
                matching(targets, term)
            except UsageError as error:
                steps, faulty = document.follow(("select", index)), True
                document.mistakes.append(document.mistake(steps, error.sentence, error.hint))
    if faulty:
        return []
    try:
        return select(targets, playbook.select)
    except UsageError as error:
        document.mistakes.append(document.mistake(("select",), error.sentence, error.hint))
        return []
