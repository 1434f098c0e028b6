"""Migrate both databases: Airflow's metadata and the results. Independent of typer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daydreaming.errors import StoreError
from daydreaming.settings import Settings
from daydreaming.store.migrate import latest_revision, read_revision, require_known, upgrade_database

_NAMES = {"metadata": "Airflow's metadata database", "results": "The results database"}
_NEWER = (
    "Airflow's metadata database has the schema {before} of a newer release; Airflow {version} does not know "
    "it. Install that release again, or a later one. Nothing was changed."
)


@dataclass(frozen=True)
class DatabaseSchema:
    """The schema of one database.

    Attributes:
        database: ``metadata`` or ``results``.
        before: Its revision; None where it has no tables.
        after: The revision that this release works with.
        is_current: Nothing is to be done.
    """

    database: str
    before: str | None
    after: str
    is_current: bool


def read_schemas(settings: Settings, env: Mapping[str, str]) -> tuple[DatabaseSchema, DatabaseSchema]:
    """What is to be migrated, of the results database and of Airflow's; changes nothing.

    Args:
        settings: The deployment's settings.
        env: Airflow's environment.

    Raises:
        StoreError: A database cannot be reached, or a newer release has migrated it.
    """
    return _results_schema(settings), _metadata_schema(env)


def migrate_databases(
    settings: Settings, env: Mapping[str, str], migrate_metadata: Callable[[], None]
) -> tuple[DatabaseSchema, DatabaseSchema]:
    """Migrate whichever is not current, after both were found fit for it.

    Args:
        settings: The deployment's settings.
        env: Airflow's environment.
        migrate_metadata: Runs ``airflow db migrate`` in it; called where that has something to do.

    Returns:
        What each was before.

    Raises:
        StoreError: A database cannot be reached, or a newer release has migrated it.
    """
    schemas = read_schemas(settings, env)
    results, metadata = schemas
    if not results.is_current:
        upgrade_database(settings)
    if not metadata.is_current:
        migrate_metadata()
    return schemas


def schema_line(schema: DatabaseSchema, *, only_checked: bool = False) -> str:
    """What was done to a database, or is to be done where that was only asked."""
    return f"{_NAMES[schema.database]}: {_outcome(schema, 'is to be' if only_checked else 'was')}"


def _outcome(schema: DatabaseSchema, did: str) -> str:
    if schema.is_current:
        return f"current ({schema.after})"
    if schema.before is None:
        return f"{did} made ({schema.after})"
    if schema.before == schema.after:
        return f"{did} migrated: tables of Airflow's providers ({schema.after})"
    return f"{did} migrated from {schema.before} to {schema.after}"


def _results_schema(settings: Settings) -> DatabaseSchema:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        before = read_revision(settings)
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise StoreError(
            f"The results database cannot be used: {cause}. Check DAYDREAMING_DATA_ROOT and "
            "AIRFLOW_CONN_DAYDREAMING_RESULTS. Nothing was changed."
        ) from error
    require_known(before, "The results database")
    after = latest_revision()
    return DatabaseSchema("results", before, after, before == after)


def _metadata_schema(env: Mapping[str, str]) -> DatabaseSchema:
    result = subprocess.run(
        [sys.executable, "-m", "daydreaming.cli.metadata_schema"],
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        said = (result.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise StoreError(f"Airflow cannot be asked for its metadata database: {said}. Nothing was changed.")
    found = json.loads(result.stdout.strip().splitlines()[-1])
    if "error" in found:
        raise StoreError(
            f"Airflow's metadata database cannot be used: {found['error']}. Check AIRFLOW_HOME and "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN. Nothing was changed."
        )
    if not found["is_known"]:
        raise StoreError(_NEWER.format(**found))
    return DatabaseSchema("metadata", found["before"], found["after"], found["is_current"])
