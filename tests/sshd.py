"""A real OpenSSH server for tests: own configuration, keys and port, on loopback addresses, as the current user.

with Sshd(tmp_path, addresses=("127.0.0.1", "127.0.0.2"), MaxSessions=1) as sshd:
    reach = sshd.reach("poste-1", address="127.0.0.2")
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from iea_fleet.transports.base import Reach

_SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
_LONGEST_START = 15.0

SFTP_PROGRAM = next(
    (each for each in ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server") if Path(each).exists()), ""
)
"""OpenSSH's separate SFTP server."""


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "", *more: str) -> Path:
    """A key pair made by ssh-keygen; the path of the private one."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path), *more]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def public_half(path: Path) -> str:
    """The public key of a pair as ``type base64``."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


def free_port(address: str = "127.0.0.1") -> int:
    """A port on which nobody listens at the moment."""
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


class Sshd:
    """sshd on a free port; keyword arguments are options of sshd_config, a list for one that is given many times.

    ``client_key`` is the private key that it lets in, ``host_key`` its own key line.
    ``wrapped_in`` is a command that starts it.
    """

    def __init__(
        self,
        folder: Path,
        addresses: tuple[str, ...] = ("127.0.0.1",),
        key_types: tuple[str, ...] = ("ed25519",),
        wrapped_in: tuple[str, ...] = (),
        **options: Any,
    ) -> None:
        assert _SSHD, "OpenSSH's sshd is not installed; on Debian: apt-get install openssh-server"
        assert len(addresses) <= 16, "sshd listens on 16 addresses at most; start several"
        self.folder = folder
        self.addresses = addresses
        self.address = addresses[0]
        self.port = free_port(self.address)
        self.user = getpass.getuser()
        self._wrapper = list(wrapped_in)
        self.log = folder / "sshd.log"
        self.client_key = folder / "client"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.client_key.exists():
            make_key(self.client_key)
        self.host_key_files = [make_key(folder / f"host_{kind}", kind) for kind in key_types]
        self.host_keys = tuple(public_half(file) for file in self.host_key_files)
        self.host_key = self.host_keys[0]
        self.authorized_keys = folder / "authorized_keys"
        self.authorized_keys.write_text(public_half(self.client_key) + "\n")
        self._configuration = folder / "sshd_config"
        self._configuration.write_text(self._configured(options))
        self._process: subprocess.Popen[bytes] | None = None

    def _configured(self, options: dict[str, Any]) -> str:
        settings: dict[str, Any] = {
            "ListenAddress": [f"{address}:{self.port}" for address in self.addresses],
            "HostKey": self.host_key_files,
            "AuthorizedKeysFile": self.authorized_keys,
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "UseDNS": "no",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "MaxStartups": "500",
            "PrintMotd": "no",
            "Subsystem": "sftp internal-sftp",
        }
        settings.update(options)
        lines = []
        for name, value in settings.items():
            lines += [f"{name} {one}" for one in (value if isinstance(value, list) else [value])]
        return "\n".join(lines) + "\n"

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where a root sshd locks up its unprivileged part
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._wrapper, str(_SSHD), "-D", "-e", "-f", str(self._configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        limit = time.monotonic() + _LONGEST_START
        while not self._speaks():
            assert self._process.poll() is None, f"sshd did not start: {self.log.read_text()}"
            assert time.monotonic() < limit, f"sshd does not answer: {self.log.read_text()}"
            time.sleep(0.02)
        return self

    def _speaks(self) -> bool:
        try:
            with socket.create_connection((self.addresses[-1], self.port), timeout=1) as sock:
                return sock.recv(4) == b"SSH-"
        except OSError:
            return False

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        # Its own session of processes: the children that serve connections end with it.
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(timeout=10)

    @property
    def pid(self) -> int:
        """The process of the server, or of what it is wrapped in."""
        assert self._process is not None
        return self._process.pid

    def reach(self, workstation: str = "poste", **changes: Any) -> Reach:
        """How to reach this server as a workstation; any field of ``Reach`` can be given."""
        known: dict[str, Any] = {
            "address": self.address,
            "port": self.port,
            "user": self.user,
            "timeout": 10.0,
            "deadline": 60.0,
            "key_file": str(self.client_key),
            "host_keys": self.host_keys,
        }
        return Reach(workstation=workstation, **{**known, **changes})

    def connect(self) -> socket.socket:
        """A TCP connection to it."""
        return socket.create_connection((self.address, self.port), timeout=10)
