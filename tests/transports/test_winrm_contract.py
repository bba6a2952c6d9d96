"""The contract of transports, and what is asked of Windows ones, over WinRM: with TLS, and sealed without it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from transport_contract import Hello, TransportContract
from windows_contract import WindowsContract
from windows_endpoints import AUTHORITY, LAYOUT, Endpoint
from windows_endpoints import endpoint as served

from iea_fleet.errors import BrokenError
from iea_fleet.lab.winrm_server import WinrmWorkstation
from iea_fleet.transports.base import Reach, Session
from iea_fleet.transports.winrm import WinrmSession, open_session

USER, PASSWORD = "iea-admin", "Été à l'atelier"


class OverWinrm(TransportContract, WindowsContract):
    tls: bool
    auth: str

    @pytest.fixture
    def endpoint(self, tmp_path: Path) -> Iterator[Endpoint[WinrmWorkstation]]:
        with served(
            tmp_path,
            lambda one, outside: WinrmWorkstation(one, outside, USER, PASSWORD, AUTHORITY, tls=self.tls),
        ) as serving:
            yield serving
            assert len(serving.server.shells) == 0
            assert serving.server.account.refusals == 0

    @pytest.fixture
    def folder(self, endpoint: Endpoint[Any]) -> Path:
        inner = endpoint.workstation.folder / "C:/ProgramData/travail"
        inner.mkdir()
        return inner

    @pytest.fixture
    def far(self, endpoint: Endpoint[Any]) -> Callable[[Path], str]:
        return endpoint.far

    @pytest.fixture
    def hello(self, endpoint: Endpoint[Any]) -> Hello:
        return ("C:/Windows/System32/hostname.exe",), endpoint.workstation.name.encode()

    @pytest.fixture
    def opened(self, endpoint: Endpoint[WinrmWorkstation]) -> Iterator[Callable[..., WinrmSession]]:
        with contextlib.ExitStack() as stack:

            def open_one(*, read_only: bool = False, **changes: Any) -> WinrmSession:
                known: dict[str, Any] = {
                    "workstation": endpoint.workstation.name,
                    "address": "127.0.0.1",
                    "port": endpoint.server.port,
                    "user": USER,
                    "password": SecretStr(PASSWORD),
                    "timeout": 10.0,
                    "deadline": 60.0,
                    "transport": "winrm",
                    "tls": self.tls,
                    "auth": self.auth,
                    "certificate": endpoint.server.certificate,
                    "windows": True,
                    "private_folder": LAYOUT.private,
                }
                return stack.enter_context(
                    open_session(Reach(**{**known, **changes}), endpoint.connect(), read_only=read_only)
                )

            yield open_one

    @pytest.fixture
    def session(self, opened: Callable[..., WinrmSession]) -> WinrmSession:
        return opened()

    def test_there_is_no_way_out(self, session: Session) -> None:
        with pytest.raises(BrokenError) as caught:
            session.way_out(5)
        assert caught.value.code == "no_way_out"


class TestOverTls(OverWinrm):
    tls, auth = True, "negotiate"


class TestOverTlsWithBasic(OverWinrm):
    tls, auth = True, "basic"


class TestSealed(OverWinrm):
    tls, auth = False, "ntlm"
