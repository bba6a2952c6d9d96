"""The time, read in one place."""

from __future__ import annotations

import datetime as dt


def now() -> dt.datetime:
    """This moment, UTC."""
    return dt.datetime.now(dt.UTC)


def today() -> dt.date:
    """The operator's day: holds end on a day as people count them."""
    return dt.datetime.now().astimezone().date()
