"""Clients that are not ours: the endpoint speaks the protocol, not only our dialect of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from winrm import Session
from winrm_endpoints import PASSWORD, USER, Endpoints, endpoints, pypsrp_client, pywinrm_client
from winrm_messages import batch

from iea_fleet.lab.powershell import shipped_command_line
from iea_fleet.model.request import ReadFile
from iea_fleet.transports.windows import frames

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


@pytest.mark.parametrize(("auth", "tls", "encryption"), WAYS)
def test_pypsrp_runs_a_command(lab: Endpoints, auth: str, tls: bool, encryption: str) -> None:
    one = lab.add(tls=tls)
    with pypsrp_client(lab, one, auth, encryption) as client:
        out, err, code = client.execute_cmd("dir")
    assert (out, code) == ("", 1)
    assert err.startswith("'dir' is not recognized as an internal or external command")
    assert len(one.shells) == 0
    assert one.account.refusals == 0


@pytest.mark.parametrize(("auth", "tls"), [("basic", True), ("ntlm", True), ("ntlm", False)])
def test_pywinrm_runs_the_agent_by_its_standard_input(lab: Endpoints, auth: str, tls: bool) -> None:
    one = lab.add(tls=tls)
    client = pywinrm_client(lab, one, auth=auth)
    shell = client.open_shell(codepage=65001)
    command = client.run_command(shell, shipped_command_line())
    whole = batch(ReadFile("C:/ProgramData/ImpactEmploi/connexion.properties"))
    client.send_command_input(shell, command, whole[:5000])
    client.send_command_input(shell, command, whole[5000:], end=True)
    out, err, code = client.get_command_output(shell, command)
    client.cleanup_command(shell, command)
    client.close_shell(shell)
    assert (err, code) == (b"", 0)
    assert b"\ncontent " in frames.read_answer(out)
    assert one.account.refusals == 0


@pytest.mark.parametrize("tls", [True, False])
def test_what_else_pywinrm_asks_for_is_refused(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    session = Session("127.0.0.1", auth=(USER, PASSWORD))
    session.protocol = pywinrm_client(lab, one)
    other = session.run_cmd("ipconfig", ["/all"])
    assert other.status_code == 1
    assert other.std_err.startswith(b"'ipconfig' is not recognized as an internal or external command")
    script = session.run_ps("Get-Process")
    assert script.status_code == 1
    assert b"stand-in of the lab" in script.std_err
    assert len(one.shells) == 0
