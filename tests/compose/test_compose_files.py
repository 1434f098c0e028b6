"""What needs no container: the files' shape, and that nothing starts without secrets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose.engine import ROOT, Engine, run
from tests.compose.stack import write_env

pytestmark = pytest.mark.integration

FILES = ("docker-compose.yaml", "docker-compose.override.example.yaml", "deploy/caddy/docker-compose.yaml")
CHECK = str(Path(sys.executable).with_name("check-jsonschema"))


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    return run([CHECK, "--builtin-schema", "vendor.compose-spec", str(path)], check=False)


@pytest.mark.parametrize("name", FILES)
def test_a_compose_file_has_the_shape_that_the_specification_asks_for(name):
    result = check_schema(ROOT / name)
    assert result.returncode == 0, result.stdout


def test_the_schema_check_finds_a_wrong_key(tmp_path):
    text = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "docker-compose.yaml"
    wrong.write_text(text.replace("    restart: unless-stopped", "    restarts: always", 1), encoding="utf-8")
    result = check_schema(wrong)
    assert result.returncode != 0
    assert "restarts" in result.stdout


@pytest.mark.parametrize(
    "secret",
    ["FERNET_KEY", "JWT_SECRET", "API_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "ADMIN_PASSWORD"],
)
def test_compose_refuses_a_deployment_without_a_secret(engine: Engine, tmp_path, secret):
    env_file = write_env(tmp_path, **{secret: ""})
    command = engine.compose("daydreaming-test-refused", env_file, "cli")
    result = run([*command, "config"], check=False)
    assert result.returncode != 0
    assert secret in result.stdout
    assert "run make secrets" in result.stdout


def test_compose_accepts_what_make_secrets_writes(engine: Engine, tmp_path):
    env_file = write_env(tmp_path)
    command = engine.compose("daydreaming-test-accepted", env_file, "cli")
    assert "airflow-scheduler" in run([*command, "config"]).stdout
