"""Airflow's own account of its metadata database, as one line of JSON: run it as a module.

A process of its own, for Airflow reads its settings once, when it is imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """Which revision the metadata database has, and which this Airflow works with.

    Returns:
        ``version`` of Airflow, ``before`` (None for no tables), ``after``, ``is_known`` (that Airflow knows
        the former), ``is_current`` (of the tables of its providers, too); or ``error``.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _describe()
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return {"error": cause}


def _describe() -> dict[str, Any]:
    import airflow
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    folder = Path(str(airflow.__file__)).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    before, after = _current_revision(), script.get_current_head()
    known = {revision.revision for revision in script.walk_revisions()}
    return {
        "version": airflow.__version__,
        "before": before,
        "after": after,
        "is_known": before is None or before in known,
        "is_current": before == after and _are_providers_current(),
    }


def _current_revision() -> str | None:
    from airflow.settings import get_engine
    from alembic.migration import MigrationContext

    engine = get_engine()  # type: ignore[no-untyped-call]
    if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
        return None  # looking would make the file
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _are_providers_current() -> bool:
    from airflow.utils.db_manager import RunDBManager
    from airflow.utils.session import create_session

    managers = RunDBManager()  # type: ignore[no-untyped-call]
    with create_session() as session:
        return bool(managers.check_migration(session))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    described = json.dumps(describe())
    # Whatever Airflow prints goes before it.
    sys.stdout.write(f"\n{described}\n")
