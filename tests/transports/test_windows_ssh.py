"""The contract of transports, and what is asked of Windows ones, over SSH; and what is SSH's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from sshd import make_key
from transport_contract import TransportContract
from windows_contract import WindowsContract
from windows_endpoints import LAYOUT, Endpoint
from windows_endpoints import endpoint as served

from iea_fleet.lab.ssh_server import USER
from iea_fleet.lab.windows_ssh import WindowsSshWorkstation
from iea_fleet.transports.base import Reach
from iea_fleet.transports.ssh_windows import WindowsSshSession, open_session


@pytest.fixture(scope="module")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("client") / "key")


@pytest.fixture
def endpoint(tmp_path: Path, client_key: Path) -> Iterator[Endpoint[WindowsSshWorkstation]]:
    public = asyncssh.read_public_key(f"{client_key}.pub")
    with served(tmp_path, lambda one, outside: WindowsSshWorkstation(one, outside, public)) as serving:
        yield serving


@pytest.fixture
def opened(endpoint: Endpoint[WindowsSshWorkstation], client_key: Path) -> Iterator[Callable[..., WindowsSshSession]]:
    with contextlib.ExitStack() as stack:

        def open_one(*, read_only: bool = False, **changes: Any) -> WindowsSshSession:
            known: dict[str, Any] = {
                "workstation": endpoint.workstation.name,
                "address": "127.0.0.1",
                "port": endpoint.server.port,
                "user": USER,
                "timeout": 10.0,
                "deadline": 60.0,
                "key_file": str(client_key),
                "host_keys": (endpoint.server.host_key,),
                "windows": True,
                "private_folder": LAYOUT.private,
            }
            return stack.enter_context(
                open_session(Reach(**{**known, **changes}), endpoint.connect(), read_only=read_only)
            )

        yield open_one


class TestWindowsOverSsh(WindowsContract, TransportContract):
    pass
