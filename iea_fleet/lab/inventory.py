"""The lab as an inventory: offices, workstations, and the file that a person would have written about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iea_fleet.lab.identities import SERVICE_CODE, WHO
from iea_fleet.lab.kinds import Kind
from iea_fleet.lab.network import HOST
from iea_fleet.lab.secret_files import FOLDER, IDENTITY, OF_WINRM, of_account, reference
from iea_fleet.lab.ssh_server import USER
from iea_fleet.lab.users import users

_PLACES = (
    ("nancy", "Maison des associations, Nancy"),
    ("toul", "Antenne de Toul"),
    ("epinal", "Comité départemental, Épinal"),
    ("metz", "Maison des sports, Metz"),
    ("bar-le-duc", "Foyers ruraux, Bar-le-Duc"),
    ("verdun", "Antenne de Verdun"),
    ("luneville", "Centre socioculturel, Lunéville"),
    ("saint-die", "Antenne de Saint-Dié-des-Vosges"),
    ("thionville", "Maison des associations, Thionville"),
    ("sarreguemines", "Antenne de Sarreguemines"),
    ("strasbourg", "Maison des syndicats, Strasbourg"),
    ("colmar", "Centre Europe, Colmar"),
    ("mulhouse", "Carré des associations, Mulhouse"),
    ("selestat", "Antenne de Sélestat"),
    ("reims", "Maison de la vie associative, Reims"),
    ("troyes", "Maison des associations, Troyes"),
    ("chaumont", "Ligue de l'enseignement, Chaumont"),
    ("charleville", "Antenne de Charleville-Mézières"),
    ("chalons", "Comité régional, Châlons-en-Champagne"),
    ("vittel", "Antenne de Vittel"),
)
_OFFICES = "offices:                             # their users deposit with these accounts"
_PLAIN = re.compile(r"[A-Za-z0-9/_][\w/.+-]*")


@dataclass(frozen=True, slots=True)
class Office:
    """A place with the names of its workstations."""

    name: str
    title: str
    workstations: tuple[str, ...]

    @property
    def standalone(self) -> bool:
        """Whether it is a monoposte."""
        return len(self.workstations) == 1


def lay_out(offices: int, workstations: int) -> list[Office]:
    """So many offices with so many workstations in all, spread evenly; at least one in each.

    >>> [office.workstations for office in lay_out(2, 3)]
    [('nancy-01', 'nancy-02'), ('toul-01',)]
    """
    laid = []
    for number, size in enumerate(_shares(offices, workstations)):
        again, place = divmod(number, len(_PLACES))
        name, title = _PLACES[place]
        if again:
            name, title = f"{name}-{again + 1}", f"{title} ({again + 1})"
        digits = max(2, len(str(size)))
        laid.append(Office(name, title, tuple(f"{name}-{one:0{digits}}" for one in range(1, size + 1))))
    return laid


@dataclass(frozen=True, slots=True)
class Reached:
    """How one workstation is reached. ``proof`` is its host key, or the fingerprint of its certificate, if any."""

    port: int
    proof: str | None
    kind: Kind = "ssh"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the inventory asks for, with what its user comes in, and what opens its secrets (``recipient``, of age)."""

    authentication_url: str
    update_url: str
    key_file: Path
    ca_file: str
    proxy: str
    recipient: str


def inventory_text(name: str, wanted: Wanted, offices: Sequence[Office], reached: Mapping[str, Reached]) -> str:
    """The inventory as YAML. ``reached`` is by the name of the workstation."""
    places = (line for number, office in enumerate(offices) for line in _office(number, office, reached))
    return "\n".join((*_head(name), *_accounts(wanted), *_defaults(wanted), _OFFICES, *places, ""))


def _head(name: str) -> Iterator[str]:
    yield "# The simulated network of « iea-fleet lab up », written anew each time it starts."
    yield "# Every server in it is on this machine and speaks only to it."
    yield "version: 1"
    yield f"name: {json.dumps(name)}"
    yield "layout: lab                          # shipped with iea-fleet"
    yield ""


def _accounts(wanted: Wanted) -> Iterator[str]:
    yield f"secrets:                             # the identity that opens them: {IDENTITY}"
    yield "  age:"
    yield "    kind: age"
    yield f"    folder: {FOLDER}"
    yield f"    recipients: [{wanted.recipient}]"
    yield ""
    yield "net_entreprises_service:             # the lab's own, behind its proxy"
    yield "  environment: test"
    yield f"  proxy: {wanted.proxy}"
    yield f"  ca_file: {wanted.ca_file}"
    yield ""
    yield "identities:                          # Net-Entreprises accounts"
    for name, (siret, nom, prenom) in WHO.items():
        yield f"  {name}:"
        yield f'    siret: "{siret}"'
        yield f"    nom: {_scalar(nom)}"
        yield f"    prenom: {_scalar(prenom)}"
        yield f"    password: {reference(of_account(name))}"
        yield f'    service: "{SERVICE_CODE}"'
    yield ""


def _defaults(wanted: Wanted) -> Iterator[str]:
    yield "defaults:"
    yield "  connection:"
    yield "    transport: ssh"
    yield f"    user: {USER}"
    yield f"    key_file: {_scalar(str(wanted.key_file))}"
    yield "    timeout: 10"
    yield "  server_connection:                 # what every workstation should be set to"
    yield "    secure: true                     # the box « Sécurisé »"
    yield f"    authentication_url: {wanted.authentication_url}"
    yield f"    update_url: {wanted.update_url}"
    yield f"    ca_file: {wanted.ca_file}                  # the lab's own authority"
    yield ""


def _office(number: int, office: Office, reached: Mapping[str, Reached]) -> Iterator[str]:
    kind = "standalone         # monoposte" if office.standalone else "network            # réseau"
    yield f"  {office.name}:"
    yield f"    title: {office.title}"
    yield f"    installation: {kind}"
    yield "    users:"
    for user, identity in users(number, office.standalone).items():
        yield f"      {_scalar(user)}: {{net_entreprises: {identity or 'absent'}}}"
    yield "    workstations:"
    for name in office.workstations:
        yield f"      {name}:"
        yield f"        address: {HOST}"
        yield from (f"        {line}" for line in _connection(reached[name]))
    yield ""


def _connection(reached: Reached) -> Iterator[str]:
    if reached.kind != "ssh":
        yield "layout: lab-windows"
    if reached.kind in ("ssh", "ssh-windows"):
        yield f"connection: {{port: {reached.port}}}"
        yield f"host_keys: [{reached.proof}]"
        return
    yield "connection:"
    yield "  transport: winrm"
    yield f"  user: {USER}"
    yield f"  port: {reached.port}"
    yield f"  password: {reference(OF_WINRM)}"
    match reached.kind:
        case "winrm-sealed":
            yield "  tls: false                     # HTTP, each message sealed"
        case "winrm-basic":
            yield "  auth: basic"
            yield "  ca_file: ca.pem"
        case _:
            yield f"  certificate: {reached.proof}"


def _scalar(text: str) -> str:
    """Plain where YAML cannot mistake it, quoted otherwise (a JSON string is a YAML string)."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _shares(parts: int, whole: int) -> Iterator[int]:
    each, more = divmod(whole, parts)
    yield from (each + (number < more) for number in range(parts))
