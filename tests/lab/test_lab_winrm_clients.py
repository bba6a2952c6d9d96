"""Clients that are not ours: the endpoint speaks the protocol, not only our dialect of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pypsrp.client import Client
from winrm.protocol import Protocol
from winrm_endpoints import PASSWORD, USER, Endpoints, endpoints

from iea_fleet.lab.powershell import shipped_command_line
from iea_fleet.lab.winrm_server import WinrmWorkstation

WAYS = [
    ("basic", True, "auto"),
    ("ntlm", True, "auto"),
    ("negotiate", True, "auto"),
    ("ntlm", True, "always"),
    ("ntlm", False, "auto"),
    ("negotiate", False, "auto"),
]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Endpoints]:
    with endpoints(tmp_path) as running:
        yield running


def pypsrp_client(lab: Endpoints, one: WinrmWorkstation, auth: str, encryption: str = "auto", **more: object) -> Client:
    known = {"username": USER, "password": PASSWORD, "no_proxy": True, **more}
    trust = lab.ca if one.tls else True
    return Client(
        "127.0.0.1", port=one.port, ssl=one.tls, auth=auth, encryption=encryption, cert_validation=trust, **known
    )


@pytest.mark.parametrize(("auth", "tls", "encryption"), WAYS)
def test_pypsrp_runs_a_command(lab: Endpoints, auth: str, tls: bool, encryption: str) -> None:
    one = lab.add(tls=tls)
    with pypsrp_client(lab, one, auth, encryption) as client:
        out, err, code = client.execute_cmd("dir")
    assert (out, code) == ("", 1)
    assert err.startswith("'dir' is not recognized as an internal or external command")
    assert len(one.shells) == 0
    assert one.account.refusals == 0


@pytest.mark.parametrize("tls", [True, False])
def test_pywinrm_runs_the_agent_by_its_standard_input(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    scheme = "https" if tls else "http"
    client = Protocol(
        f"{scheme}://127.0.0.1:{one.port}/wsman",
        transport="ntlm",
        username=USER,
        password=PASSWORD,
        ca_trust_path=lab.ca,
        proxy=None,
    )
    shell = client.open_shell(codepage=65001)
    command = client.run_command(shell, shipped_command_line())
    client.send_command_input(shell, command, b"IEA1 nonsense\r\n")
    client.send_command_input(shell, command, b"", end=True)
    out, err, code = client.get_command_output(shell, command)
    client.cleanup_command(shell, command)
    client.close_shell(shell)
    assert (out, err, code) == (b"", b"", 90)
    assert one.account.refusals == 0
