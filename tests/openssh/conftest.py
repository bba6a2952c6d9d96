from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from https_servers import HttpsServers
from sshd import Sshd
from sshd_network import Network, network_of

ADDRESSES = ("127.0.7.1", "127.0.7.2", "127.0.7.3")


@pytest.fixture(scope="session")
def plain_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("openssh"), ADDRESSES) as sshd:
        yield sshd


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServers]:
    with HttpsServers(tmp_path_factory.mktemp("https")) as running:
        yield running


@pytest.fixture
def network(tmp_path: Path, plain_sshd: Sshd, servers: HttpsServers) -> Network:
    return network_of(tmp_path, plain_sshd, servers)


@pytest.fixture
def network_with(tmp_path: Path, servers: HttpsServers) -> Iterator[Callable[..., Network]]:
    """Makes a network on an sshd of its own, with these options."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Network:
            sshd = stack.enter_context(Sshd(tmp_path / "sshd", ADDRESSES, **options))
            return network_of(tmp_path, sshd, servers)

        yield make
