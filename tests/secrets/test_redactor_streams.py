"""Everything a process says goes through the net: whoever writes it, however it is cut, and while signals arrive."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

VALUE = "Jeudi-Nancy-54-é"
KNOWS = """
import os, sys
from iea_fleet.cli.cleaned import clean_streams
from iea_fleet.secrets.redactor import SHARED
clean_streams()
VALUE = os.environ["THE_VALUE"]
SHARED.remember(VALUE)
"""

SPEAKERS = {
    "print": "print(VALUE)",
    "print without a line end": "print(VALUE, end='')",
    "in pieces": "for letter in VALUE: sys.stdout.write(letter)",
    "stderr": "print(VALUE, file=sys.stderr)",
    "a flush": "sys.stderr.write(VALUE); sys.stderr.flush(); os._exit(0)",
    "the exit": "sys.exit(VALUE)",
    "typer": "import typer; typer.echo(VALUE); typer.secho(VALUE, err=True)",
    "rich": "from iea_fleet.cli.output import console; console().print(VALUE); console(stderr=True).print(VALUE)",
    "complain": "from iea_fleet.cli.output import complain; complain(VALUE)",
    "from a signal": "from iea_fleet.cli.output import complain_from_signal; complain_from_signal(VALUE)",
    "json": "from iea_fleet.cli.output import print_json; print_json({'said': {VALUE: [VALUE]}})",
    "logging": "import logging; logging.error('said %s', VALUE)",
    "a logger of a library": "import logging; logging.basicConfig(level=0); logging.getLogger('paramiko').debug(VALUE)",
    "a warning": "import warnings; warnings.warn(VALUE)",
    "a traceback": "import traceback; traceback.print_exception(ValueError(VALUE))",
    "an error nobody catches": "raise ValueError(VALUE)",
    "an error with its cause": "try: int(VALUE)\nexcept ValueError as error: raise KeyError(VALUE) from error",
    "a note": "error = ValueError('no'); error.add_note(f'said {VALUE}'); raise error",
    "a group": "raise ExceptionGroup(VALUE, [ValueError(VALUE)])",
    "an error in a thread": "import threading\ndef fail(): raise ValueError(VALUE)\n"
    "thread = threading.Thread(target=fail); thread.start(); thread.join()",
    "an error while tidying up": "class Odd:\n def __del__(self): raise ValueError(VALUE)\nOdd()",
}


def said_by(program: str, **environment: str) -> tuple[bytes, bytes, int]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "THE_VALUE": VALUE, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.stdout, done.stderr, done.returncode


@pytest.mark.parametrize(
    ("speaker", "encoding"),
    [
        *((speaker, "utf-8") for speaker in SPEAKERS),
        *((speaker, "ascii:backslashreplace") for speaker in ("typer", "rich", "an error nobody catches")),
    ],
)
def test_nobody_speaks_past_the_net(speaker: str, encoding: str) -> None:
    """typer looks for the bytes behind a stream that cannot hold every letter."""
    out, err, _ = said_by(KNOWS + SPEAKERS[speaker], PYTHONIOENCODING=encoding)
    assert b"[secret]" in out + err
    assert b"Nancy" not in out + err


def test_the_net_can_be_missed() -> None:
    """Without it the same program does say the value: the test above can fail."""
    out, _, _ = said_by(KNOWS.replace("clean_streams()", "") + SPEAKERS["print"])
    assert VALUE in out.decode()


def test_the_exit_code_of_an_uncaught_error_stays() -> None:
    assert said_by(KNOWS + "raise ValueError(VALUE)")[2] == 1


SIGNALS = """
import signal, threading
from iea_fleet.cli.output import complain, complain_from_signal

came = 0

def interrupt(number, frame):
    global came
    came += 1
    complain_from_signal(f"stopping {VALUE}")

signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
others = [threading.Thread(target=lambda: [complain(f"other {VALUE}") for _ in range(300)]) for _ in range(3)]
for other in others:
    other.start()
number = 0
while came < 30 or any(other.is_alive() for other in others):
    number += 1
    SHARED.remember(f"Une-valeur-{number % 40}-de-plus")
    print(f"main {VALUE}", file=sys.stderr)
signal.setitimer(signal.ITIMER_REAL, 0)
print("over")
"""


def test_a_signal_in_the_middle_of_a_word_locks_nobody_out() -> None:
    out, err, code = said_by(KNOWS + SIGNALS)
    assert (out, code) == (b"over\n", 0), err[-500:]
    assert err.count(b"other [secret]") == 900
    assert b"Nancy" not in err
