"""The same push through Debian's sshd in ini, xml and json: the values change, and no other byte."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from sshd_network import Network


class Sample(NamedTuple):
    """A settings file, where its settings stand, and the place of « Sécurisé » before and after."""

    content: str
    keys: tuple[str, str, str]
    unticked: str
    ticked: str


SAMPLES = {
    "ini": Sample(
        "; réglages\r\n[Connexion]\r\nSecurisee = N\r\n\r\n[Serveur]\r\nAuth=AUTH\r\nMaj = UPDATE\r\nAutre=1",
        ("Connexion/Securisee", "Serveur/Auth", "Serveur/Maj"),
        "Securisee = N",
        "Securisee = O",
    ),
    "xml": Sample(
        """<?xml version="1.0" encoding="ISO-8859-1"?>\r\n<!-- réglages -->\r\n<iea>\r\n"""
        """  <connexion   securisee='N' >\r\n    <auth>AUTH</auth><maj>UPDATE</maj>\r\n"""
        """  </connexion>\r\n  <autre note="&lt;1&gt;"/>\r\n</iea>\r\n""",
        ("connexion/@securisee", "connexion/auth", "connexion/maj"),
        "securisee='N'",
        "securisee='O'",
    ),
    "json": Sample(
        """{\r\n\t"connexion": {"securisee": "N" , "auth":"AUTH",\r\n\t"maj": "UPDATE"},\r\n"""
        """  "autre": [1.50, "\\u00e9"]\r\n}""",
        ("connexion/securisee", "connexion/auth", "connexion/maj"),
        '"securisee": "N"',
        '"securisee": "O"',
    ),
}


def filled(text: str, authentication_url: str, update_url: str) -> bytes:
    return text.replace("AUTH", authentication_url).replace("UPDATE", update_url).encode("latin-1")


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_push_in_the_other_formats(network: Network, name: str) -> None:
    sample, urls = SAMPLES[name], network.servers
    keys = {
        setting: {"key": key}
        for setting, key in zip(("secure", "authentication_url", "update_url"), sample.keys, strict=True)
    }
    keys["secure"] = {"key": sample.keys[0], "values": {"O": True, "N": False}}  # type: ignore[dict-item]
    network.layout["server_connection"] = {"file": f"connexion.{name}", "format": name, "keys": keys}
    # The maintenance program of these tests reads properties alone.
    del network.layout["state_file"], network.layout["actions"]
    for workstation in network.names:
        old = filled(sample.content, "http://127.0.9.9:80", "http://127.0.9.9:80/updates")
        (network.home(workstation) / f"connexion.{name}").write_bytes(old)
    expected = filled(sample.content.replace(sample.unticked, sample.ticked), urls.authentication_url, urls.update_url)
    done = network.apply(playbook={"version": 1, "name": "servers", "probes": ["servers"]})
    assert (done.code, done.document["summary"]) == (0, {"changed": 3})
    for workstation in network.names:
        assert (network.home(workstation) / f"connexion.{name}").read_bytes() == expected
    assert network.run("drift").code == 0
