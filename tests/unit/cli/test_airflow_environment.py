from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from daydreaming.cli.environment import Home, airflow_environment
from daydreaming.errors import InputError
from daydreaming.settings import Settings

SECRETS = ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET")


def _environment(home: Home, settings: Settings, *, llm: str | None = None, **env: str) -> dict[str, str]:
    return airflow_environment(home, settings, port=8123, local_llm_url=llm, env=env)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An Airflow home that does not exist yet."""
    return Home(tmp_path / "home")


def test_secrets_are_in_files_that_their_owner_alone_reads(home: Home, settings: Settings):
    env = _environment(home, settings, llm="http://127.0.0.1:1/v1", OPENROUTER_API_KEY="sk-or-sesame")
    secrets = [env[name] for name in SECRETS] + [home.password(), "sk-or-sesame"]
    holding = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in home.path.rglob("*")
        if path.is_file() and any(secret in path.read_text() for secret in secrets)
    }
    assert holding == {"secrets.json": 0o600, "simple_auth_manager_passwords.json": 0o600}
    assert not any("sk-or-sesame" in path.read_text() for path in home.path.iterdir())


def test_secrets_are_made_once(home: Home, settings: Settings):
    first, password = _environment(home, settings), home.password()
    again = _environment(Home(home.path), settings)
    assert {name: first[name] for name in SECRETS} == {name: again[name] for name in SECRETS}
    assert Home(home.path).password() == password
    assert len(base64.urlsafe_b64decode(first[SECRETS[0]])) == 32


def test_two_homes_have_different_secrets(home: Home, settings: Settings, tmp_path: Path):
    other = Home(tmp_path / "other")
    assert home.password() != other.password()
    assert not set(home.secret_settings().values()) & set(other.secret_settings().values())


@pytest.mark.parametrize("text", ["", "[]", '{"someone": "x"}'])
def test_damaged_secrets_are_named_with_the_remedy(home: Home, text: str):
    home.path.mkdir()
    for name in ("secrets.json", "simple_auth_manager_passwords.json"):
        (home.path / name).write_text(text)
    with pytest.raises(InputError, match=r"passwords\.json: must hold .* admin\. Delete it"):
        home.password()
    with pytest.raises(InputError, match=r"secrets\.json: must hold .*FERNET_KEY"):
        home.secret_settings()


def test_the_openrouter_key_becomes_a_connection(home: Home, settings: Settings):
    env = _environment(home, settings, OPENROUTER_API_KEY="sk-or-1")
    assert json.loads(env["AIRFLOW_CONN_OPENROUTER_DEFAULT"]) == {
        "conn_type": "openai",
        "host": "https://openrouter.ai/api/v1",
        "password": "sk-or-1",
    }


@pytest.mark.parametrize("env", [{}, {"OPENROUTER_API_KEY": ""}])
def test_without_a_key_there_is_no_connection(home: Home, settings: Settings, env: dict[str, str]):
    assert not [name for name in _environment(home, settings, **env) if name.startswith("AIRFLOW_CONN_")]


def test_the_local_server_becomes_a_connection(home: Home, settings: Settings):
    env = _environment(home, settings, llm="http://127.0.0.1:9/v1")
    assert json.loads(env["AIRFLOW_CONN_LOCAL_LLM"])["host"] == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    "name",
    [
        "AIRFLOW__CORE__PARALLELISM",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW_CONN_OPENROUTER_DEFAULT",
        "AIRFLOW_CONN_LOCAL_LLM",
    ],
)
def test_what_is_set_already_wins(home: Home, settings: Settings, name: str):
    env = _environment(
        home, settings, llm="http://127.0.0.1:9/v1", **{"OPENROUTER_API_KEY": "sk", name: "given"}
    )
    assert env[name] == "given"


def test_all_listens_on_loopback_and_reads_our_folders(home: Home, settings: Settings):
    env = _environment(home, settings, PATH="/bin", AIRFLOW_HOME="/elsewhere")
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8123"
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8123/execution/"
    assert int(env["AIRFLOW__CORE__MAX_MAP_LENGTH"]) > 1024
    assert env["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert Path(env["AIRFLOW__CORE__DAGS_FOLDER"], "daydream_experiment.py").exists()
    assert env["AIRFLOW_HOME"] == str(home.path)
    assert env["DAYDREAMING_DATA_ROOT"] == str(settings.data_root)
    assert env["DAYDREAMING_INPUTS_ROOT"] == str(settings.inputs_root)
    assert env["PATH"] == "/bin"


def test_airflow_home_is_the_variables_else_in_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert Home.from_env().path == tmp_path
    monkeypatch.delenv("AIRFLOW_HOME")
    home = Home.from_env().path
    assert home.name == ".airflow"
    assert (home.parent / "dags").is_dir()
