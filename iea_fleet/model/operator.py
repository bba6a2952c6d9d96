"""What an operator writes in their own configuration file: the back-ends that run programs on their machine.

```yaml
secrets:
  pass: {kind: command, run: [pass, show, "{path}"], timeout: 20}
```

No inventory may declare these: planning a repository that somebody else wrote must run nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from iea_fleet.model.inventory import Backend, BackendName, Seconds
from iea_fleet.model.part import Part, Text

PLACE = "{path}"
"""Stands in an argument for the path of a secret reference."""


def _has_a_place(run: tuple[str, ...]) -> tuple[str, ...]:
    if PLACE in run[0] or not any(PLACE in argument for argument in run):
        raise ValueError(f'has no "{PLACE}" among the arguments; write it like [pass, show, "{PLACE}"]')
    return run


class CommandBackend(Part):
    """Secrets that a program prints. ``run`` is started without a shell; ``timeout`` is in seconds."""

    kind: Literal["command"]
    run: Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_has_a_place)]
    timeout: Seconds = 20


class OperatorFile(Part):
    """The operator's own configuration file."""

    secrets: dict[BackendName, CommandBackend] = Field(default_factory=dict)


AnyBackend = Backend | CommandBackend
"""A back-end, whoever declared it."""
