"""Sessions over WinRM on workstations of the lab, as tests open them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from winrm_endpoints import PASSWORD, USER, Endpoints, endpoints

from iea_fleet.lab.winrm_server import WinrmWorkstation
from iea_fleet.transports.base import Reach
from iea_fleet.transports.winrm import WinrmSession, open_session

PRIVATE = "C:/ProgramData/iea-fleet"
Opened = Callable[..., WinrmSession]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Endpoints]:
    folder = tmp_path / "winrm"
    folder.mkdir()
    with endpoints(folder) as running:
        yield running


def reach(one: WinrmWorkstation, **changes: Any) -> Reach:
    """How a workstation of the lab is reached, by its pinned certificate where it has one."""
    plain = Reach(
        one.workstation.name,
        "127.0.0.1",
        one.port,
        USER,
        timeout=5,
        deadline=20,
        password=SecretStr(PASSWORD),
        transport="winrm",
        windows=True,
        private_folder=PRIVATE,
        tls=one.tls,
        certificate=one.certificate,
    )
    return replace(plain, **changes)


def enter(way: Reach, *, read_only: bool = False) -> WinrmSession:
    """A session, on a connection made as the doorway does."""
    return open_session(way, socket.create_connection((way.address, way.port), 5), read_only=read_only)


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens sessions, which end with the test."""
    with contextlib.ExitStack() as stack:

        def open_one(one: WinrmWorkstation, *, read_only: bool = False, **changes: Any) -> WinrmSession:
            return stack.enter_context(enter(reach(one, **changes), read_only=read_only))

        yield open_one


def files_of(one: WinrmWorkstation) -> Path:
    """The folder that its drive C: is."""
    return one.workstation.folder / "C:"
