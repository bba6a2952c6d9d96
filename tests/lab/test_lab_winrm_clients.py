"""Clients that are not ours: the endpoint speaks the protocol, not only our dialect of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from winrm_endpoints import Endpoints, endpoints, pypsrp_client, pywinrm_client

from iea_fleet.lab.powershell import shipped_command_line

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


@pytest.mark.parametrize("tls", [True, False])
def test_pywinrm_runs_the_agent_by_its_standard_input(lab: Endpoints, tls: bool) -> None:
    one = lab.add(tls=tls)
    client = pywinrm_client(lab, one)
    shell = client.open_shell(codepage=65001)
    command = client.run_command(shell, shipped_command_line())
    client.send_command_input(shell, command, b"IEA1 nonsense\r\n")
    client.send_command_input(shell, command, b"", end=True)
    out, err, code = client.get_command_output(shell, command)
    client.cleanup_command(shell, command)
    client.close_shell(shell)
    assert (out, err, code) == (b"", b"", 90)
    assert one.account.refusals == 0
