"""What a layout has to hold to, and the absolute paths it gives for one workstation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from iea_fleet.core import templates
from iea_fleet.core.faults import Notes, Steps, dotted, nearest
from iea_fleet.core.templates import Template, TemplateError, not_a_file_name
from iea_fleet.model.layout import FormatName, Key, Layout, SettingsFile
from iea_fleet.model.request import REGISTRY
from iea_fleet.model.target import UserFiles

USER_FILES = "net_entreprises"

_SEALED = (USER_FILES, "keys", "password")
_STDIN = (["value"], ["iea_password", "value"])
_ABSOLUTE = {"windows": re.compile(r"[A-Za-z]:/"), "posix": re.compile(r"/(?!/)")}
_EXAMPLE = {"windows": "C:/ProgramData/ImpactEmploi", "posix": "/srv/impact-emploi"}
_HIVE = "HKLM\\"
_OF_A_PERSON = re.compile(r"HKCU|HKEY_CURRENT_USER", re.IGNORECASE)
_XML_NAME = re.compile(r"(?:[^\W\d][\w.-]*:)?[^\W\d][\w.-]*")


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of a layout as templates; ``users`` is the file of one user.

    ``files`` are relative to ``root``, but for keys of the registry, which begin with ``HKLM/``.
    """

    os: str
    root: Template
    private: Template
    files: Mapping[str, Template]
    users: Template | None

    @property
    def names(self) -> frozenset[str]:
        """Every variable that is used."""
        used = [self.root, self.private, *self.files.values(), *([self.users] if self.users else [])]
        return frozenset[str]().union(*(template.names for template in used))

    def fill(self, values: Mapping[str, str]) -> dict[str, str]:
        """The absolute path of each file but those of users, and of the private folder.

        TemplateError names the variable that does not fit.
        """
        root = self._checked(self.root, values)
        files = {name: self._place(root, file, values) for name, file in self.files.items()}
        return {**files, "private": self._checked(self.private, values).rstrip("/")}

    def fill_user(self, user: str, values: Mapping[str, str]) -> str:
        """The absolute path of one user's file; only of a layout that has ``users``."""
        assert self.users is not None
        full = {**values, "user": user}
        return self._place(self._checked(self.root, full), self.users, full)

    def user_files(self, values: Mapping[str, str]) -> UserFiles | None:
        """Where the files of users stand, if one part of their path is made of the user's name.

        None for keys of the registry: nothing lists those.
        """
        if self.users is None or self._is_key(self.users):
            return None
        marker = "\0"
        path = _below(self._checked(self.root, values), self.users.fill({**values, "user": marker}))
        if path.count(marker) != 1:
            return None
        start, end = path.split(marker)
        folder, _, before = start.rpartition("/")
        after, slash, rest = end.partition("/")
        return UserFiles(folder, before, after, slash + rest)

    def _is_key(self, template: Template) -> bool:
        """Whether it leads into the registry, by what the layout itself says: no value of a variable can."""
        first = template.parts[0] if template.parts else ""
        return self.os == "windows" and isinstance(first, str) and first.startswith(REGISTRY)

    def _place(self, root: str, template: Template, values: Mapping[str, str]) -> str:
        path = self._checked(template, values)
        return path if self._is_key(template) else _below(root, path)

    def _checked(self, template: Template, values: Mapping[str, str]) -> str:
        for name in sorted(template.names):
            if name in values and (reason := not_a_file_name(values[name])):
                remedy = "it becomes part of a path on the workstation; give it another value"
                raise TemplateError(f"`{values[name]}` {reason}", remedy, name)
        filled = template.fill(values)
        rules = "posix" if self._is_key(template) else self.os
        if template.names and (reason := _bad_segment(filled, rules)):
            raise TemplateError(f"makes the path {filled}, of which a part {reason}", "choose other names")
        return filled


def _below(root: str, file: str) -> str:
    return f"{root.rstrip('/')}/{file}"


def _bad_segment(path: str, os: str) -> str:
    """Why a path is not taken, or "". A drive and the slash of the root are left aside."""
    start = _ABSOLUTE[os].match(path)
    for segment in path[start.end() if start else 0 :].removesuffix("/").split("/"):
        if segment in ("", ".", ".."):
            return "is empty" if not segment else f"is {segment}"
        if os == "windows" and (reason := not_a_file_name(segment)):
            return reason
    return ""


def check_layout(layout: Layout, notes: Notes) -> Paths | None:
    """Note what is wrong with a layout by itself; its paths when they can be filled."""
    _keys(layout, notes)
    _accounts(layout, notes)
    before = len(notes.found)
    root = _template(("root",), layout.root, layout, notes)
    private = _template(("private",), layout.private, layout, notes)
    files: dict[str, Template] = {}
    users: Template | None = None
    for name, part in _settings_files(layout):
        if part.format == "registry":
            template = _registry_key(name, part, layout, notes)
        else:
            template = _template((name, "file"), part.file, layout, notes)
        if name == USER_FILES:
            users = template
        else:
            files[name] = template
            if part.scope == "office":
                remedy = f"delete it; {USER_FILES} alone can be kept once for an office"
                notes.add((name, "scope"), "is office, and this file is read on each workstation", remedy)
    if layout.application is not None:
        path = ("application", "lock_file")
        files["lock_file"] = _template(path, layout.application.lock_file, layout, notes)
    if len(notes.found) > before:
        return None
    if layout.os == "windows" and layout.root[0].casefold() != layout.private[0].casefold():
        remedy = f"move it to {layout.root[:2]}, where the settings are: Windows swaps files within one drive alone"
        notes.add(("private",), "is on another drive than root", remedy, needs=(("root",),))
        return None
    return Paths(layout.os, root, private, files, users)


def _accounts(layout: Layout, notes: Notes) -> None:
    """Warn of what a layout leaves open where passwords are concerned."""
    kept = layout.net_entreprises
    if kept is None:
        return
    if kept.keys.password.seal is None and kept.format == "registry":
        wrong = "keeps passwords as they are in the registry, which everybody on the workstation can read"
        notes.add((USER_FILES,), wrong, "seal the password, or keep the accounts in files with private: true")
    elif kept.keys.password.seal is None and not kept.private:
        odd = "keeps passwords as they are in files that others on the workstation may read"
        notes.warn((USER_FILES,), odd, "add private: true, or seal the password")
    if layout.application is None:
        odd = "does not say how to tell that IEA is open, and accounts are written while it is closed"
        notes.warn((USER_FILES,), odd, "add application: {lock_file: …}")


def _settings_files(layout: Layout) -> Iterator[tuple[str, SettingsFile]]:
    for name in ("version_file", "state_file", "server_connection", USER_FILES):
        part = getattr(layout, name)
        if part is not None:
            yield name, part


def _registry_key(name: str, part: SettingsFile, layout: Layout, notes: Notes) -> Template:
    r"""The path of a key, ``HKLM/…``; noted where it is none. People write it with ``\``, and so does the layout."""
    path, key = (name, "file"), part.file
    if layout.os != "windows":
        notes.add((name, "format"), "is registry, which Windows alone has", "choose another format, or os: windows")
    elif _OF_A_PERSON.match(key):
        wrong = "belongs to whoever is logged in, and iea-fleet comes as somebody else"
        notes.add(path, wrong, "only keys of the machine can be kept, below HKLM\\")
    elif not key.startswith(_HIVE):
        notes.add(path, "is no key of the machine", "write it like HKLM\\SOFTWARE\\Impact emploi\\Connexion")
    elif "/" in key:
        notes.add(path, "holds /", "write it with \\; a key whose name holds / cannot be kept")
    elif key.endswith("\\"):
        notes.add(path, "ends in \\", "name the key that holds the values")
    elif reason := _bad_segment(key.replace("\\", "/"), "posix"):
        notes.add(path, f"is a key of which a part {reason}", "write each part out")
    for field, given, remedy in (
        ("private", part.private, "delete it; a key has the rights of the key above it"),
        ("encoding", part.encoding is not None, "delete it; the registry has its own"),
        ("new", part.new is not None and part.new != "", 'write new: "", which starts from a key without values'),
    ):
        if given:
            notes.add((name, field), "does not go with format: registry", remedy)
    return _read((name, "file"), key.replace("\\", "/"), notes) or Template(("",))


def _read(path: Steps, text: str, notes: Notes) -> Template | None:
    """The template, noted where it is none or uses what is not known."""
    try:
        template = templates.read(text)
        allowed = ["workstation", "office", *(["user"] if path[0] == USER_FILES else [])]
        for name in sorted(template.names):
            if name not in allowed and not re.fullmatch(r"vars\.[^.]+", name):
                remedy = nearest(name, [*allowed, "vars.<name>"])
                raise TemplateError(f"unknown variable `{name}`", remedy)
    except TemplateError as error:
        notes.add(path, error.wrong, error.remedy)
        return None
    return template


def _template(path: Steps, text: str, layout: Layout, notes: Notes) -> Template:
    template = _read(path, text, notes)
    if template is None:
        return Template(("",))
    sample = template.fill(dict.fromkeys(template.names, "x"))
    absolute = _ABSOLUTE[layout.os].match(text) is not None
    if "\\" in text:
        notes.add(path, "holds \\", "write paths with /, on Windows too")
    elif path[0] in ("root", "private") and not absolute:
        notes.add(path, "is no absolute path", f"write it like {_EXAMPLE[layout.os]}")
    elif path[0] not in ("root", "private") and (absolute or text.startswith("/")):
        notes.add(path, "is an absolute path", "write it as it stands below root")
    elif layout.os == "windows" and text.startswith(REGISTRY):
        notes.add(path, "is a key of the registry", "write format: registry and the key with \\, or name a file")
    elif reason := _bad_segment(sample, layout.os):
        notes.add(path, f"is a path of which a part {reason}", "write each part out")
    return template


def _keys(layout: Layout, notes: Notes) -> None:
    for path, key, format_name in _named_keys(layout):
        if reason := _bad_key(key, format_name):
            notes.add(path, reason, _KEY_FORMS[format_name])
    for path, described in _described_keys(layout):
        if described.seal is not None and described.seal not in layout.actions:
            remedy = nearest(described.seal, layout.actions, "actions")
            notes.add((*path, "seal"), f"there is no action `{described.seal}`", remedy, needs=(("actions",),))
        elif described.seal is not None and path != _SEALED:
            remedy = f"delete it; {dotted(_SEALED)} alone may have one"
            notes.add((*path, "seal"), "seals a value that is no password", remedy)
        elif described.seal is not None and sorted(layout.actions[described.seal].stdin) not in _STDIN:
            where = ("actions", described.seal, "stdin")
            notes.add(where, "is not what an action that seals is given", "write [value] or [iea_password, value]")
    connection = layout.server_connection
    if connection is not None and (secure := connection.keys.secure) is not None:
        known = set((secure.values or {}).values())
        if (secure.values is not None or connection.format != "json") and known != {True, False}:
            remedy = 'write which text means which, like values: {"O": true, "N": false}'
            path = ("server_connection", "keys", "secure")
            notes.add(path, "does not say which texts mean true and false", remedy, at_key=True, needs=(path,))


_KEY_FORMS: dict[FormatName, str] = {
    "properties": "write the key as it stands in the file",
    "ini": "write it as section/option",
    "xml": "write the elements below the root with /, and an attribute as @name at the end",
    "json": "write the keys from the outside in with /",
    "registry": "write the name of the value, or @ for the one without a name",
}


def _bad_key(key: str, format_name: FormatName) -> str:
    parts = key.split("/")
    if format_name in ("properties", "registry"):
        return ""
    if not all(parts):
        return "has an empty part between its /"
    if format_name == "ini" and len(parts) != 2:
        return "is no section and option"
    if format_name == "xml":
        names = [*parts[:-1], parts[-1].removeprefix("@")]
        bad = next((name for name in names if not _XML_NAME.fullmatch(name)), None)
        return f"holds `{bad}`, which is no XML name" if bad is not None else ""
    return ""


def _described_keys(layout: Layout) -> Iterator[tuple[Steps, Key]]:
    for name in ("server_connection", USER_FILES):
        part = getattr(layout, name)
        if part is not None:
            for field in type(part.keys).model_fields:
                if (key := getattr(part.keys, field)) is not None:
                    yield (name, "keys", field), key


def _named_keys(layout: Layout) -> Iterator[tuple[Steps, str, FormatName]]:
    for path, key in _described_keys(layout):
        yield (*path, "key"), key.key, getattr(layout, str(path[0])).format
    if layout.version_file is not None:
        yield ("version_file", "key"), layout.version_file.key, layout.version_file.format
    if layout.state_file is not None:
        yield ("state_file", "key"), layout.state_file.key, layout.state_file.format
        if layout.state_file.reason is not None:
            yield ("state_file", "reason"), layout.state_file.reason, layout.state_file.format
