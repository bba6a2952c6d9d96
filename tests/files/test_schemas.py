"""The JSON Schemas: they agree with the models, accept the examples, and refuse what editors can refuse."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from iea_fleet.engine.load.yaml_reader import read
from iea_fleet.engine.schemas import documents, stale, write

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXAMPLES = {
    "full.yml": "inventory.json",
    "inventory.yml": "inventory.json",
    "playbook.yml": "playbook.json",
    "impact-emploi-3.yml": "layout.json",
}


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(documents()[name])
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schemas_in_the_repository_are_fresh() -> None:
    assert stale(ROOT / "schemas") == [], "run: make schemas"


def test_stale_ones_are_named(tmp_path: Path) -> None:
    assert stale(tmp_path / "schemas") == list(documents())
    write(tmp_path / "schemas")
    assert stale(tmp_path / "schemas") == []
    (tmp_path / "schemas/layout.json").write_text("{}")
    assert stale(tmp_path / "schemas") == ["layout.json"]


@pytest.mark.parametrize(("file", "name"), EXAMPLES.items())
def test_the_examples_hold_to_them(file: str, name: str) -> None:
    document = read((HERE / "examples" / file).read_bytes(), file)
    assert [error.message for error in validator(name).iter_errors(document.root)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "iea_fleet/layouts").glob("*.yml")), ids=lambda path: path.name)
def test_shipped_layouts_hold_to_theirs(path: Path) -> None:
    assert [error.message for error in validator("layout.json").iter_errors(read(path.read_bytes(), "f").root)] == []


@pytest.mark.parametrize(
    ("name", "given", "fine"),
    [
        ("inventory.json", {"version": 1, "include": "a.yml"}, True),
        ("inventory.json", {"version": 1, "include": ["a.yml"]}, True),
        ("inventory.json", {"version": 1, "defaults": {"connection": {"transport": None}, "vars": {"é1": 5}}}, True),
        ("inventory.json", {"version": 1, "offices": {"épinal": {"workstations": {"pc-[01:03]": {}}}}}, True),
        ("inventory.json", {"version": 1, "offices": {"a b": {}}}, False),
        ("inventory.json", {"version": 1, "offices": {"a": {"workstations": {"pc-[01": {}}}}}, False),
        ("inventory.json", {"version": 1, "nmae": "x"}, False),
        ("inventory.json", {"version": 1, "name": 54}, False),
        ("inventory.json", {"version": 2}, False),
        ("inventory.json", {"version": 1, "secrets": {"a": {"kind": "command", "run": ["x"]}}}, False),
        ("playbook.json", {"select": ["all"], "rollout": {"waves": [1, "10%"]}}, True),
        ("playbook.json", {"select": "all", "probes": ["servers"]}, True),
        ("playbook.json", {"resources": ["server"]}, False),
    ],
)
def test_what_an_editor_sees(name: str, given: dict[str, Any], fine: bool) -> None:
    assert validator(name).is_valid(given) is fine


def test_every_schema_says_what_it_is() -> None:
    for name, text in documents().items():
        schema = json.loads(text)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["$id"] == f"urn:iea-fleet:schema:{name.removesuffix('.json')}:1"
        assert schema["description"]
