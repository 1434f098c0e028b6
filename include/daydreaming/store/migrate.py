"""Bring the results database to the current schema (Alembic, with a version table of its own)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daydreaming.errors import StoreError
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, results_url

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

VERSION_TABLE = "daydreaming_alembic_version"
_MIGRATIONS = Path(__file__).with_name("migrations")
#: Any number that no other program on the same PostgreSQL uses for its advisory locks.
_ADVISORY_LOCK = 7_329_641_883


def upgrade_database(settings: Settings) -> None:
    """Create or upgrade all tables. Safe to run from several processes at once.

    Raises:
        StoreError: A newer release has migrated the database.
    """
    engine = engine_for(settings)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # Takes SQLite's write lock now, so that two processes do not create the tables together.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        move_schema(connection, latest_revision())
        connection.commit()


def known_revisions() -> list[str]:
    """Revisions of the schema that this release knows, the oldest first."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(_config())
    return [revision.revision for revision in script.walk_revisions()][::-1]


def latest_revision() -> str:
    """The revision that this release works with."""
    return known_revisions()[-1]


def read_revision(settings: Settings) -> str | None:
    """The revision of the results database; None where it has no tables. Makes no SQLite file."""
    from sqlalchemy import make_url

    url = make_url(results_url(settings))
    if url.drivername == "sqlite" and not Path(str(url.database)).exists():
        return None
    with engine_for(settings).connect() as connection:
        return current_revision(connection)


def current_revision(connection: Connection) -> str | None:
    """The same of the database behind a connection."""
    from alembic.migration import MigrationContext

    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def require_known(revision: str | None, what: str) -> None:
    """Refuse a schema of which this release knows nothing.

    Args:
        revision: The schema's; None for no tables.
        what: Whose schema it is.

    Raises:
        StoreError: Says which revisions are known, and what to do.
    """
    known = known_revisions()
    if revision is not None and revision not in known:
        raise StoreError(
            f"{what} has the schema {revision} of a newer release; this one knows {known[0]} to {known[-1]}. "
            "Install that release again, or a later one. Nothing was changed."
        )


def move_schema(connection: Connection, revision: str) -> None:
    """Bring the tables to a known revision, up or down, in the transaction that is open.

    Holds the lock on migrations until that ends, so that nobody else migrates meanwhile.

    Raises:
        StoreError: A newer release has migrated the database.
    """
    from alembic import command

    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
    current = current_revision(connection)
    require_known(current, "The results database")
    config = _config()
    config.attributes["connection"] = connection
    known = known_revisions()
    is_newer = current is not None and known.index(current) > known.index(revision)
    (command.downgrade if is_newer else command.upgrade)(config, revision)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
