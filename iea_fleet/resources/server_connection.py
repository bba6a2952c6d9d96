"""The window « Paramètres de connexion »: the box « Sécurisé », the authentication and the update address.

Sources: the release note of V72 (19 March 2019) asks for « Sécurisé » and two https addresses; an older fiche (V70,
February 2019) appended ``:80`` to both hosts, and where both were applied in turn ``:80`` is left behind.

    server_connection:
      secure: true
      authentication_url: https://impact-emploi.urssaf.fr
      update_url: https://impact-emploi.urssaf.fr/updates
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from iea_fleet.model.layout import Key, Scalar, ServerConnectionFile
from iea_fleet.model.matrix import Cell, Difference
from iea_fleet.model.plan import Edit
from iea_fleet.model.request import Answer, ReadFile, Request
from iea_fleet.model.target import Target
from iea_fleet.resources import Answers, Knowledge, Marks, Observed, Unobserved
from iea_fleet.resources.settings_file import edit_file, observe_file

KIND = "server_connection"
ADDRESSES = ("authentication_url", "update_url")
_PORT_80 = re.compile(r":80(?=$|[/\s])")


def reads(target: Target, address: str, known: Mapping[Request, Answer]) -> tuple[ReadFile, ...]:  # noqa: ARG001 - the same for all kinds
    """One file."""
    return (ReadFile(target.files[address]),)


def observe(target: Target, address: str, answers: Answers, knowledge: Knowledge) -> Observed | Unobserved:  # noqa: ARG001 - the same for all kinds
    """The settings that the layout names, whether the inventory asks for them or not."""
    file, keys = _file(target)
    path = target.files[address]
    return observe_file(file, keys, path, answers(ReadFile(path)), switches=("secure",))


def wanted(target: Target, address: str, marks: Marks) -> Mapping[str, Scalar]:  # noqa: ARG001 - the same for all kinds
    """The settings that the inventory asks for."""
    assert target.server_connection is not None, address
    return target.server_connection.wanted()


def is_secret(setting: str) -> bool:  # noqa: ARG001 - the same for all kinds
    """None is."""
    return False


def same(setting: str, one: Scalar, other: Scalar) -> bool:
    """Only the case of the host and ``:443`` with https are no difference; ``:80`` always is one."""
    if setting in ADDRESSES and isinstance(one, str) and isinstance(other, str):
        return one == other or _plain(one) == _plain(other)
    return one == other and type(one) is type(other)


def note(setting: str, observed: Mapping[str, Scalar], wanted: Mapping[str, Scalar]) -> str:
    """Which of the known leftovers a difference is; several are joined by « and »."""
    found, want = observed.get(setting), wanted.get(setting)
    if setting not in ADDRESSES:
        return "« Sécurisé » is not ticked" if found is False else ""
    if not isinstance(found, str) or not isinstance(want, str):
        return ""
    other = ADDRESSES[1 - ADDRESSES.index(setting)]
    if same(setting, found, wanted.get(other)):
        return "the two addresses are swapped"
    return " and ".join(_leftovers(found, want))


def edits(target: Target, address: str, observed: Observed, differences: tuple[Difference, ...]) -> tuple[Edit, ...]:
    """One edit of one file; settings that do not differ are not written."""
    file, keys = _file(target)
    values = {difference.setting: difference.after for difference in differences}
    return (edit_file(file, keys, target.files[address], observed, values),)


def besides(target: Target, answers: Answers) -> tuple[Cell, ...]:  # noqa: ARG001 - the same for all kinds
    """Nothing."""
    return ()


def _file(target: Target) -> tuple[ServerConnectionFile, dict[str, Key]]:
    assert target.layout is not None
    assert target.layout.server_connection is not None
    file = target.layout.server_connection
    named = {setting: getattr(file.keys, setting) for setting in ("secure", *ADDRESSES)}
    return file, {setting: key for setting, key in named.items() if key is not None}


def _plain(address: str) -> SplitResult | str:
    """An address in the one form by which two that mean the same are equal."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return address
    host = (parts.hostname or "").lower()
    if port is not None and not (port == 443 and parts.scheme == "https"):
        host = f"{host}:{port}"
    # urlsplit strips blanks and folds the scheme's case: neither is the same address to IEA.
    kept = address.startswith(f"{parts.scheme}://") and address == address.strip() and "@" not in parts.netloc
    return parts._replace(netloc=host) if kept else address


def _leftovers(found: str, want: str) -> list[str]:
    leftovers = []
    bare = found.strip()
    if bare != found:
        leftovers.append("a blank at its beginning or end")
    if _PORT_80.search(bare) and not _PORT_80.search(want):
        leftovers.append("a leftover « :80 » of the fiche of V70")
        bare = _PORT_80.sub("", bare)
    if bare.startswith("http:") and want.startswith("https:"):
        leftovers.append("« http: » of before V72")
        bare = f"https:{bare.removeprefix('http:')}"
    if want.endswith("/updates") and same("update_url", bare.rstrip("/"), want.removesuffix("/updates")):
        leftovers.append("« /updates » is missing")
    elif bare != want and same("update_url", bare.rstrip("/"), want.rstrip("/")):
        leftovers.append("a « / » too many or too few at its end")
    return leftovers
