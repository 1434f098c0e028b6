"""Alembic's entry point: runs the migrations on the connection that ``migrate.py`` opened."""

from __future__ import annotations

from alembic import context

from daydreaming.store.migrate import VERSION_TABLE
from daydreaming.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transactional_ddl=False,  # migrate.py holds the transaction
)
context.run_migrations()
