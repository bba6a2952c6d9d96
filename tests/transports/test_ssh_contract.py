"""The contract of transports, on OpenSSH with its built-in and its separate SFTP server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sshd import SFTP_PROGRAM, Sshd
from transport_contract import PosixContract, TransportContract


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server with a separate SFTP program and room for one session in a connection."""
    with Sshd(tmp_path_factory.mktemp("sshd"), Subsystem=f"sftp {SFTP_PROGRAM}", MaxSessions=1) as server:
        yield server


class TestBuiltInSftp(TransportContract, PosixContract):
    pass


class TestSeparateSftpOneSession(TransportContract, PosixContract):
    @pytest.fixture
    def sshd(self, narrow: Sshd) -> Sshd:
        return narrow
