from __future__ import annotations

import json

import pytest

from daydreaming.cli.databases import DatabaseSchema
from daydreaming.errors import StoreError
from daydreaming.settings import DEFAULT_POOLS


@pytest.fixture(scope="module")
def init(script):
    return script("init")


def test_pools_count_deferred_instances(init):
    pools = json.loads(init.pools_file_text(DEFAULT_POOLS))
    assert {name: pool["slots"] for name, pool in pools.items()} == dict(DEFAULT_POOLS)
    assert all(pool["include_deferred"] is True for pool in pools.values())


def test_the_first_admin_is_made_of_the_environment(init):
    env = {"ADMIN_USER": "ada", "ADMIN_PASSWORD": "secret", "ADMIN_EMAIL": "ada@example.org"}
    command = init.admin_command(env)
    assert command[:3] == ["airflow", "users", "create"]
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert options["--role"] == "Admin"
    assert (options["--username"], options["--password"]) == ("ada", "secret")


def test_without_a_name_no_admin_is_made(init):
    assert init.admin_command({}) is None


def test_an_admin_without_a_password_is_refused(init):
    with pytest.raises(init.InitError, match=r"ADMIN_PASSWORD, ADMIN_EMAIL must be set .* make secrets"):
        init.admin_command({"ADMIN_USER": "ada", "ADMIN_PASSWORD": ""})


def test_init_waits_until_the_database_answers(init, postgres):
    with postgres.database() as uri:
        init.wait_for_database("results", uri.replace("postgresql://", "postgresql+psycopg2://"))


def test_a_database_that_does_not_answer_is_named_without_its_password(init):
    url = "postgresql+psycopg2://airflow:hidden-word@127.0.0.1:1/airflow"
    with pytest.raises(
        init.InitError, match=r"The metadata database refuses: .*docs/deployment\.md"
    ) as caught:
        init.wait_for_database("metadata", url, timeout_s=0)
    assert "hidden-word" not in str(caught.value)


def test_each_role_holds_what_the_one_before_it_holds_and_more(init):
    viewer, runner, editor = init.roles().values()
    assert viewer < runner < editor
    assert not {action for action, _ in viewer} & {"can_create", "can_delete"}
    assert {pair for pair in viewer if pair[0] == "can_edit"} == {
        ("can_edit", "My Password"),
        ("can_edit", "My Profile"),
    }


def test_no_role_reaches_keys_users_or_the_configuration(init):
    reached = {resource for pairs in init.roles().values() for _, resource in pairs}
    assert not reached & {"Connections", "Configurations", "Users", "Roles", "Passwords", "Audit Logs"}


@pytest.mark.parametrize(
    ("manager", "made"),
    [
        ("airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager", True),
        ("airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager", False),
        ("airflow.providers.keycloak.auth_manager.keycloak_auth_manager.KeycloakAuthManager", False),
    ],
)
def test_roles_are_made_where_the_auth_manager_knows_them(init, monkeypatch, manager, made):
    ran = []
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", manager)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://db/airflow")
    monkeypatch.setattr(init, "wait_for_database", lambda *_: None)
    monkeypatch.setattr(init, "_run", lambda what, _: ran.append(what))
    monkeypatch.setattr(init, "_make_roles", lambda: ran.append("roles"))
    monkeypatch.setattr("daydreaming.cli.databases.migrate_databases", lambda *_: [])
    init.main()
    assert ran == ["airflow pools import", "roles"][: 1 + made]


def test_both_databases_are_migrated_as_the_command_does_it(init, monkeypatch, capsys):
    ran: list[str] = []

    def migrate(_settings, env, migrate_metadata):
        assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql://db/airflow"
        migrate_metadata()
        return [DatabaseSchema("results", "0001", "0004", False)]

    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://db/airflow")
    monkeypatch.setattr(init, "wait_for_database", lambda *_: None)
    monkeypatch.setattr(init, "_run", lambda what, _: ran.append(what))
    monkeypatch.setattr("daydreaming.cli.databases.migrate_databases", migrate)
    init.main()
    assert ran == ["airflow db migrate", "airflow pools import"]
    assert "The results database: was migrated from 0001 to 0004\n" in capsys.readouterr().out


def test_a_database_of_a_newer_release_stops_init_with_its_reason(init, monkeypatch):
    def refuse(*_):
        raise StoreError("The results database has the schema 9999 of a newer release")

    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://db/airflow")
    monkeypatch.setattr(init, "wait_for_database", lambda *_: None)
    monkeypatch.setattr("daydreaming.cli.databases.migrate_databases", refuse)
    with pytest.raises(init.InitError, match="schema 9999 of a newer release"):
        init.main()
