"""One-shot init of the deployment: migrate both databases, make pools, roles and the first admin.

It may run again at any time, also where it died before: what is there stays. A role that exists keeps its
permissions; an admin who exists keeps name, role and password. Pools get the slots of DAYDREAMING_POOLS each
time; others are left alone. Without ADMIN_USER no admin is made; without the FAB auth manager no roles.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

_DATABASE_TIMEOUT_S = 120.0
_ADMIN = ("ADMIN_PASSWORD", "ADMIN_EMAIL")
_FAB = "FabAuthManager"

#: By role: the FAB auth manager's resources, by action. Each role has what the one before it has, too;
#: docs/deployment.md says what that comes to. None may read or change connections, which hold the keys.
_ADDED_PERMISSIONS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "ExperimentViewer": {
        "can_read": (
            "Asset Aliases",
            "Assets",
            "Backfills",
            "DAG Code",
            "DAG Dependencies",
            "DAG Runs",
            "DAG Versions",
            "DAG Warnings",
            "DAGs",
            "HITL Detail",
            "ImportError",
            "Jobs",
            "My Password",
            "My Profile",
            # Airflow's frame asks for them, to show the entry of the Experiments pages.
            "Plugins",
            "Pools",
            "Task Instances",
            "Task Logs",
            "Website",
            "XComs",
        ),
        "can_edit": ("My Password", "My Profile"),
        "menu_access": ("Assets", "DAG Runs", "DAGs", "Docs", "Documentation", "Task Instances"),
    },
    "ExperimentRunner": {
        "can_create": ("DAG Runs",),
        "can_edit": ("DAG Runs", "DAGs", "HITL Detail", "Task Instances"),
        "menu_access": ("Browse", "HITL Detail"),
    },
    "ExperimentEditor": {
        "can_create": ("Pools", "Variables"),
        "can_read": ("Variables",),
        "can_edit": ("Pools", "Variables"),
        "can_delete": ("DAG Runs", "Pools", "Variables"),
        "menu_access": ("Admin", "Pools", "Variables"),
    },
}


class InitError(Exception):
    """A step failed; the message says which and what to do."""


def wait_for_database(name: str, url: str, timeout_s: float = _DATABASE_TIMEOUT_S) -> None:
    """Until a PostgreSQL database takes connections.

    Args:
        name: What the database is for.
        url: SQLAlchemy's or PostgreSQL's URL; it is in no message, for it holds a password.
        timeout_s: How long to try.

    Raises:
        InitError: It did not in time.
    """
    import psycopg2

    deadline = time.monotonic() + timeout_s
    while True:
        try:
            psycopg2.connect(
                url.replace("postgresql+psycopg2://", "postgresql://"), connect_timeout=5
            ).close()
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline:
                raise InitError(
                    f"The {name} database refuses: {_last_line(error)}. If it is a password: those in .env "
                    "count only when the volume postgres-data is made; see docs/deployment.md."
                ) from error
            time.sleep(1)
        else:
            return


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].rstrip(".")


def pools_file_text(pools: Mapping[str, int]) -> str:
    """What ``airflow pools import`` reads: slots by pool, deferred instances counted."""
    described = {
        name: {"slots": slots, "description": "LLM calls in flight", "include_deferred": True}
        for name, slots in pools.items()
    }
    return json.dumps(described)


def roles() -> dict[str, set[tuple[str, str]]]:
    """The roles of a team: pairs of action and resource by role."""
    made: dict[str, set[tuple[str, str]]] = {}
    held: set[tuple[str, str]] = set()
    for name, added in _ADDED_PERMISSIONS.items():
        held = held | {(action, resource) for action, resources in added.items() for resource in resources}
        made[name] = held
    return made


def make_roles(manager: Any) -> list[str]:
    """Make the roles that are missing, each with all of its permissions or not at all.

    ``airflow roles import`` commits each permission by itself: where it dies midway it leaves a role that can
    do half of its work, and that the next start takes for one that an admin changed.

    Args:
        manager: The security manager of FAB's application builder.

    Returns:
        Names of the roles that were made.

    Raises:
        InitError: The auth manager does not know an action or a resource; no role is made then.
    """
    missing = {name: pairs for name, pairs in roles().items() if manager.find_role(name) is None}
    wanted = {pair for pairs in missing.values() for pair in pairs}
    unknown = {action for action, _ in wanted if manager.get_action(action) is None}
    unknown |= {resource for _, resource in wanted if manager.get_resource(resource) is None}
    if unknown:
        raise InitError(
            f"The FAB auth manager does not know {', '.join(sorted(unknown))}, so no role was made. Another "
            "release of it may have other names: see _ADDED_PERMISSIONS."
        )
    for name, pairs in missing.items():
        # Each is committed by itself, and is nobody's until the role is there.
        permissions = [manager.create_permission(action, resource) for action, resource in sorted(pairs)]
        if None in permissions:
            raise InitError(f"The permissions of {name} could not be made; see above.")
        manager.session.add(manager.role_model(name=name, permissions=permissions))
        manager.session.commit()
    return list(missing)


def admin_command(env: Mapping[str, str]) -> list[str] | None:
    """The command that makes the first admin; None where no name is given.

    Raises:
        InitError: A name without password or address.
    """
    if not env.get("ADMIN_USER"):
        return None
    if missing := [name for name in _ADMIN if not env.get(name)]:
        raise InitError(f"{', '.join(missing)} must be set for the first admin. Run: make secrets")
    options = {
        "--role": "Admin",
        "--firstname": "First",
        "--lastname": "Admin",
        "--username": env["ADMIN_USER"],
        "--password": env["ADMIN_PASSWORD"],
        "--email": env["ADMIN_EMAIL"],
    }
    return ["airflow", "users", "create", *(part for option in options.items() for part in option)]


def _run(what: str, command: Sequence[str]) -> None:
    result = subprocess.run(command, check=False)  # noqa: S603 - our own commands
    if result.returncode:
        raise InitError(f"{what} failed; see above.")


def _import_pools(text: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        _run("airflow pools import", ["airflow", "pools", "import", file.name])


def _has_roles() -> bool:
    from airflow.configuration import conf

    return conf.get("core", "auth_manager").endswith(_FAB)


def _make_roles() -> None:
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    @providers_configuration_loaded
    def make() -> list[str]:
        with get_application_builder() as builder:
            return make_roles(builder.sm)

    made = make()
    _say(f"Roles made: {', '.join(made)}" if made else "The roles are there")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the container's log


def main() -> None:
    """Prepare everything that the services expect."""
    from daydreaming.cli.databases import migrate_databases, schema_line
    from daydreaming.errors import DaydreamingError
    from daydreaming.settings import Settings
    from daydreaming.store.database import results_url

    settings, env = Settings.from_env(), os.environ
    create_admin = admin_command(env)
    wait_for_database("metadata", env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    if settings.results_conn:
        wait_for_database("results", results_url(settings))
    _say("Migrating both databases")
    try:
        schemas = migrate_databases(
            settings, env, lambda: _run("airflow db migrate", ["airflow", "db", "migrate"])
        )
    except DaydreamingError as error:
        raise InitError(str(error)) from error
    for schema in schemas:
        _say(schema_line(schema))
    _import_pools(pools_file_text(settings.pools))
    if _has_roles():
        _make_roles()
    if create_admin:
        _run("airflow users create", create_admin)
    _say("The deployment is ready")


if __name__ == "__main__":
    try:
        main()
    except InitError as error:
        sys.exit(f"Error: {error}")
