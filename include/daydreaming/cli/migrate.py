"""How `daydreaming migrate` looks. Independent of typer."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from typing import TextIO

from daydreaming.cli.databases import migrate_databases, read_schemas, schema_line
from daydreaming.cli.environment import Home, program
from daydreaming.errors import StoreError
from daydreaming.settings import Settings


def run_migrate(settings: Settings, check: bool, as_json: bool, out: TextIO) -> bool:
    """Migrate both databases, or say what is to be done.

    Args:
        settings: The deployment's settings.
        check: Change nothing.
        as_json: One JSON object instead of text.
        out: Where the outcome goes.

    Returns:
        Whether both are current now.

    Raises:
        StoreError: A database cannot be reached or migrated.
    """
    # Where Airflow's settings name no database, it is in its home, as `daydreaming up` has it.
    env = {**os.environ, "AIRFLOW_HOME": str(Home.from_env().path)}
    if check:
        schemas = read_schemas(settings, env)
    else:
        schemas = migrate_databases(settings, env, lambda: _migrate_metadata(env))
    if as_json:
        out.write(json.dumps({"databases": [asdict(schema) for schema in schemas]}) + "\n")
    else:
        out.writelines(f"{schema_line(schema, only_checked=check)}\n" for schema in schemas)
    return not check or all(schema.is_current for schema in schemas)


def _migrate_metadata(env: Mapping[str, str]) -> None:
    result = subprocess.run(  # noqa: S603 - our own command
        [program("airflow"), "db", "migrate"], env=dict(env), capture_output=True, text=True, check=False
    )
    if result.returncode:
        said = (result.stderr.strip() or result.stdout.strip() or "it says nothing").splitlines()[-1]
        raise StoreError(f"`airflow db migrate` failed: {said}. The results database is migrated.")
