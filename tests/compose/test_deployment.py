"""The deployment of a team, run for real: Celery, PostgreSQL, the FAB auth manager, the simulator.

The tests build on each other's runs, in the order in which they stand here.
"""

from __future__ import annotations

import re

import httpx
import pytest

from daydreaming.cli.rest import DAG_ID
from daydreaming.settings import DEFAULT_POOLS
from tests.compose.documented import inline
from tests.compose.engine import run
from tests.compose.stack import AIRFLOW_SERVICES, SERVICES, Stack, log_in

pytestmark = pytest.mark.integration

VIEWER_PASSWORD = "only-for-this-test"


def test_init_prepares_everything_and_ends(stack: Stack):
    state = stack.state("airflow-init")["State"]
    assert (state["Status"].lower(), state["ExitCode"]) == ("exited", 0)
    pools = {p["name"]: p for p in stack.client().request("GET", "/api/v2/pools")["pools"]}
    for name, slots in DEFAULT_POOLS.items():
        assert (pools[name]["slots"], pools[name]["include_deferred"]) == (slots, True)


def test_all_parts_of_airflow_report_that_they_are_healthy(stack: Stack):
    health = httpx.get(f"{stack.url}/api/v2/monitor/health", timeout=60, trust_env=False).json()
    assert {name: part["status"] for name, part in health.items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
    )


def test_every_dag_file_is_read_without_an_error(stack: Stack):
    assert stack.client().request("GET", "/api/v2/importErrors")["import_errors"] == []
    dags = stack.client().request("GET", "/api/v2/dags")["dags"]
    assert DAG_ID in {dag["dag_id"] for dag in dags if not dag["is_paused"]}


@pytest.mark.parametrize("service", SERVICES)
def test_only_the_api_server_has_a_port_on_the_host_and_on_loopback_alone(stack: Stack, service):
    bindings = stack.state(service)["HostConfig"]["PortBindings"] or {}
    addresses = {bound["HostIp"] for ports in bindings.values() for bound in ports or []}
    assert addresses == ({"127.0.0.1"} if service == "airflow-apiserver" else set())


@pytest.mark.parametrize("service", AIRFLOW_SERVICES)
def test_airflow_runs_without_root_and_within_limits(stack: Stack, service):
    assert stack.execute(service, "id", "-u").stdout.strip() == "50000"
    capabilities = stack.execute(service, "grep", "CapEff", "/proc/1/status").stdout
    assert int(capabilities.split()[1], 16) == 0
    host = stack.state(service)["HostConfig"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0 or host["CpuQuota"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize(
    ("service", "user"),
    [("postgres", "postgres"), ("redis", "redis"), ("statsd-exporter", "nobody"), ("prometheus", "nobody")],
)
def test_the_servers_run_without_root(stack: Stack, service, user):
    assert stack.execute(service, "stat", "-c", "%U", "/proc/1").stdout.strip() == user


def test_each_database_is_its_own_users_alone(stack: Stack):
    for own, other in (("airflow", "daydreaming"), ("daydreaming", "airflow")):
        assert stack.sql(own, "SELECT current_user").stdout.strip() == own
        for closed in (other, "postgres"):
            refused = stack.sql(closed, "SELECT 1", user=own)
            assert refused.returncode != 0
            assert "permission denied for database" in refused.stdout
        rights = stack.sql(
            own, "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = user"
        )
        assert rights.stdout.strip() == "f|f|f"


def test_the_queue_asks_for_its_password(stack: Stack):
    ping = ("redis-cli", "ping")
    assert "NOAUTH" in stack.execute("redis", "env", "-u", "REDISCLI_AUTH", *ping, check=False).stdout
    assert stack.execute("redis", *ping).stdout.strip().endswith("PONG")


def test_the_pages_are_behind_the_login(stack: Stack):
    assert httpx.get(f"{stack.url}/daydreaming/", timeout=60, trust_env=False).status_code == 401
    with log_in(stack.url, stack.setting("ADMIN_USER"), stack.setting("ADMIN_PASSWORD")) as browser:
        assert browser.get("/daydreaming/").status_code == 200
    with log_in(stack.url, stack.setting("ADMIN_USER"), "wrong") as browser:
        assert browser.get("/daydreaming/").status_code == 401


def test_a_viewer_sees_the_pages_and_starts_no_run(stack: Stack):
    create = ["airflow", "users", "create", "--role", "Viewer", "--username", "viewer", "--firstname", "V"]
    rest = ["--lastname", "V", "--email", "viewer@example.org", "--password", VIEWER_PASSWORD]
    stack.execute("airflow-apiserver", *create, *rest)
    with log_in(stack.url, "viewer", VIEWER_PASSWORD) as browser:
        assert browser.get("/daydreaming/").status_code == 200
        body = {"logical_date": None, "conf": {"experiment": "demo"}}
        assert browser.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json=body).status_code == 403


def test_a_run_without_the_models_connection_is_refused(stack: Stack):
    conf = {"experiment": "demo", "generation_models": ["gpt_oss_20b_free"], "experiment_id": "refused"}
    result = stack.daydreaming("run", "demo", *(f"--set={k}={v}" for k, v in _flat(conf)))
    assert result.returncode == 1, result.stdout
    said = " ".join(result.stdout.split())
    assert "Airflow connection 'openrouter_default' is not defined." in said
    assert "estimate_cost" in said


def _flat(conf):
    for name, value in conf.items():
        if name != "experiment":
            yield name, ",".join(value) if isinstance(value, list) else value


def test_an_experiment_runs_to_its_tables(experiment: str):
    assert "12 of 12 evaluations scored" in experiment
    assert "18 new calls, 0 answers reused. Tables: /opt/airflow/data/06_summary/demo" in experiment


def test_every_call_is_an_instance_in_its_models_pool_under_its_id(stack: Stack, run_url: str):
    path = f"{run_url}/taskInstances?limit=100"
    instances = stack.client().request("GET", path)["task_instances"]
    calls = [i for i in instances if i["task_id"] in ("generate", "evaluate")]
    assert len(calls) == 18
    assert {(i["state"], i["pool"]) for i in calls} == {("success", "llm_local")}
    assert all(i["rendered_map_index"].startswith("combo_v1_") for i in calls)


def test_the_tasks_went_through_the_celery_worker(stack: Stack, run_url: str):
    path = f"{run_url}/taskInstances?limit=100"
    instances = stack.client().request("GET", path)["task_instances"]
    worker = stack.execute("airflow-worker", "hostname").stdout.strip()
    assert {i["hostname"] for i in instances if i["hostname"]} == {worker}
    done = stack.sql("airflow", "SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'").stdout
    assert int(done) >= 18


def test_results_are_in_their_own_database_and_in_the_shared_volume(stack: Stack, experiment: str):
    assert (
        stack.sql("daydreaming", "SELECT count(*) FROM evaluations WHERE score IS NOT NULL").stdout.strip()
        == "12"
    )
    assert stack.sql("airflow", "SELECT to_regclass('public.evaluations') IS NULL").stdout.strip() == "t"
    final = "/opt/airflow/data/06_summary/demo/final_results.csv"
    for service in AIRFLOW_SERVICES:
        assert stack.execute(service, "test", "-s", final).returncode == 0


def test_tables_are_copied_out(stack: Stack, experiment: str):
    stack.shell(inline("docker compose cp"))
    copied = (stack.folder / "06_summary" / "demo" / "final_results.csv").read_text(encoding="utf-8")
    there = stack.execute("airflow-worker", "cat", "/opt/airflow/data/06_summary/demo/final_results.csv")
    assert copied == there.stdout
    assert "by_generation_template,,demo_essay," in copied


def test_a_proxy_on_the_host_comes_from_the_gateway_that_the_docs_ask_for(stack: Stack):
    text = stack.shell(inline("docker network inspect"))
    gateway = re.search(r'"gateway": "([^"]+)"', text, re.IGNORECASE)
    assert gateway, text
    path = "/daydreaming/asked-from-the-host"
    httpx.get(f"{stack.url}{path}", timeout=60, trust_env=False)
    log = run([stack.engine.program, "logs", stack.container("airflow-apiserver")]).stdout
    [line] = [line for line in log.splitlines() if path in line]
    assert gateway[1] in line


@pytest.mark.parametrize(("task_id", "map_index"), [("load_inputs", -1), ("generate", 0)])
def test_logs_are_read_through_the_api_server(stack: Stack, run_url: str, task_id, map_index):
    path = f"{run_url}/taskInstances/{task_id}/logs/1?map_index={map_index}"
    events = [str(line["event"]) for line in stack.client().request("GET", path)["content"]]
    assert any("DAG bundles loaded" in event for event in events), events


def test_the_experiments_page_lists_it(stack: Stack, experiment: str):
    with log_in(stack.url, stack.setting("ADMIN_USER"), stack.setting("ADMIN_PASSWORD")) as browser:
        page = browser.get("/daydreaming/")
    assert re.search(r">\s*demo\s*<", page.text)
