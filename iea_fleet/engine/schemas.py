"""JSON Schemas of what a user writes and of what we print, generated from the models: they cannot disagree."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from iea_fleet.model.inventory import InventoryFile
from iea_fleet.model.layout import Layout
from iea_fleet.model.part import Part
from iea_fleet.model.playbook import Playbook
from iea_fleet.reports import as_json, plan_as_json, runs_as_json
from iea_fleet.reports.accounts_as_json import accounts_schema
from iea_fleet.reports.doctor_as_json import doctor_schema
from iea_fleet.reports.leases_as_json import leases_schema
from iea_fleet.reports.secrets_as_json import secrets_schema
from iea_fleet.reports.windows_check_as_json import windows_check_schema

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# In the regular expressions of editors \w means ASCII letters alone. Names here may hold accents, so the schemas
# only refuse what is a blank or ASCII punctuation; `validate` is exact.
_NO_SIGN = r"\s!-,/:-@\[-^`{-~"
_EDITOR_PATTERNS = {
    r"^[^\W_](?:[\w.-]*[^\W_])?$": rf"^[^{_NO_SIGN}_.\-]([^{_NO_SIGN}]*[^{_NO_SIGN}_.\-])?$",
    r"^[^\W_](?:[\w.-]|\[\d+:\d+\])*$": rf"^[^{_NO_SIGN}_.\-]([^{_NO_SIGN}]|\[[0-9]+:[0-9]+\])*$",
}


def of_model(model: type[Part], title: str) -> dict[str, Any]:
    """The schema of one kind of file, as an editor wants it."""
    schema = _for_editors(model.model_json_schema(mode="validation"))
    assert isinstance(schema, dict)
    name = title.lower()
    return {"$schema": _DIALECT, "$id": f"urn:iea-fleet:schema:{name}:1", **schema, "title": f"iea-fleet: {name}"}


def _for_editors(node: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """The same schema with patterns that editors read as we do, and without keywords of other dialects."""
    if isinstance(node, list):
        return [_for_editors(item) for item in node]
    if not isinstance(node, dict):
        return node
    # `discriminator` is OpenAPI's, and `kind` with its constants says the same.
    kept = {key: _for_editors(value) for key, value in node.items() if key != "discriminator"}
    if isinstance(kept.get("pattern"), str):
        kept["pattern"] = _EDITOR_PATTERNS.get(kept["pattern"], kept["pattern"])
    if isinstance(kept.get("patternProperties"), dict):
        kept["patternProperties"] = {
            _EDITOR_PATTERNS.get(pattern, pattern): value for pattern, value in kept["patternProperties"].items()
        }
        # Without this a name that does not fit would be let through.
        kept["additionalProperties"] = False
    return kept


DOCUMENTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "inventory.json": lambda: of_model(InventoryFile, "Inventory"),
    "playbook.json": lambda: of_model(Playbook, "Playbook"),
    "layout.json": lambda: of_model(Layout, "Layout"),
    "run.json": as_json.schema,
    "runs.json": runs_as_json.schema,
    "leases.json": leases_schema,
    "accounts.json": accounts_schema,
    "secrets.json": secrets_schema,
    "doctor.json": doctor_schema,
    "windows-check.json": windows_check_schema,
    "plan.json": plan_as_json.schema,
}
"""What makes each schema; written once."""


def documents() -> dict[str, str]:
    """The text of every schema by its file name."""
    return {name: json.dumps(make(), ensure_ascii=False, indent=2) + "\n" for name, make in DOCUMENTS.items()}


def write(folder: Path) -> None:
    """Write every schema into a folder, which is made when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


def stale(folder: Path) -> list[str]:
    """The names of the schemas in a folder that are missing or not what the models say."""
    return [
        name
        for name, text in documents().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
