"""Accounts tested from a workstation: its SSH server carries the connection, and sees no password."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from portals import ACCEPTED, Portal, saying
from pydantic import SecretStr
from sshd import Sshd

from iea_fleet.model.account import Account, AccountVerdict, Answered
from iea_fleet.services.net_entreprises import NetEntreprises
from iea_fleet.transports.ssh import open_session

ACCOUNT = Account("78334512700014", "DUPONT", "Hélène", "97", "test")


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    with Portal(tmp_path, saying(ACCEPTED)) as opened:
        yield opened


def ask(portal: Portal, server: Sshd, proxy: str | None = None, deadline: float = 20) -> AccountVerdict:
    client = NetEntreprises(portal.ca_file, proxy or portal.proxy, deadline=deadline)
    with open_session(server.reach(), server.connect(), read_only=True) as session:
        return client.authenticate(ACCOUNT, SecretStr("pass-CANARY"), session.way_out(deadline))


def test_the_proxy_and_the_service_are_reached_from_the_workstation(tmp_path: Path, portal: Portal):
    with Sshd(tmp_path / "sshd", PermitOpen=portal.proxy.removeprefix("http://")) as server:
        verdict = ask(portal, server)
        assert verdict.answered is Answered.ACCEPTED, verdict.reason
        assert len(portal.requests) == 1
        refused = ask(portal, server, "http://127.0.0.1:9")
        assert refused.answered is Answered.UNAVAILABLE
        assert "does not forward connections" in refused.reason


def test_what_the_workstation_cannot_reach_is_unavailable(tmp_path: Path, portal: Portal):
    with Sshd(tmp_path / "sshd") as server:
        verdict = ask(portal, server, "http://127.0.0.1:9")
        assert verdict.answered is Answered.UNAVAILABLE
        assert verdict.reason.endswith("nothing was sent: refused: Connection refused"), verdict.reason
    with Sshd(tmp_path / "tls") as server, portal.behind_tls() as proxy:
        verdict = ask(portal, server, proxy)
        assert (verdict.answered, "plain http:// alone" in verdict.reason) == (Answered.UNAVAILABLE, True)
    with Sshd(tmp_path / "strict", AllowTcpForwarding="no") as server:
        verdict = ask(portal, server)
        assert verdict.answered is Answered.UNAVAILABLE
        assert "set AllowTcpForwarding" in verdict.reason
    assert portal.requests == []


def test_certificates_are_judged_by_the_controller(tmp_path: Path, portal: Portal):
    with (
        Sshd(tmp_path / "sshd") as server,
        open_session(server.reach(), server.connect(), read_only=True) as session,
    ):
        verdict = NetEntreprises(None, portal.proxy).authenticate(ACCOUNT, SecretStr("pass"), session.way_out(20))
    assert verdict.answered is Answered.UNAVAILABLE
    assert "certificate untrusted" in verdict.reason
    assert portal.requests == []


def test_a_silent_service_and_a_workstation_that_dies_are_undecided(tmp_path: Path, portal: Portal):
    with Sshd(tmp_path / "sshd") as server:

        def silent(_request: bytes, stream: ssl.SSLSocket) -> None:
            stream.recv(1)

        portal.converse = silent
        assert ask(portal, server, deadline=1).answered is Answered.UNDECIDED
        client = NetEntreprises(portal.ca_file, portal.proxy, deadline=20)
        with open_session(server.reach(), server.connect(), read_only=True) as session:

            def losing(request: bytes, stream: ssl.SSLSocket) -> None:
                session.close()
                silent(request, stream)

            portal.converse = losing
            verdict = client.authenticate(ACCOUNT, SecretStr("pass-CANARY"), session.way_out(20))
        assert verdict.answered is Answered.UNDECIDED, verdict.reason
        assert len(portal.requests) == 2
