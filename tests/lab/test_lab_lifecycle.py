from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import yaml
from labs import RunningLab, running_lab

from iea_fleet import lab
from iea_fleet.errors import LabError


def is_alive(process: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(what: str, holds: object) -> None:
    # No measure of speed: a machine under load takes its time.
    until = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until, f"waited in vain until {what}"
        time.sleep(0.02)


def processes_of(directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"iea_fleet.lab.daemon" in words and os.fsencode(directory) in words:
            found.append(int(entry.parent.name))
    return found


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_up_returns_when_everything_answers_and_down_leaves_nothing(tmp_path: Path) -> None:
    with running_lab(tmp_path, workstations=4, offices=2) as running:
        ports = [one.port for one in running.info.workstations]
        assert len(set(ports)) == 4
        for port in ports:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                assert connection.recv(4) == b"SSH-"
        assert httpx.get(running.info.authentication_url, verify=running.ca, trust_env=False).status_code == 200
        assert lab.status(running.directory) == running.info
        process = running.info.pid
        assert processes_of(running.directory) == [process]
        ports.append(int(running.info.authentication_url.rpartition(":")[2]))
    assert not is_alive(process)
    assert processes_of(running.directory) == []
    assert all(refuses(port) for port in ports)
    assert lab.status(running.directory) is None
    assert lab.down(running.directory) is None


def test_a_second_lab_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with running_lab(tmp_path) as running:
        before = running.inventory.read_bytes()
        with pytest.raises(LabError, match=r"already runs .*; stop it: iea-fleet lab down --dir"):
            lab.up(running.directory)
        assert running.inventory.read_bytes() == before
        assert lab.status(running.directory) == running.info


def test_of_many_started_at_once_one_runs(tmp_path: Path) -> None:
    outcomes: list[lab.LabInfo | LabError] = []

    def start() -> None:
        try:
            outcomes.append(lab.up(tmp_path / "lab"))
        except LabError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        started = [one for one in outcomes if isinstance(one, lab.LabInfo)]
        assert len(outcomes) == 5
        assert processes_of(tmp_path / "lab") == [one.pid for one in started]
        assert len(started) == 1
    finally:
        lab.down(tmp_path / "lab")


def test_each_start_is_a_fresh_old_network(tmp_path: Path) -> None:
    with running_lab(tmp_path) as first:
        first.file("nancy-01").write_bytes(b"changed")
        first.break_("nancy-02", "offline")
        name = yaml.safe_load(first.inventory.read_bytes())["name"]
        key = (first.directory / "id_ed25519").read_bytes()
    (first.directory / "playbook.yml").write_text("mine")
    with running_lab(tmp_path) as second:
        assert second.file("nancy-01").read_bytes() != b"changed"
        assert second.faults("nancy-02") == ()
        assert yaml.safe_load(second.inventory.read_bytes())["name"] != name
        assert (second.directory / "id_ed25519").read_bytes() != key
        assert (second.directory / "playbook.yml").read_text() == "mine"
        assert (second.directory / ".gitignore").read_text() == "*\n"


def test_a_lab_that_died_is_not_running_and_can_be_started_anew(tmp_path: Path) -> None:
    info = lab.up(tmp_path / "lab")
    os.kill(info.pid, signal.SIGKILL)
    wait_for("it is dead", lambda: not is_alive(info.pid))
    assert lab.status(info.directory) is None
    with pytest.raises(LabError, match="no lab runs"):
        lab.break_(info.directory, "nancy-01", "offline")
    # Its number may belong to somebody else by now: nobody may be ended by it.
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        lock = info.directory / "lab.lock"
        lock.write_text(json.dumps({**json.loads(lock.read_text()), "pid": bystander.pid}))
        assert lab.down(info.directory) is None
        assert bystander.poll() is None
        with running_lab(tmp_path):
            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_lab_that_does_not_listen_any_more_is_ended_by_force(tmp_path: Path) -> None:
    info = lab.up(tmp_path / "lab")
    os.kill(info.pid, signal.SIGSTOP)
    assert lab.down(info.directory, patience=0.3) == info.pid
    assert not is_alive(info.pid)


def test_a_lab_whose_folder_was_removed_stops_by_itself(tmp_path: Path) -> None:
    info = lab.up(tmp_path / "lab")
    for path in sorted(info.directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    info.directory.rmdir()
    wait_for("it has stopped", lambda: not is_alive(info.pid))


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "workstations").mkdir()
    (tmp_path / "workstations" / "thesis.txt").write_text("mine")
    with pytest.raises(LabError, match="holds something else"):
        lab.up(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "workstations",
        "workstations/thesis.txt",
    ]


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "lab").write_text("")
    with pytest.raises(LabError, match="cannot be used"):
        lab.up(tmp_path / "lab")


@pytest.mark.parametrize(("offices", "workstations"), [(3, 2), (0, 6), (1, 0), (1, 2001), (-1, 6)])
def test_numbers_that_make_no_network(tmp_path: Path, offices: int, workstations: int) -> None:
    with pytest.raises(LabError, match=r"office|workstations"):
        lab.up(tmp_path / "lab", offices, workstations)
    assert not (tmp_path / "lab").exists()


def test_a_start_that_fails_half_way_leaves_no_process(tmp_path: Path) -> None:
    """A folder stands in the place of a file; then too few open files are allowed."""
    directory = tmp_path / "lab"
    directory.mkdir()
    (directory / "lab.lock").touch()
    (directory / ".gitignore").mkdir()
    with pytest.raises(LabError, match=r"cannot start: .*gitignore"):
        lab.up(directory)
    assert processes_of(directory) == []
    (directory / ".gitignore").rmdir()
    limited = (
        "import resource, pathlib, sys; from iea_fleet import lab, errors\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))\n"
        "try: lab.up(pathlib.Path(sys.argv[1]))\n"
        "except errors.LabError as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", limited, str(directory)], capture_output=True, text=True, timeout=30, check=True
    )
    assert "allows 400 open files" in said.stdout
    assert "ulimit" in said.stdout
    assert processes_of(directory) == []
    assert lab.status(directory) is None


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_ends_while_it_starts_a_lab_leaves_none(tmp_path: Path, ended_by: signal.Signals) -> None:
    directory = tmp_path / "lab"
    # A shell in the background lets its children ignore SIGINT; here it has to arrive.
    code = (
        "import signal, pathlib; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"from iea_fleet import lab; lab.up(pathlib.Path({str(directory)!r}), 3, 2000)"
    )
    starting = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_for("the process is there", lambda: processes_of(directory))
    starting.send_signal(ended_by)
    starting.wait(timeout=20)
    wait_for("nothing is left", lambda: not processes_of(directory))
    assert lab.status(directory) is None


def test_a_lab_outlives_the_command_that_started_it(tmp_path: Path) -> None:
    directory = tmp_path / ("a folder à part " + "x" * 150)
    code = f"from iea_fleet import lab; import pathlib; lab.up(pathlib.Path({str(directory)!r}))"
    ended = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, timeout=30, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")
    info = lab.status(directory)
    assert info is not None
    assert len(info.workstations) == 6
    assert lab.down(directory) == info.pid
    assert not is_alive(info.pid)


@pytest.mark.parametrize("missing", ["asyncssh", "trustme"])
def test_without_the_extra_the_remedy_is_named(tmp_path: Path, missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from pathlib import Path; from iea_fleet import lab, errors\n"
        "try: lab.up(Path(sys.argv[1]))\n"
        "except errors.LabError as error: print(error)\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "lab")]
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=True)
    assert said.stdout == f'the lab needs {missing}; pip install "iea-fleet[lab]"\n'
    assert not (tmp_path / "lab").exists()


def test_importing_the_lab_s_commands_is_cheap() -> None:
    heavy = ("asyncssh", "trustme", "asyncio", "pydantic", "yaml")
    code = f"import iea_fleet.lab, sys; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert said.stdout == "[]\n"


def test_a_thousand_workstations_fit_in_one_small_process(tmp_path: Path) -> None:
    with running_lab(tmp_path, workstations=1000, offices=20) as running:
        assert len(running.info.workstations) == 1000
        for one in running.info.workstations:
            with socket.create_connection(("127.0.0.1", one.port), timeout=10) as connection:
                assert connection.recv(4) == b"SSH-"
        status = Path(f"/proc/{running.info.pid}/status").read_text()
        most = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert most < 200_000, "kB"


def test_the_soft_limit_of_open_files_is_no_obstacle(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with running_lab(tmp_path, workstations=300) as running:
            assert isinstance(running, RunningLab)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
