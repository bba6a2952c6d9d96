"""Measures our SFTP codec beside paramiko's SFTPClient on the same OpenSSH server: round trips and processor time.

Run it with ``python tests/transports/measure_sftp.py``. Round trips are the wall time through a proxy that delays
each direction by 25 ms, divided by 50 ms; processor time is that of this process without the proxy, per workstation.
"""

from __future__ import annotations

import base64
import queue
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import paramiko

sys.path.insert(0, str(Path(__file__).parent.parent))

from loopback import Loopback
from sshd import Sshd

from iea_fleet.model.request import FileContent, ReadFile, ReplaceFile, digest
from iea_fleet.transports.ssh import open_session

DELAY = 0.025
Step = tuple[str, float, float]


class Delay(Loopback):
    """Passes bytes on, each 25 ms late."""

    def __init__(self, port: int) -> None:
        super().__init__(self._pass_on)
        self._target = port

    def _pass_on(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._target))
        self._open.append(far)
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            self._start(self._deliver, line, other)
            self._start(self._take, one, line)

    def _take(self, source: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"."
        while data:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            line.put((time.monotonic() + DELAY, data))

    def _deliver(self, line: queue.SimpleQueue[tuple[float, bytes]], target: socket.socket) -> None:
        try:
            while (item := line.get())[1]:
                time.sleep(max(0.0, item[0] - time.monotonic()))
                target.sendall(item[1])
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


class Clock:
    """Wall and processor time of each step."""

    def __init__(self) -> None:
        self.steps: dict[str, list[tuple[float, float]]] = {}
        self._last = (0.0, 0.0)

    def start(self) -> None:
        self._last = (time.perf_counter(), time.process_time())

    def step(self, name: str) -> None:
        now = (time.perf_counter(), time.process_time())
        self.steps.setdefault(name, []).append((now[0] - self._last[0], now[1] - self._last[1]))
        self._last = now


def ours(sshd: Sshd, port: int, files: list[str], clock: Clock) -> None:
    clock.start()
    sock = socket.create_connection(("127.0.0.1", port))
    with open_session(sshd.reach(timeout=20), sock, read_only=False) as session:
        clock.step("connect")
        session.carry_out([ReadFile("/")])
        clock.step("open sftp (and one read)")
        read = session.carry_out([ReadFile(file) for file in files])
        clock.step("read 3")
        assert isinstance(read[0], FileContent)
        session.carry_out([ReplaceFile(files[0], read[0].content + b"x", digest(read[0].content))])
        clock.step("replace 1")
    clock.step("close")


def bare(sshd: Sshd, port: int, files: list[str], clock: Clock) -> None:
    """The same reads and write as plainly as paramiko offers them, without the checks that ours makes."""
    clock.start()
    client = paramiko.SSHClient()
    kind, key = sshd.host_key.split()
    known = paramiko.PKey.from_type_string(kind, base64.b64decode(key))
    client.get_host_keys().add(f"[127.0.0.1]:{port}", kind, known)
    private = paramiko.Ed25519Key.from_private_key_file(str(sshd.client_key))
    client.connect("127.0.0.1", port, sshd.user, pkey=private, allow_agent=False, look_for_keys=False)
    clock.step("connect")
    sftp = client.open_sftp()
    clock.step("open sftp (and one read)")
    contents = []
    for file in files:
        with sftp.open(file, "rb") as handle:
            contents.append(handle.read())
    clock.step("read 3")
    with sftp.open(f"{files[0]}.new", "wbx") as handle:
        handle.write(contents[0] + b"x")
    sftp.posix_rename(f"{files[0]}.new", files[0])
    clock.step("replace 1")
    client.close()
    clock.step("close")


def measure(name: str, visit: Callable[[Sshd, int, list[str], Clock], None], sshd: Sshd, files: list[str]) -> None:
    near, far = Clock(), Clock()
    for _ in range(3):
        visit(sshd, sshd.port, files, Clock())
    for _ in range(40):
        visit(sshd, sshd.port, files, near)
    with Delay(sshd.port) as proxy:
        for _ in range(3):
            visit(sshd, proxy.port, files, far)
    print(f"{name:10} {'':26} {'round trips':>11} {'CPU ms':>7}")  # noqa: T201 - what it prints is its purpose
    for step, taken in near.steps.items():
        trips = min(wall for wall, _ in far.steps[step]) / (2 * DELAY)
        cpu = 1000 * sum(one for _, one in taken) / len(taken)
        print(f"{'':10} {step:26} {trips:11.1f} {cpu:7.2f}")  # noqa: T201 - as above
    total = 1000 * sum(one for taken in near.steps.values() for _, one in taken) / 40
    print(f"{'':10} {'all':26} {'':11} {total:7.2f}")  # noqa: T201 - as above


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, Sshd(Path(place) / "sshd") as server:
        paths = [f"{place}/settings-{number}.properties" for number in range(3)]
        for path in paths:
            Path(path).write_bytes(b"connexion.securisee=oui\r\n" * 20)
        threading.stack_size(256 * 1024)
        measure("ours", ours, server, paths)
        measure("SFTPClient", bare, server, paths)
