"""Secrets that a program prints. Declared in the operator's own configuration file, never in an inventory.

```yaml
secrets:
  pass: {kind: command, run: [pass, show, "{path}"], timeout: 20}      # a reference reads pass:net-entreprises/ligue-54
```

The program is started without a shell and without a terminal to read from. Its stdout is the value, without one line
end after it; what it says on stderr is not shown, because nobody knows what is in it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass

from pydantic import SecretStr

from iea_fleet.errors import SecretError
from iea_fleet.model.operator import PLACE, CommandBackend
from iea_fleet.secrets.age_identity import PASSPHRASE_VARIABLE
from iea_fleet.secrets.base import Opening, as_text, no_fields, parts_of, without_line_end

_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Command:
    run: tuple[str, ...]
    timeout: int
    kept_from_it: frozenset[str]
    """Variables of our environment that hold secrets."""

    def exists(self, path: str) -> bool:
        """Whether the program prints something; there is no other way to tell, and why it failed nobody can say."""
        self.get(path, None)
        return True

    def get(self, path: str, field: str | None) -> SecretStr:
        """What the program prints."""
        no_fields("what a command prints", field)
        parts_of(path)
        if path.startswith("-") and any(argument.startswith(PLACE) for argument in self.run):
            raise SecretError(
                "a secret reference would be taken for an option",
                "write a path without - before it",
                code="secret_path",
            )
        shown = f"what {self.run[0]} prints for {path}"
        printed = self._printed([argument.replace(PLACE, path) for argument in self.run], shown)
        return as_text(without_line_end(printed), shown, "keep it there again")

    def _printed(self, argv: list[str], shown: str) -> bytes:
        try:
            # A process group of its own: what the program started ends with it, and the terminal stays its own.
            process = subprocess.Popen(  # noqa: S603 - the operator's own words, and no shell
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if name not in self.kept_from_it},
                process_group=0,
            )
        except OSError as error:
            raise SecretError(
                f"the command {argv[0]} cannot be started ({error.strerror})",
                "check `run` in your own configuration file",
                code="secret_command_missing",
            ) from None
        with process:
            try:
                printed = self._read(process, shown)
                exit_code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if exit_code:
            raise SecretError(
                f"the command {argv[0]} ended with exit code {exit_code}",
                f"run it yourself to see why: {subprocess.list2cmdline(argv)}",
                code="secret_command_failed",
            )
        return printed

    def _read(self, process: subprocess.Popen[bytes], shown: str) -> bytes:
        """All of stdout, until it is closed."""
        assert process.stdout is not None
        until, printed = time.monotonic() + self.timeout, b""
        while len(printed) <= _MOST_BYTES:
            if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise SecretError(
                    f"the command {self.run[0]} did not end within {self.timeout} s",
                    "does it wait for a passphrase? unlock it first, or raise `timeout`",
                    code="secret_command_timeout",
                )
            part = os.read(process.stdout.fileno(), _MOST_BYTES)
            if not part:
                return printed
            printed += part
        raise SecretError(f"{shown} is larger than 64 KB", "is it the right command?", code="secret_foreign")


def open_backend(declared: CommandBackend, opening: Opening) -> _Command:
    """The program; it is started for each secret."""
    return _Command(declared.run, declared.timeout, opening.variables | {PASSPHRASE_VARIABLE})
