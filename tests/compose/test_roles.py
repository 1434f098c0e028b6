"""What each role that init makes may do, asked of the real FAB auth manager; the docs have the same table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daydreaming.cli.rest import AirflowClient
from tests.compose.stack import Stack
from tests.support.roles import ACTIONS, ROLES, allowed

pytestmark = pytest.mark.integration

PASSWORD = "only-for-this-test"


@pytest.fixture(scope="module")
def clients(stack: Stack, experiment: str) -> Iterator[dict[str, AirflowClient]]:
    """Someone of each role, logged in."""
    for role in ROLES:
        names = ["--username", role.lower(), "--firstname", "A", "--lastname", "B"]
        rest = ["--email", f"{role.lower()}@example.org", "--password", PASSWORD]
        stack.execute("airflow-apiserver", "airflow", "users", "create", "--role", role, *names, *rest)
    yield {role: AirflowClient(stack.url, role.lower(), PASSWORD) for role in ROLES}
    for role in ROLES:
        stack.execute("airflow-apiserver", "airflow", "users", "delete", "--username", role.lower())
    admin = stack.client()
    for path in ("/api/v2/pools/of-a-test", "/api/v2/variables/of-a-test"):
        admin.send("DELETE", path)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_role_may_do_what_the_docs_say_and_no_more(clients: dict[str, AirflowClient], action: str):
    _, method, path, body = ACTIONS[action]
    options = {} if body is None else {"json": body}
    found = {role: client.send(method, path, **options).status_code for role, client in clients.items()}
    assert {role for role, status in found.items() if status != 403} == set(allowed(action)), found
    assert all(status < 500 for status in found.values()), found
