"""What a session over WinRM costs: python tests/transports/measure_winrm.py (from the root of the repository).

One session each with one batch that reads two files: processor time of the client's thread alone, the median of many.
The workstation is one of the lab, with a stand-in for PowerShell.
"""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "lab")]

from windows_endpoints import AUTHORITY, LAYOUT, endpoint  # noqa: E402 - the path first

from iea_fleet.lab.maintenance import Outside  # noqa: E402
from iea_fleet.lab.winrm_server import WinrmWorkstation  # noqa: E402
from iea_fleet.lab.workstation import Workstation  # noqa: E402
from iea_fleet.model.request import ReadFile, Request  # noqa: E402
from iea_fleet.transports.base import Reach  # noqa: E402

TIMES = 40
WAYS: tuple[tuple[Literal["basic", "ntlm", "negotiate"], bool], ...] = (
    ("basic", True),
    ("ntlm", True),
    ("negotiate", True),
    ("ntlm", False),
    ("negotiate", False),
)
BATCH: list[Request] = [ReadFile("C:/ProgramData/a.xml"), ReadFile("C:/ProgramData/b.xml")]


def once(way: Reach) -> float:
    """One session; the seconds of the processor that it took."""
    from iea_fleet.transports.winrm import open_session  # noqa: PLC0415 - whose cost is shown

    entrance = socket.create_connection((way.address, way.port))
    begun = time.thread_time()
    with open_session(way, entrance, read_only=True) as session:
        session.carry_out(BATCH)
    return time.thread_time() - begun


def measured(auth: Literal["basic", "ntlm", "negotiate"], *, tls: bool) -> float:
    """The seconds of the processor for one session, the median."""

    def make(workstation: Workstation, outside: Outside) -> WinrmWorkstation:
        return WinrmWorkstation(workstation, outside, "u", "p", AUTHORITY, tls=tls)

    with tempfile.TemporaryDirectory() as folder, endpoint(Path(folder), make) as served:
        for name in ("a.xml", "b.xml"):
            (served.workstation.folder / "C:/ProgramData" / name).write_bytes(b"x" * 4096)
        way = Reach(
            "toul-01",
            "127.0.0.1",
            served.server.port,
            "u",
            password=SecretStr("p"),
            tls=tls,
            auth=auth,
            certificate=served.server.certificate,
            private_folder=LAYOUT.private,
        )
        once(way)
        return statistics.median(once(way) for _ in range(TIMES))


def main() -> None:
    begun = time.thread_time()
    import iea_fleet.transports.winrm  # noqa: F401, PLC0415

    sys.stdout.write(f"import: {(time.thread_time() - begun) * 1000:.0f} ms\n")
    for auth, tls in WAYS:
        label = f"{auth} {'over TLS' if tls else 'sealed'}"
        sys.stdout.write(f"{label}: {measured(auth, tls=tls) * 1000:.1f} ms of the processor a session\n")


if __name__ == "__main__":
    main()
