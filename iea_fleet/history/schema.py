"""The tables of the history as the code reads and writes them; how a database gets there is in ``migrations``."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import JSON, Column, DateTime, Dialect, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A moment in UTC. SQLite keeps no time zone, so it is taken off and put on again here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """UTC before it is kept. A time without zone would be off by hours some day, so it is refused."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a time zone cannot go into the history")
        return value and value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """UTC after it was kept; PostgreSQL gives the zone of its session."""
        if value is None:
            return None
        return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)


metadata = MetaData()

migrations = Table(
    "migrations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("applied_at", UtcDateTime, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("command", Text, nullable=False),
    Column("inventory", Text, nullable=False),
    Column("playbook", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("user_name", Text, nullable=False),
    Column("host_name", Text, nullable=False),
    Column("selected", Integer, nullable=False),
    Column("files", JSON, nullable=False),
    Column("offices", JSON, nullable=False),
    Column("exit_code", Integer),
    Column("git_commit", Text),
    Column("inventory_file", Text),
    Column("continues", Text),
    Column("asked", JSON(none_as_null=True)),
    Index("runs_of_inventory", "inventory", "id"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("workstation", Text, primary_key=True),
    Column("office", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("cells", JSON, nullable=False),
    Column("wave", Integer),
)
"""What happened on one workstation in one run."""

cells = Table(
    "cells",
    metadata,
    Column("inventory", Text, primary_key=True),
    Column("workstation", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("found_at", UtcDateTime, nullable=False),
    Column("found", JSON, nullable=False),
    Column("seen_run_id", Text),
    Column("seen_at", UtcDateTime),
    Column("seen", JSON(none_as_null=True)),
)
"""The last known state: ``found`` is the latest cell whatever it says, ``seen`` the latest that says what is there."""

memories = Table(
    "memories",
    metadata,
    Column("inventory", Text, primary_key=True),
    Column("workstation", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("right_at", UtcDateTime, nullable=False),
    Column("settings", JSON, nullable=False),
)
"""The settings of a resource as we last wrote them or saw them right."""

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What is known of the history itself: the fingerprint of its key."""

replacements = Table(
    "replacements",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("workstation", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("backup", Text),
)
"""The files that the transactions of a run replaced: digests before and after, and where the old content is kept."""

chain = Table(
    "chain",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("workstation", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("chain_of_run", "run_id"),
)
"""One row for each record of a run, in the order they were written: its digest, and the hash over all before."""

attempts = Table(
    "attempts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("account", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("owner", JSON, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("answered", Text),
    Column("reason", Text),
    Column("ended_at", UtcDateTime),
    Column("cleared_at", UtcDateTime),
    Column("cleared_by", Text),
    Index("attempts_of_account", "account", "number"),
)
"""Every test of a Net-Entreprises account; account and secret are marks. They outlive their runs: they guard today."""
