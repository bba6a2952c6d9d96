"""The layouts that inventory files name: shipped ones by name, a site's own by path, each read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from iea_fleet.core.faults import Gaps, Notes, Steps, nearest
from iea_fleet.core.layout_rules import check_layout
from iea_fleet.core.targets import GUIDED_LAYOUT, KnownLayout, LayoutName
from iea_fleet.engine.load.source import Reading, Source, shown_path
from iea_fleet.model.inventory import InventoryFile
from iea_fleet.model.layout import Layout

_ENDINGS = (".yml", ".yaml")
_SHOWN = "iea_fleet/layouts/"


def shipped() -> dict[str, Path]:
    """The layouts that come with the product, by name."""
    folder = Path(str(resources.files("iea_fleet").joinpath("layouts")))
    return {path.stem: path for path in sorted(folder.glob("*.yml"))}


def shipped_name(shown: str) -> str | None:
    """The name of a shipped layout, from what its file is called towards the user; None for any other file."""
    if not shown.startswith(_SHOWN):
        return None
    return next((name for name in shipped() if shown == _shown(name)), None)


def read_layouts(sources: Sequence[Source[InventoryFile]], reading: Reading) -> dict[LayoutName, KnownLayout]:
    """Every layout that some file names and that is right. What is wrong stands in the documents."""
    shipped_paths = shipped()
    by_path: dict[Path, KnownLayout | None] = {}
    known: dict[LayoutName, KnownLayout] = {}
    for source in sources:
        for steps, name in _named(source.value) if source.value else ():
            if name == GUIDED_LAYOUT:
                continue
            if name.endswith(_ENDINGS) or "/" in name:
                path = source.path.parent / name
                shown = shown_path(path)
                if not path.is_file():
                    remedy = "check the name; it is meant from the folder of this file"
                    _refuse(source, steps, f"there is no file {shown}", remedy)
                    continue
            elif name in shipped_paths:
                path, shown = shipped_paths[name], _shown(name)
            else:
                remedy = f"{nearest(name, shipped_paths, 'shipped')}; a file of yours is named with its ending, .yml"
                _refuse(source, steps, f"no layout `{name}` is shipped", remedy)
                continue
            real = path.resolve()
            if real not in by_path:
                by_path[real] = _read(path, shown, reading)
            found = by_path[real]
            if found is not None:
                known[LayoutName(source.shown, name)] = found
    return known


def _shown(name: str) -> str:
    return f"{_SHOWN}{name}.yml"


def _refuse(source: Source[InventoryFile], steps: Steps, wrong: str, remedy: str) -> None:
    source.document.mistakes.append(source.document.mistake(steps, wrong, remedy))


def _read(path: Path, shown: str, reading: Reading) -> KnownLayout | None:
    source = reading.read(path, Layout, shown=shown)
    if source.value is None:
        return None
    notes = Notes(lambda _path: shown)
    paths = check_layout(source.value, notes)
    reading.note(notes, Gaps(source.document.left_out))
    if paths is None or source.document.mistakes:
        return None
    return KnownLayout(source.value, paths)


def _named(file: InventoryFile) -> Iterator[tuple[Steps, str]]:
    """Each distinct name of a layout in a file, where it first stands."""
    seen: set[str] = set()
    for steps, name in _all_named(file):
        if name is not None and name not in seen:
            seen.add(name)
            yield steps, name


def _all_named(file: InventoryFile) -> Iterator[tuple[Steps, str | None]]:
    yield ("layout",), file.layout
    if file.defaults is not None:
        yield ("defaults", "layout"), file.defaults.layout
    for office_name, office in file.offices.items():
        yield ("offices", office_name, "layout"), office.layout
        for name, workstation in office.workstations.items():
            yield ("offices", office_name, "workstations", name, "layout"), workstation.layout
