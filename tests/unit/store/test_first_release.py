"""A database of the first release comes to the current schema with every row and constraint."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from daydreaming.errors import StoreError
from daydreaming.store.database import engine_for
from daydreaming.store.migrate import (
    VERSION_TABLE,
    known_revisions,
    latest_revision,
    move_schema,
    read_revision,
    upgrade_database,
)
from daydreaming.store.schema import Base, CellFailure, GenerationResponse, Run
from tests.support.first_release import REVISION, ROWS, make_first_release


@pytest.fixture
def first(bare_settings):
    engine = engine_for(bare_settings)
    make_first_release(engine)
    yield engine
    engine.dispose()


def raw_rows(engine, table):
    with engine.connect() as connection:
        names = ", ".join(ROWS[table])
        return connection.execute(text(f"SELECT {names} FROM {table}")).all()


def shapes(engine):
    """Columns, keys and indexes of each table, as the database says."""
    inspector = inspect(engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)],
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], tuple(i["column_names"])) for i in inspector.get_indexes(name)),
        )
        for name in sorted(inspector.get_table_names())
    }


def test_the_first_migration_is_still_what_the_first_release_had(first, bare_settings):
    released = shapes(first)
    Base.metadata.drop_all(first)
    with first.begin() as connection:
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
    with first.connect() as connection:
        move_schema(connection, REVISION)
        connection.commit()
    assert shapes(first) == released


@pytest.mark.parametrize("table", ROWS)
def test_every_row_survives(first, bare_settings, table):
    before = raw_rows(first, table)
    assert len(before) == 1
    upgrade_database(bare_settings)
    assert raw_rows(first, table) == before


def test_the_models_read_what_the_first_release_wrote(first, bare_settings):
    upgrade_database(bare_settings)
    with first.connect() as connection:
        run = connection.execute(select(Run)).one()
        answer = connection.execute(select(GenerationResponse)).one()
    assert run.params == {"k_max": 2}
    assert (run.shard, run.shards, run.parent_run_id) == (1, 1, None)
    assert run.created_at == datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
    assert (answer.response_size_bytes, answer.cost_usd) == (5_000_000_000, 0.1 + 0.2)


def test_the_schema_is_that_of_the_models(first, bare_settings):
    upgrade_database(bare_settings)
    with first.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": VERSION_TABLE}
        )
        assert compare_metadata(context, Base.metadata) == []
    assert read_revision(bare_settings) == latest_revision()


def test_keys_and_not_null_hold_afterwards(first, bare_settings):
    upgrade_database(bare_settings)
    failure = {**ROWS["failures"], "occurred_at": datetime.now(UTC)}
    with first.begin() as connection:
        connection.execute(insert(CellFailure), failure)
        assert list(connection.scalars(select(CellFailure.id).order_by(CellFailure.id))) == [1, 2]
    with pytest.raises(IntegrityError), first.begin() as connection:
        connection.execute(insert(CellFailure), {**failure, "cell_id": None})
    run = {**ROWS["runs"], "params": {}, "created_at": datetime.now(UTC)}
    with pytest.raises(IntegrityError), first.begin() as connection:
        connection.execute(insert(Run), run)


def test_the_revision_is_read_without_making_a_file(bare_settings):
    assert read_revision(bare_settings) is None
    if not bare_settings.results_conn:
        assert not bare_settings.data_root.exists()


def test_a_database_of_a_newer_release_is_left_alone(bare_settings):
    upgrade_database(bare_settings)
    engine = engine_for(bare_settings)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    oldest, newest = known_revisions()[0], known_revisions()[-1]
    with pytest.raises(
        StoreError, match=rf"has the schema 9999 of a newer release; this one knows {oldest} to {newest}\."
    ):
        upgrade_database(bare_settings)
    with engine.connect() as connection:
        assert connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) == "9999"
    engine.dispose()
