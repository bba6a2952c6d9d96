"""Programs that print secrets: no shell, no leftovers, nothing of what they say on stderr."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from iea_fleet.errors import SecretError
from iea_fleet.model.operator import CommandBackend
from iea_fleet.secrets import Secrets


def of(*run: str, timeout: int = 20) -> Secrets:
    return Secrets({"pass": CommandBackend(kind="command", run=run, timeout=timeout)}, Path())


Python = Callable[..., Secrets]


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """A program of some lines. They are no argument: the words of an error name the arguments."""

    def made(code: str, timeout: int = 20) -> Secrets:
        script = tmp_path / "script.py"
        script.write_text(code)
        return of(sys.executable, str(script), "{path}", timeout=timeout)

    return made


def refused(secrets: Secrets, reference: str = "pass:net/ligue") -> SecretError:
    with pytest.raises(SecretError) as raised:
        secrets.get(reference)
    assert "CANARY" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("printed", "value"),
    [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\r", "a\r"), ("é\nb\n", "é\nb")],
)
def test_one_line_end_is_not_part_of_the_value(printed: str, value: str, python: Python) -> None:
    code = f"import sys; sys.stdout.buffer.write({printed!r}.encode())"
    assert python(code).get("pass:x").get_secret_value() == value


def test_no_shell_reads_the_path() -> None:
    assert of("printf", "%s", "{path}").get("pass:$(id);`id`|*").get_secret_value() == "$(id);`id`|*"


def test_the_path_may_stand_inside_an_argument() -> None:
    assert of("printf", "%s", "op://coffre/{path}").get("pass:x").get_secret_value() == "op://coffre/x"


@pytest.mark.parametrize("path", ["-rf", "--help", "../x", "a/../b", "/etc/passwd", "a//b", "a\nb", "a\x00b"])
def test_a_path_leads_nowhere_else(path: str) -> None:
    assert refused(of("cat", "{path}"), f"pass:{path}").code == "secret_path"


def test_a_dash_inside_an_argument_is_no_option() -> None:
    assert of("printf", "%s", "x{path}").get("pass:-rf").get_secret_value() == "x-rf"


def test_what_a_failing_program_says_is_not_shown(python: Python) -> None:
    error = refused(python("import sys; print('CANARY'); print('CANARY', file=sys.stderr); sys.exit(3)"))
    assert error.code == "secret_command_failed"
    assert "ended with exit code 3" in error.sentence


def test_a_program_that_a_signal_ended(python: Python) -> None:
    assert refused(python("import os; os.kill(os.getpid(), 9)")).code == "secret_command_failed"


def test_a_program_that_is_not_there() -> None:
    error = refused(of("/nowhere/pass", "{path}"))
    assert error.code == "secret_command_missing"
    assert str(error) == (
        "the command /nowhere/pass cannot be started (No such file or directory); "
        "check `run` in your own configuration file"
    )


def test_a_program_that_takes_too_long_ends_with_all_it_started(tmp_path: Path, python: Python) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))\n"
        "print('CANARY', flush=True); time.sleep(60)"
    )
    begun = time.monotonic()
    error = refused(python(code, timeout=2))
    assert error.code == "secret_command_timeout"
    assert time.monotonic() - begun < 10
    until = time.monotonic() + 5
    while alive(int(pid_file.read_text())):
        assert time.monotonic() < until
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_program_that_waits_for_input_reads_nothing(python: Python) -> None:
    assert refused(python("input()")).code == "secret_command_failed"


def test_too_much_is_refused_at_once() -> None:
    error = refused(of("yes", "CANARY{path}"))
    assert error.code == "secret_foreign"
    assert "larger than 64 KB" in error.sentence


def test_what_is_no_text_is_refused() -> None:
    assert refused(of("printf", "\\377CANARY", "{path}")).code == "secret_not_text"


def test_a_descriptor_less_is_open_afterwards() -> None:
    secrets = of("printf", "%s", "{path}")
    secrets.get("pass:first")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        secrets.get(f"pass:{number}")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_passphrase_of_the_identity_is_not_handed_on(python: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IEA_FLEET_AGE_PASSPHRASE", "CANARY")
    monkeypatch.setenv("IEA_TEST_OTHER", "handed on")
    secrets = python("import os; print([os.environ.get(f'IEA_{n}') for n in ('FLEET_AGE_PASSPHRASE', 'TEST_OTHER')])")
    assert secrets.get("pass:x").get_secret_value() == "[None, 'handed on']"
