"""What docs/deployment.md says of roles and databases is what the tests ask of the real thing."""

from __future__ import annotations

import re

import psycopg2
import pytest

from tests.support.documents import blocks
from tests.support.roles import ACTIONS, ROLES, allowed


@pytest.mark.parametrize("action", ACTIONS)
def test_the_docs_name_each_action_with_the_roles_that_may(root, action):
    marks = ["yes" if role in allowed(action) else "no" for role in ROLES]
    text = (root / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert f"| {action} | {' | '.join(marks)} |" in text


def test_the_roles_are_those_that_init_makes(script):
    assert tuple(script("init").roles()) == ROLES


@pytest.fixture
def statements(root):
    """The SQL of the docs, under names that are no other test's."""
    [block] = [b for b in blocks(root / "docs" / "deployment.md") if b.language == "sql"]
    text = block.text.replace("daydreaming", "kept_results").replace("airflow", "kept_metadata")
    return [line for line in text.splitlines() if line.strip()]


def _ask(uri, statement):
    connection = psycopg2.connect(uri)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def test_the_sql_of_the_docs_keeps_each_user_out_of_the_others_database(postgres, statements):
    admin = postgres.uri("postgres")
    for statement in statements:
        _ask(admin, statement)
    try:
        for own, other in (("kept_metadata", "kept_results"), ("kept_results", "kept_metadata")):
            assert _ask(postgres.uri(own).replace("postgres@", f"{own}@"), "SELECT current_user") == own
            with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                _ask(postgres.uri(other).replace("postgres@", f"{own}@"), "SELECT 1")
    finally:
        for name in ("kept_metadata", "kept_results"):
            _ask(admin, f"DROP DATABASE IF EXISTS {name}")
            _ask(admin, f"DROP ROLE IF EXISTS {name}")


def test_the_security_page_names_files_that_exist(root):
    text = (root / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./-]+\.(?:py|sh))`", text))
    assert len(named) > 40
    last = ""
    for name in re.findall(r"`([\w./-]+\.(?:py|sh))`", text):
        # A test without a folder is beside the one before it.
        places = (root / name, root / "include/daydreaming" / name, (root / last).parent / name)
        assert any(place.is_file() for place in places), name
        last = name if name.startswith("tests/") else last
