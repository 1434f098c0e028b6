"""What each role that init makes may do, asked of the real FAB auth manager; the docs have the same table.

One of the roles was made by a second start of init, after a first that died midway.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daydreaming.cli.rest import AirflowClient
from tests.compose.documented import USERS, inline, lines
from tests.compose.stack import Stack
from tests.support.documents import replaced
from tests.support.roles import ACTIONS, EDITOR, ROLES, RUNNER, VIEWER, allowed

pytestmark = pytest.mark.integration

PASSWORD = "only-for-this-test"
#: Makes the roles as init does, and is gone when it has made the role and not yet what it holds.
_DYING = """
import os, runpy
from sqlalchemy import event
from sqlalchemy.engine import Engine

@event.listens_for(Engine, "before_cursor_execute")
def die(connection, cursor, statement, *_):
    if statement.startswith("INSERT INTO ab_permission_view_role"):
        os._exit(9)

runpy.run_path("/opt/airflow/deploy/init.py")["_make_roles"]()
"""
_ROLES = "SELECT name FROM ab_role WHERE name LIKE 'Experiment%' ORDER BY id"


def made(stack: Stack) -> list[str]:
    """The roles that are in the database."""
    return stack.sql("airflow", _ROLES).stdout.split()


@pytest.fixture(scope="module")
def after_a_death(stack: Stack, experiment: str) -> list[str]:
    """Init dies while it makes the last role, and is started again; the roles that there were between."""
    stack.execute("airflow-apiserver", "airflow", "roles", "delete", EDITOR)
    died = stack.execute("airflow-apiserver", "python", "-c", _DYING, check=False)
    assert died.returncode == 9, died.stdout
    left = made(stack)
    assert f"Roles made: {EDITOR}\n" in stack.shell(inline("docker compose run --rm airflow-init"))
    return left


@pytest.fixture(scope="module")
def clients(stack: Stack, after_a_death: list[str]) -> Iterator[dict[str, AirflowClient]]:
    """Someone of each role, logged in."""
    [create_viewer] = lines(USERS)
    answer = f"{PASSWORD}\n" * 2
    stack.shell(create_viewer, answer=answer)
    names = {VIEWER: "ada"}
    for role in (RUNNER, EDITOR):
        names[role] = role.lower()
        line = replaced(replaced(create_viewer, VIEWER, role), "ada", names[role])
        stack.shell(line, answer=answer)
    yield {role: AirflowClient(stack.url, names[role], PASSWORD) for role in ROLES}
    for name in names.values():
        stack.execute("airflow-apiserver", "airflow", "users", "delete", "--username", name)
    admin = stack.client()
    for path in ("/api/v2/pools/of-a-test", "/api/v2/variables/of-a-test"):
        admin.send("DELETE", path)


def test_a_role_whose_init_died_midway_is_made_whole_by_the_next(stack: Stack, after_a_death: list[str]):
    assert after_a_death == [VIEWER, RUNNER]
    assert made(stack) == [VIEWER, RUNNER, EDITOR]


@pytest.mark.parametrize("action", ACTIONS)
def test_each_role_may_do_what_the_docs_say_and_no_more(clients: dict[str, AirflowClient], action: str):
    _, method, path, body = ACTIONS[action]
    options = {} if body is None else {"json": body}
    found = {role: client.send(method, path, **options).status_code for role, client in clients.items()}
    assert {role for role, status in found.items() if status != 403} == set(allowed(action)), found
    assert all(status < 500 for status in found.values()), found
