"""Migrate, back up, and restore on an empty machine, by the commands of the docs.

The restored deployment is the small one, with LocalExecutor. These end the deployment of the other tests, so
none that needs it may run after them.
"""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest

from daydreaming.cli.rest import DAG_ID
from tests.compose import documented
from tests.compose.documented import BACKUP, RESTORE, SIMULATOR, SMALL, line_with, lines
from tests.compose.stack import Stack, change_settings, log_in
from tests.support.documents import replaced

pytestmark = pytest.mark.integration

#: Before the newest migration of the tables of users and roles.
FAB_BEFORE = "6709f7a774b9"
#: Of the small deployment; it has neither queue nor worker.
SMALL_SERVICES = (
    "airflow-init",
    "postgres",
    "simulator",
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
)
_NEW_PASSWORD = "changed-in-a-test"


def verified(stack: Stack) -> dict[str, Any]:
    """What `verify` finds, and how much it looked at."""
    printed = stack.daydreaming("verify", "--json").stdout
    return dict(json.loads(printed[printed.index("{") :]))


def schema_of_users(stack: Stack) -> str:
    """Revision of the tables of the FAB auth manager in the database that this test makes."""
    return psql(stack, "SELECT version_num FROM alembic_version_fab", database="fresh_airflow")


def psql(stack: Stack, statement: str, database: str = "postgres") -> str:
    options = ("--username", "postgres", "--dbname", database, "--tuples-only", "--no-align", "--quiet")
    return stack.execute("postgres", "psql", *options, "--command", statement).stdout.strip()


def test_one_command_migrates_both_databases_with_users_and_roles(stack: Stack):
    for owner in ("airflow", "daydreaming"):
        psql(stack, f"CREATE DATABASE fresh_{owner} OWNER {owner}")
    metadata, results = (
        f"postgresql://{owner}:{stack.setting(secret)}@postgres:5432/fresh_{owner}"
        for owner, secret in (("airflow", "AIRFLOW_DB_PASSWORD"), ("daydreaming", "RESULTS_DB_PASSWORD"))
    )
    there = (
        "env",
        f"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN={metadata}",
        f"AIRFLOW_CONN_DAYDREAMING_RESULTS={results}",
    )

    def run(*command: str, check: bool = True):
        return stack.execute("airflow-apiserver", *there, *command, check=check)

    made = run("daydreaming", "migrate").stdout
    assert "The results database: was made" in made
    assert "Airflow's metadata database: was made" in made
    newest = schema_of_users(stack)
    run("airflow", "fab-db", "downgrade", "--to-revision", FAB_BEFORE, "--yes")
    assert schema_of_users(stack) == FAB_BEFORE

    asked = run("daydreaming", "migrate", "--check", check=False)
    assert asked.returncode == 1
    assert "is to be migrated: tables of Airflow's providers" in asked.stdout
    assert "was migrated: tables of Airflow's providers" in run("daydreaming", "migrate").stdout
    assert schema_of_users(stack) == newest
    assert run("daydreaming", "migrate", "--check").stdout.count("current") == 2
    for owner in ("airflow", "daydreaming"):
        psql(stack, f"DROP DATABASE fresh_{owner}")


@pytest.fixture(scope="module")
def before(stack: Stack, experiment: str) -> dict[str, Any]:
    """What the first deployment holds, which is backed up then and gone."""
    held: dict[str, Any] = {
        "verify": verified(stack),
        "runs": len(stack.client().request("GET", f"/api/v2/dags/{DAG_ID}/dagRuns")["dag_runs"]),
    }
    for line in lines(BACKUP):
        stack.shell(line)
    stack.down()
    stack.start("postgres")
    stack.wait("postgres")
    change_passwords(stack)
    held["verify_of_the_volumes"] = verified(stack)
    held["schemas"] = [stack.shell(migrate()), stack.shell(f"{migrate()} --check")]
    stack.down("--volumes")
    return held


def migrate() -> str:
    """The command that the sentence on it begins with, and goes on with ``--check``."""
    assert documented.inline("migrate --check")
    return documented.inline("docker compose run --rm cli daydreaming migrate")


def change_passwords(stack: Stack) -> None:
    """As the docs say; the admin who backed up ``.env`` has the old ones."""
    line = documented.inline("docker compose exec postgres psql")
    for role, name in (("airflow", "AIRFLOW_DB_PASSWORD"), ("daydreaming", "RESULTS_DB_PASSWORD")):
        stack.shell(replaced(replaced(line, "…", _NEW_PASSWORD), "airflow", role))
        assert stack.sql(role, "SELECT 1").returncode != 0
        change_settings(stack.env_file, **{name: _NEW_PASSWORD})


@pytest.fixture(scope="module")
def restored(stack: Stack, before: dict[str, Any]) -> Stack:
    """The deployment on an empty machine, which is a small one."""
    stack.env_file.unlink()
    shutil.copy(stack.folder.parent / "backups" / ".env", stack.env_file)
    copy, build_and_start = lines(SMALL)
    stack.shell(copy)
    stack.shell("docker compose build")
    if stack.engine.is_podman:  # Docker does so by itself, by depends_on
        stack.start("postgres", "airflow-init")
        stack.wait("postgres", "airflow-init")
    for line in lines(RESTORE):
        stack.shell(line)
        if line == "docker compose up --detach":
            stack.shell(build_and_start)
            stack.shell(line_with(SIMULATOR, "--profile simulator"))
            stack.wait(*SMALL_SERVICES)
    return stack


def test_everything_outlasts_the_containers(before: dict[str, Any]):
    assert before["verify_of_the_volumes"] == before["verify"]
    assert before["verify"]["findings"] == []
    assert all(printed.count("current") == 2 for printed in before["schemas"]), before["schemas"]
    assert before["verify"]["checked"]["files"] > 36  # answers of two experiments, with their records


def test_an_empty_machine_finds_the_same_after_a_restore(restored: Stack, before):
    assert verified(restored) == before["verify"]
    runs = restored.client().request("GET", f"/api/v2/dags/{DAG_ID}/dagRuns")["dag_runs"]
    assert len(runs) == before["runs"]
    with log_in(restored.url, restored.setting("ADMIN_USER"), restored.setting("ADMIN_PASSWORD")) as browser:
        assert browser.get("/daydreaming/").status_code == 200


def test_what_was_answered_before_is_not_asked_for_again(restored: Stack):
    again = restored.daydreaming("run", "demo")
    assert again.returncode == 0, again.stdout
    assert "No new call: all 18 answers were reused" in again.stdout


def test_the_small_machine_makes_calls_without_queue_and_worker(restored: Stack):
    result = restored.daydreaming("run", "demo", "--set=experiment_id=small", "--set=generation_replicates=2")
    assert result.returncode == 0, result.stdout
    assert "18 new calls, 18 answers reused" in result.stdout
    found = re.search(r"^Run (\S+) of", result.stdout, re.MULTILINE)
    assert found
    path = f"/api/v2/dags/{DAG_ID}/dagRuns/{found[1]}/taskInstances?limit=100"
    hosts = {i["hostname"] for i in restored.client().request("GET", path)["task_instances"] if i["hostname"]}
    assert hosts == {restored.execute("airflow-scheduler", "hostname").stdout.strip()}
