"""A paragraph that stands further in, without blanks at the ends of its lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Indented:
    """A text wrapped to the width at hand, each line ``columns`` further in. Long words are broken, never cut off.

    ``lead`` stands before the first line, in the columns left free there.
    """

    text: Text
    columns: int = 0
    lead: Text | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = max(1, options.max_width - self.columns)
        lead = self.lead
        for line in self.text.wrap(console, width, overflow="fold"):
            line.rstrip()
            yield (lead or Text(" " * self.columns if line else "", no_wrap=True)) + line
            lead = None
