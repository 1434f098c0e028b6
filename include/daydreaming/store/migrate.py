"""Bring the results database to the current schema (Alembic, with a version table of its own)."""

from __future__ import annotations

from pathlib import Path

from daydreaming.settings import Settings
from daydreaming.store.database import engine_for

VERSION_TABLE = "daydreaming_alembic_version"
_MIGRATIONS = Path(__file__).with_name("migrations")
#: Any number that no other program on the same PostgreSQL uses for its advisory locks.
_ADVISORY_LOCK = 7_329_641_883


def upgrade_database(settings: Settings) -> None:
    """Create or upgrade all tables. Safe to run from several processes at once."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    engine = engine_for(settings)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # Takes SQLite's write lock now, so that two processes do not create the tables together.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
