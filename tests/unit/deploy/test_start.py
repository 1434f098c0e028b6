from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from daydreaming.cli import environment


@pytest.fixture(scope="module")
def start(script):
    return script("start")


def test_a_key_becomes_the_same_connection_as_with_daydreaming_up(start):
    env = {"OPENROUTER_API_KEY": 'sk-or-"quoted"', "LOCAL_LLM_URL": "http://local-llm:8000/v1"}
    assert start.connections(env) == environment._connections(env, env["LOCAL_LLM_URL"])


@pytest.mark.parametrize("value", [{}, {"OPENROUTER_API_KEY": "", "LOCAL_LLM_URL": ""}])
def test_without_a_key_there_is_no_connection(start, value):
    assert start.connections(value) == {}


def test_a_connection_that_is_given_stays(start):
    env = {"OPENROUTER_API_KEY": "key", "AIRFLOW_CONN_OPENROUTER_DEFAULT": "openai://mine"}
    assert start.connections(env) == {}


def test_a_model_server_with_a_key_gets_it(start):
    made = start.connections({"LOCAL_LLM_URL": "http://vllm:8000/v1", "LOCAL_LLM_API_KEY": "key"})
    assert json.loads(made["AIRFLOW_CONN_LOCAL_LLM"])["password"] == "key"


@pytest.mark.parametrize(
    ("command", "needs"),
    [
        (["airflow", "scheduler"], True),
        (["airflow", "api-server", "--proxy-headers"], True),
        (["airflow", "dag-processor"], True),
        (["airflow", "triggerer", "--skip-serve-logs"], True),
        (["airflow", "celery", "worker"], False),
        (["airflow", "users", "list"], False),
        (["python", "/opt/airflow/deploy/init.py"], False),
        (["daydreaming", "status"], False),
        (["airflow"], False),
    ],
)
def test_only_services_that_read_tables_wait_for_init(start, command, needs):
    assert start.needs_tables(command) is needs


def run_start(root, *command, env=None):
    path = [sys.executable, str(root / "deploy" / "start.py"), *command]
    return subprocess.run(path, capture_output=True, text=True, env=env, check=False)


def test_the_program_takes_the_place_of_the_process_with_its_connections(root):
    code = "import os; print(os.environ['AIRFLOW_CONN_LOCAL_LLM'])"
    env = {"LOCAL_LLM_URL": "http://llm/v1", "PATH": "/usr/bin"}
    result = run_start(root, sys.executable, "-c", code, env=env)
    assert json.loads(result.stdout) == {
        "conn_type": "openai",
        "host": "http://llm/v1",
        "password": "not-needed",
    }


def test_the_exit_code_is_the_programs(root):
    assert run_start(root, sys.executable, "-c", "raise SystemExit(7)").returncode == 7


def test_open_files_are_allowed_as_far_as_the_container_goes(root):
    code = "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    limits = [
        sys.executable,
        "-c",
        f"import resource, os, sys; {_LOWER}; os.execv(sys.argv[1], sys.argv[1:])",
    ]
    command = [sys.executable, str(root / "deploy" / "start.py"), sys.executable, "-c", code]
    result = subprocess.run([*limits, *command], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["300", "300"]


_LOWER = "resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))"


def test_a_limit_that_is_high_already_is_not_passed(start):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        start.allow_open_files()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert hard == before[1]
        assert soft == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ((), "Give a program to start, such as: airflow scheduler"),
        (("no-such-program",), "no-such-program cannot be started: No such file or directory."),
    ],
)
def test_a_mistake_is_one_line(root, command, message):
    result = run_start(root, *command)
    assert (result.returncode, result.stderr.strip()) == (1, message)
