"""Which version of IEA is installed, and whether the layout is made for it.

Source: release notes of 2019 to 2024, which write V72, V-70, V.3.01.002 and 3.02.004.

    probes: [version]
"""

from __future__ import annotations

from iea_fleet.errors import SettingsFormatError
from iea_fleet.formats import format_named
from iea_fleet.model.matrix import OK, Cell, Status
from iea_fleet.model.request import Absent, Answer, Failed, FileContent, ReadFile
from iea_fleet.model.target import Target
from iea_fleet.model.version import IeaVersion, VersionRange

NAME = "version"
ADDRESS = "version.installed"


def reads(target: Target) -> tuple[ReadFile, ...]:
    """The version file, where the layout knows one."""
    return (ReadFile(target.files["version_file"]),) if "version_file" in target.files else ()


def installed(target: Target, answer: Answer | None) -> tuple[IeaVersion | None, str]:
    """The version that the answer to the read shows; None with the reason when it cannot be told."""
    if target.layout is None or target.layout.version_file is None or answer is None:
        return None, "the layout names no version file"
    file = target.layout.version_file
    match answer:
        case FileContent(content):
            try:
                text = format_named(file.format).read(content, [file.key], file.encoding).get(file.key)
                return IeaVersion.parse(str(text or "")), ""
            except (SettingsFormatError, ValueError) as error:
                return None, str(error)
        case Absent():
            return None, "there is no version file"
        case Failed(_, reason):
            return None, reason
        case _:
            raise AssertionError(f"a read was answered by {type(answer).__name__}")


def outside_layout(target: Target, version: IeaVersion) -> bool:
    """Whether the layout is made for other versions than this one."""
    versions = target.layout.versions if target.layout else None
    return versions is not None and version not in VersionRange.parse(versions)


def judge(target: Target, answer: Answer | None) -> Cell:
    """The verdict on the installed version."""
    version, why = installed(target, answer)
    if version is None:
        return Cell(ADDRESS, Status.UNKNOWN, why, "no_version")
    if outside_layout(target, version):
        assert target.layout is not None
        reason = f"version {version} is not one that layout {target.layout.name} is made for ({target.layout.versions})"
        return Cell(ADDRESS, Status.WARN, reason, "version_outside_layout")
    return Cell(ADDRESS, OK, str(version), "")
