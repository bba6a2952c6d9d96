"""Runs and the last known state, in SQLite through SQLAlchemy Core."""
