"""The environment that Airflow's processes are started with: the embedded default on one machine.

An Airflow setting that is set already wins over ours. Secrets are made once, kept in the Airflow
home with mode 600, and handed over in the environment alone.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daydreaming.errors import InputError
from daydreaming.settings import Settings, project_root

USER = "admin"
DEFAULT_PORT = 8080
_SECRETS_FILE = "secrets.json"
_PASSWORDS_FILE = "simple_auth_manager_passwords.json"
_SECRETS = ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET")
_OPENROUTER_URL = "https://openrouter.ai/api/v1"


@dataclass(frozen=True)
class Home:
    """The Airflow home of this deployment."""

    path: Path

    @classmethod
    def from_env(cls) -> Home:
        """``AIRFLOW_HOME``, else ``.airflow`` in the project."""
        return cls(Path(os.environ.get("AIRFLOW_HOME") or project_root() / ".airflow").absolute())

    @property
    def services_file(self) -> Path:
        """Which processes run, and where the API is."""
        return self.path / "services.json"

    def password(self) -> str:
        """The admin's password; made where there is none."""
        file = self.path / _PASSWORDS_FILE
        if not file.exists():
            _write_private(file, json.dumps({USER: secrets.token_urlsafe(12)}))
        return _read_private(file, (USER,))[USER]

    def secret_settings(self) -> dict[str, str]:
        """Fernet key, API secret and JWT secret; made where there are none."""
        file = self.path / _SECRETS_FILE
        if not file.exists():
            made = (
                base64.urlsafe_b64encode(os.urandom(32)).decode(),
                secrets.token_urlsafe(32),
                secrets.token_urlsafe(48),
            )
            _write_private(file, json.dumps(dict(zip(_SECRETS, made, strict=True))))
        return _read_private(file, _SECRETS)

    def kept_secrets(self) -> dict[str, str]:
        """The same; empty where none were made."""
        return self.secret_settings() if (self.path / _SECRETS_FILE).exists() else {}


def program(name: str) -> str:
    """A program of this Python's environment, else one on the path."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or name


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _read_private(path: Path, keys: Sequence[str]) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: str(found[key]) for key in keys}
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: must hold a JSON object with {', '.join(keys)}. Delete it to have it made anew."
        ) from error


def airflow_environment(
    home: Home,
    settings: Settings,
    *,
    port: int,
    local_llm_url: str | None,
    env: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Everything that Airflow's processes need in their environment.

    Args:
        home: The Airflow home.
        settings: The deployment's settings.
        port: Port of the API server on 127.0.0.1.
        local_llm_url: Base URL of the local model server; None where none runs.
        env: What to build on; the process's own environment by default.
    """
    given = dict(os.environ if env is None else env)
    defaults = {
        **_airflow_settings(home),
        **home.secret_settings(),
        **_connections(given, local_llm_url),
    }
    url = f"http://127.0.0.1:{port}"
    fixed = {
        "AIRFLOW_HOME": str(home.path),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "DAYDREAMING_DATA_ROOT": str(settings.data_root),
        "DAYDREAMING_INPUTS_ROOT": str(settings.inputs_root),
        # Forked task processes use proxies and threads; macOS aborts them without this.
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
    }
    return {**defaults, **given, **fixed}


def _airflow_settings(home: Home) -> dict[str, str]:
    root = project_root()
    values = {
        "CORE__DAGS_FOLDER": root / "dags",
        "CORE__PLUGINS_FOLDER": root / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 16,
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": 1024,
        "CORE__MAX_MAP_LENGTH": 20000,
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home.path / _PASSWORDS_FILE,
        "API__HOST": "127.0.0.1",
        "API__WORKERS": 1,
        # Writers take turns. A service that is not let in for 5 s, which is the driver's default, ends.
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.path / 'airflow.db'}?timeout=60",
        "LOGGING__BASE_LOG_FOLDER": home.path / "logs",
        "DAG_PROCESSOR__REFRESH_INTERVAL": 30,
        # A run is a chain of small tasks: each waits this long for a scheduler that has nothing to do.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.25,
        # After a crash: tasks of a scheduler that died are looked for this often, and a task process that
        # says nothing for so long has died. With Airflow's 300 s each, a run stands still for so long.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 60,
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 120,
        "TRIGGERER__CAPACITY": 1000,
        # A stage's calls come at once; 50 per loop, which is Airflow's default, spread them over seconds.
        "TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": 250,
        # Airflow 3.3 often sees a task's sockets close just before its process ends, and then sleeps for
        # this long (5 s by default): the slot is held, and where the trigger is through by then, the
        # instance counts as lost. Deferred instances are hit most.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
        "USAGE_DATA_COLLECTION__ENABLED": False,
    }
    return {f"AIRFLOW__{name}": str(value) for name, value in values.items()}


def _connections(given: Mapping[str, str], local_llm_url: str | None) -> dict[str, str]:
    connections: dict[str, str] = {}
    if local_llm_url:
        connections["AIRFLOW_CONN_LOCAL_LLM"] = _openai_connection(local_llm_url, "not-needed")
    if given.get("OPENROUTER_API_KEY"):
        key = given["OPENROUTER_API_KEY"]
        connections["AIRFLOW_CONN_OPENROUTER_DEFAULT"] = _openai_connection(_OPENROUTER_URL, key)
    return connections


def _openai_connection(url: str, key: str) -> str:
    return json.dumps({"conn_type": "openai", "host": url, "password": key})
