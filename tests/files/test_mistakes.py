"""Every kind of mistake, with the exact words a person reads.

A case in ``mistakes/*.txt`` is a title, files, and what ``validate`` says about them. After a change of words:
``IEA_FLEET_WRITE_GOLDEN=1 pytest tests/files/test_mistakes.py``, and read the difference.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from iea_fleet.engine.load import load
from iea_fleet.errors import InvalidFilesError

FOLDER = Path(__file__).parent / "mistakes"
SAID = "=== validate says"


def cases() -> Iterator[tuple[Path, str, dict[str, str]]]:
    for path in sorted(FOLDER.glob("*.txt")):
        for case in path.read_text(encoding="utf-8").split("\n## ")[1:]:
            title, _, rest = case.partition("\n")
            blocks = re.split(r"^=== (.+)\n", rest, flags=re.MULTILINE)[1:]
            yield path, title, dict(zip(blocks[::2], blocks[1::2], strict=True))


def said_about(files: dict[str, str], folder: Path) -> list[str]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    playbook = Path("playbook.yml") if "playbook.yml" in files else None
    with pytest.raises(InvalidFilesError) as raised:
        load(Path("inventory.yml"), playbook)
    return [str(mistake) for mistake in raised.value.mistakes]


@pytest.mark.parametrize(("path", "title", "blocks"), [pytest.param(*case, id=case[1]) for case in cases()])
def test_words(path: Path, title: str, blocks: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")  # what the operator's own file says is no part of a case
    files = {name: text for name, text in blocks.items() if name != "validate says"}
    said = said_about(files, tmp_path)
    assert not any("hunter2" in line.casefold() for line in said)
    if os.environ.get("IEA_FLEET_WRITE_GOLDEN"):
        write_golden(path, title, said)
    else:
        assert said == blocks["validate says"].strip().splitlines()


def write_golden(path: Path, title: str, said: list[str]) -> None:
    head, *sections = path.read_text(encoding="utf-8").split("\n## ")
    for index, section in enumerate(sections):
        if section.partition("\n")[0] == title:
            sections[index] = section.partition(f"\n{SAID}\n")[0].rstrip() + f"\n{SAID}\n" + "\n".join(said) + "\n"
    path.write_text("\n## ".join([head, *sections]), encoding="utf-8")
