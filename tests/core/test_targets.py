"""Targets: what resolving an inventory gives, without any file."""

from typing import Any

import pytest

from iea_fleet.core.faults import Fault, Gaps, Notes, nearest, printable
from iea_fleet.core.joining import join
from iea_fleet.core.layout_rules import check_layout
from iea_fleet.core.targets import KnownLayout, LayoutName, resolve
from iea_fleet.model.inventory import InventoryFile
from iea_fleet.model.layout import Layout
from iea_fleet.model.playbook import Playbook
from iea_fleet.model.target import SshConnection, Target, WinrmConnection

LAYOUT = {
    "version": 1,
    "name": "l",
    "os": "windows",
    "root": "C:/Impact/",
    "private": "C:/iea-fleet",
    "version_file": {"file": "{{ office }}/{{ workstation }}.ini", "format": "ini", "key": "a/b"},
    "application": {"lock_file": "open.lock"},
    "net_entreprises": {
        "file": "u/{{ vars.site }}-{{ user }}.xml",
        "format": "xml",
        "keys": {name: {"key": name} for name in ("siret", "nom", "prenom", "password", "service")},
    },
    "server_connection": {"file": "c.json", "format": "json", "keys": {"secure": {"key": "secure"}}},
}


def known(described: dict[str, Any]) -> KnownLayout:
    layout = Layout.model_validate(described)
    notes = Notes(lambda _path: "l.yml")
    paths = check_layout(layout, notes)
    assert paths is not None, notes.found
    return KnownLayout(layout, paths)


def targets(
    offices: dict[str, Any], playbook: Playbook | None = None, layout: dict[str, Any] = LAYOUT, **rest: Any
) -> list[Target]:
    given = {"version": 1, "name": "n", "layout": "l.yml", "offices": offices, **rest}
    inventory, notes = join([("main.yml", InventoryFile.model_validate(given))])
    assert notes.found == {}
    notes = Notes(inventory.file_of)
    layouts = {LayoutName("main.yml", "l.yml"): known(layout)}
    found = resolve(inventory, layouts, playbook or Playbook(), notes)
    assert notes.found == {}
    return found


SSH = {"connection": {"transport": "ssh", "user": "u", "agent": True}}


def test_ranges_templates_and_paths() -> None:
    first, last = targets(
        {
            "nancy": {
                "vars": {"site": 54},
                "users": {"Dupont": {}},
                "workstations": {
                    "pc-[09:10]": {"address": "{{ name }}.{{ office }}.{{ vars.site }}-{{ index }}.example.org"}
                },
            }
        },
        defaults=SSH,
    )
    assert (first.name, first.address) == ("pc-09", "pc-09.nancy.54-9.example.org")
    assert (last.name, last.address) == ("pc-10", "pc-10.nancy.54-10.example.org")
    assert first.files == {
        "private": "C:/iea-fleet",
        "version_file": "C:/Impact/nancy/pc-09.ini",
        "server_connection": "C:/Impact/c.json",
        "lock_file": "C:/Impact/open.lock",
        "net_entreprises.Dupont": "C:/Impact/u/54-Dupont.xml",
    }


def test_a_workstation_overrides_its_office() -> None:
    first, second = targets(
        {
            "nancy": {
                "vars": {"site": 1},
                "users": {"d": {}},
                "server_connection": {"secure": True},
                "workstations": {
                    "a": {"address": "a"},
                    "b": {
                        "address": "b",
                        "vars": {"site": 2},
                        "server_connection": None,
                        "connection": {"transport": "winrm", "user": "w", "password": "env:P", "tls": False},
                    },
                },
            }
        },
        defaults=SSH,
        secrets={"env": {"kind": "env", "names": ["P"]}},
    )
    assert first.connection == SshConnection(user="u", agent=True)
    assert second.connection == WinrmConnection(user="w", password="env:P", tls=False, port=5985)
    assert first.resources == ("server_connection",)
    assert second.resources == ()
    assert second.files["net_entreprises.d"] == "C:/Impact/u/2-d.xml"


def test_a_workstation_without_tls_inherits_no_certificate() -> None:
    winrm = {"transport": "winrm", "user": "w", "password": "env:P", "ca_file": "ca.pem"}
    sealed, pinned, other_port = targets(
        {
            "n": {
                "workstations": {
                    "a": {"address": "a", "connection": {"tls": False}},
                    "b": {"address": "b", "connection": {"certificate": "sha256:" + "0" * 64}},
                    "c": {"address": "c", "connection": {"tls": False, "port": 15985, "auth": "ntlm"}},
                }
            }
        },
        defaults={"connection": winrm},
        secrets={"env": {"kind": "env", "names": ["P"]}},
    )
    assert sealed.connection == WinrmConnection(user="w", password="env:P", tls=False, port=5985)
    assert pinned.connection == WinrmConnection(
        user="w", password="env:P", port=5986, certificate="sha256:" + "0" * 64, ca_file="ca.pem"
    )
    assert other_port.connection == WinrmConnection(user="w", password="env:P", tls=False, port=15985, auth="ntlm")


def test_keys_of_the_registry_are_paths_of_their_own() -> None:
    described = {
        **LAYOUT,
        "server_connection": {
            "file": "HKLM\\SOFTWARE\\Apple Inc.\\{{ vars.site }}",
            "format": "registry",
            "keys": {"update_url": {"key": "a/b"}},
        },
        "net_entreprises": {
            **LAYOUT["net_entreprises"],
            "file": "HKLM\\SOFTWARE\\IEA\\{{ user }}",
            "format": "registry",
            "keys": {**LAYOUT["net_entreprises"]["keys"], "password": {"key": "p", "seal": "seal"}},
        },
        "actions": {"seal": {"run": ["C:/seal.exe"]}},
    }
    (first,) = targets(
        {"nancy": {"vars": {"site": "54"}, "users": {"Dupont": {}}, "workstations": {"n-1": {"address": "a"}}}},
        layout=described,
        defaults=SSH,
    )
    assert first.files["server_connection"] == "HKLM/SOFTWARE/Apple Inc./54"
    assert first.files["net_entreprises.Dupont"] == "HKLM/SOFTWARE/IEA/Dupont"
    assert first.user_files is None


def test_no_value_of_a_variable_leads_into_the_registry() -> None:
    described = {
        **LAYOUT,
        "version_file": {"file": "{{ vars.site }}/SOFTWARE/iea.ini", "format": "ini", "key": "a/b"},
        "net_entreprises": None,
    }
    (first,) = targets(
        {"nancy": {"vars": {"site": "HKLM"}, "workstations": {"n-1": {"address": "a"}}}}, layout=described, defaults=SSH
    )
    assert first.files["version_file"] == "C:/Impact/HKLM/SOFTWARE/iea.ini"


def test_by_hand() -> None:
    (portable, kiosk) = targets(
        {
            "nancy": {
                "workstations": {
                    "portable": {"layout": "none"},
                    "kiosk": {"connection": {"transport": "none"}},
                }
            }
        },
        defaults=SSH,
    )
    assert portable.guided
    assert portable.address is None
    assert kiosk.guided
    assert kiosk.layout is not None


def test_transfers_belong_to_the_server_or_to_the_first() -> None:
    office: dict[str, Any] = {
        "workstations": {"a": {"address": "a"}, "b": {"address": "b"}},
        "transfers": {"t": {"source": "x", "destination": "y"}},
    }
    assert [target.resources for target in targets({"n": office}, defaults=SSH)] == [("transfer.t",), ()]
    office["server"] = "b"
    assert [target.resources for target in targets({"n": office}, defaults=SSH)] == [(), ("transfer.t",)]
    only = Playbook.model_validate({"resources": ["software"]})
    assert [target.resources for target in targets({"n": office}, only, defaults=SSH)] == [(), ()]


def test_the_same_address_on_another_port_or_behind_another_jump_host_is_another() -> None:
    jump = {"address": "bastion", "user": "u", "host_keys": ["ssh-ed25519 AAAA"]}
    found = targets(
        {
            "n": {
                "workstations": {
                    "a": {"address": "10.0.0.1"},
                    "b": {"address": "10.0.0.1", "connection": {"port": 2222}},
                    "c": {"address": "10.0.0.1", "connection": {"jump": jump}},
                    "d": {"address": "10.0.0.1", "layout": "none", "connection": {"transport": "none"}},
                }
            }
        },
        defaults=SSH,
    )
    assert len(found) == 4


@pytest.mark.parametrize(
    ("left_out", "certain"),
    [
        ((), False),
        (("identities",), False),
        (("identites",), False),
        (("identities", "ligue"), False),
        (("identities", "ligue-54"), False),
        (("identities", "other"), True),
        (("offices",), True),
        (("identities", "ligue", "siret"), False),
        (("identities", "other", "siret"), True),
    ],
)
def test_what_may_follow_from_another_mistake_is_not_said(left_out: tuple[str, ...], certain: bool) -> None:
    fault = Fault("f", ("x",), "there is no identity", needs=(("identities", "ligue"),))
    assert Gaps([left_out]).may_explain(fault) is not certain
    assert not Gaps([left_out]).may_explain(Fault("f", ("x",), "is wrong by itself"))


def test_words_about_names() -> None:
    assert nearest("Adress", ["tags", "address"]) == "did you mean `address`?"
    assert nearest("zzz", [f"n{number}" for number in range(30)]).endswith("n19 and 10 more")
    assert nearest("zzz", []) == "declare it first"
    assert printable("a\x1b[31mé\u202e") == "a\\u001b[31mé\\u202e"
    assert printable("x" * 1000) == "x" * 500 + "…"
