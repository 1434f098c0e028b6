"""The compose file, its settings, the image and its lock say the same as each other and as the package."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import daydreaming
from daydreaming import settings
from daydreaming.cli.environment import Home, _airflow_settings

#: Of the embedded default: where things are on one machine, and what a team's size decides.
PLACE_OR_SIZE = {
    "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__CORE__EXECUTOR",
    "AIRFLOW__CORE__PARALLELISM",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    "AIRFLOW__API__HOST",
    "AIRFLOW__API__WORKERS",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
}
#: Run once or by hand: neither health check nor restart.
NOT_SERVICES = {"airflow-init", "cli"}
COMPOSE_FILES = (
    "docker-compose.yaml",
    "docker-compose.override.example.yaml",
    "deploy/caddy/docker-compose.yaml",
)
#: In the image, or in that of the local model.
SET_BY_THE_IMAGE = {"DAYDREAMING_INPUTS_ROOT", "DAYDREAMING_WEIGHTS_DIR"}
HOLDS_A_SECRET = re.compile(r"PASSWORD|SECRET|_KEY$|_CONN$|BROKER_URL$")


def text_of(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def variables(text: str) -> dict[str, str]:
    """Names that a compose file takes from ``.env``, with the default where there is one."""
    found = re.findall(r"\$\{([A-Z][A-Z0-9_]*)(?::([-?])([^}]*))?\}", text)
    return {name: default if kind == "-" else kind for name, kind, default in found}


def resolved(value: str) -> str:
    """A value as it is where ``.env`` says nothing."""
    return re.sub(r"\$\{[A-Z0-9_]+:-([^}]*)\}", r"\1", value)


@pytest.fixture(scope="module")
def environment(compose):
    return compose["x-airflow-env"]


@pytest.fixture(scope="module")
def example(root):
    return dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text_of(root, ".env.example"), re.MULTILINE))


def test_airflow_gets_the_settings_of_the_embedded_default(environment, tmp_path):
    ours = {name: value.lower() for name, value in _airflow_settings(Home(tmp_path)).items()}
    theirs = {name: resolved(str(value)).lower() for name, value in environment.items()}
    assert {n: theirs.get(n) for n in ours if n not in PLACE_OR_SIZE} == {
        n: v for n, v in ours.items() if n not in PLACE_OR_SIZE
    }


def test_every_setting_of_the_package_reaches_the_services(environment):
    read = set(re.findall(r"\bDAYDREAMING_[A-Z_]+", Path(settings.__file__).read_text(encoding="utf-8")))
    assert read - SET_BY_THE_IMAGE <= set(environment)


def test_every_setting_that_the_docs_list_is_taken_from_env(root, environment, example):
    table = (
        text_of(root, "docs/configuration.md").partition("## Environment variables")[2].partition("\nFor ")
    )
    listed = re.findall(r"`(DAYDREAMING_[A-Z_]+)`", "".join(re.findall(r"(?m)^\| (`.+?) \|", table[0])))
    assert len(listed) > 15
    wanted = set(listed) - SET_BY_THE_IMAGE
    assert wanted <= set(example)
    assert {n for n in wanted if not str(environment[n]).startswith(f"${{{n}:-")} == set()


def test_what_the_entry_point_makes_connections_of_reaches_the_services(script, environment):
    read = set(
        re.findall(r'env\.get\("([A-Z_]+)"\)', Path(script("start").__file__).read_text(encoding="utf-8"))
    )
    assert read == {"OPENROUTER_API_KEY", "LOCAL_LLM_URL", "LOCAL_LLM_API_KEY"}
    assert read <= set(environment)


def test_the_example_names_every_setting_with_the_default_of_the_compose_files(root, example):
    asked = variables("\n".join(text_of(root, name) for name in COMPOSE_FILES))
    # Without a default in the file, and no secret: none can be made up.
    asked["SITE_ADDRESS"] = ""
    assert set(example) == set(asked)
    assert {n: example[n] for n in asked if asked[n] != "?"} == {n: d for n, d in asked.items() if d != "?"}


def test_every_setting_of_the_example_is_explained(root):
    explained = False
    for line in text_of(root, ".env.example").splitlines():
        if line.startswith("#"):
            explained = "---" not in line or line.startswith("# --- The first admin")
        elif "=" in line:
            assert explained, line
        else:
            explained = False


def test_secrets_have_no_default_and_are_those_that_make_secrets_makes(root, example, script):
    needed = {
        name for name, default in variables(text_of(root, "docker-compose.yaml")).items() if default == "?"
    }
    assert needed == set(script("make_secrets").SECRETS)
    assert {example[name] for name in needed} == {""}


def test_every_password_in_the_compose_file_comes_from_the_environment(root):
    for line in text_of(root, "docker-compose.yaml").splitlines():
        name, colon, value = line.strip().partition(": ")
        if colon and not name.startswith("#") and HOLDS_A_SECRET.search(name):
            literal = re.sub(r"\$\{[^}]+\}", "", value)
            assert "${" in value, line
            assert not re.search(r"://[^@/]*:[^@/]+@", literal), line


def test_kubernetes_secrets_are_named_and_not_given(root):
    text = text_of(root, "deploy/helm/values.yaml")
    assert (
        re.findall(r"(?im)^\s*(?:password|pass|fernetKey|jwtSecret|apiSecretKey|connection)\s*:", text) == []
    )
    assert len(re.findall(r"SecretName: daydreaming-", text)) == 4


@pytest.mark.parametrize("part", ["healthcheck", "restart", "deploy", "logging"])
def test_every_service_is_watched_restarted_and_limited(root, compose, part):
    caddy = yaml.safe_load(text_of(root, "deploy/caddy/docker-compose.yaml"))["services"]["caddy"]
    every = compose["services"] | {"caddy": caddy}
    services = {name: service for name, service in every.items() if name not in NOT_SERVICES}
    assert [name for name, service in services.items() if part not in service] == []
    assert [n for n, s in services.items() if s["restart"] != "unless-stopped"] == []
    limits = [service["deploy"]["resources"]["limits"] for service in every.values()]
    assert all(set(limit) == {"cpus", "memory"} for limit in limits)


def test_only_the_api_server_has_a_port_and_on_loopback_unless_told_otherwise(compose):
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert set(ports) == {"airflow-apiserver"}
    assert [resolved(port) for port in ports["airflow-apiserver"]] == ["127.0.0.1:8080:8080"]


def test_no_service_of_ours_keeps_a_capability_or_gains_one(compose):
    ours = [s for s in compose["services"].values() if "daydreaming" in s["image"]]
    assert len(ours) >= 9
    assert all(service["cap_drop"] == ["ALL"] for service in ours)
    assert all(service["security_opt"] == ["no-new-privileges:true"] for service in ours)


def test_no_service_gains_rights(root, compose):
    caddy = yaml.safe_load(text_of(root, "deploy/caddy/docker-compose.yaml"))["services"]["caddy"]
    every = compose["services"] | {"caddy": caddy}
    assert [n for n, s in every.items() if s.get("security_opt") != ["no-new-privileges:true"]] == []


def test_an_extra_is_in_the_image_by_the_name_of_its_lock_and_agrees_with_it(root, example):
    text = text_of(root, ".env.example")
    named = set(re.findall(r"\b(\w+) \(docs/", text[text.index("# Extras that") : text.index("\nEXTRAS=")]))
    copied = set(
        re.findall(
            r"requirements-(\w+)\.lock", re.findall(r"(?m)^COPY .*s3.*$", text_of(root, "Dockerfile"))[0]
        )
    )
    assert named == copied
    image = locked(root, "requirements-deploy.lock")
    for name in named:
        extra = locked(root, f"requirements-{name}.lock")
        assert {n for n in extra if n in image and extra[n] != image[n]} == set(), name


def test_inputs_cannot_be_written_and_results_are_in_named_volumes(compose):
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source, _target, *mode = resolved(volume).split(":")
            assert source in compose["volumes"] or mode == ["ro"], (name, volume)


def test_the_superusers_password_reaches_no_service_but_postgres(compose):
    with_it = [n for n, s in compose["services"].items() if "POSTGRES_PASSWORD" in str(s.get("environment"))]
    assert with_it == ["postgres"]


def test_the_first_admins_password_reaches_only_what_needs_it(compose):
    with_it = {n for n, s in compose["services"].items() if "${ADMIN_PASSWORD" in str(s.get("environment"))}
    assert with_it == {"airflow-init", "cli"}


def test_the_small_machine_runs_neither_queue_nor_worker(root, compose):
    override = yaml.safe_load(text_of(root, "docker-compose.override.example.yaml"))["services"]
    assert set(override) <= set(compose["services"])
    off = {name for name, service in override.items() if service.get("profiles") == ["celery"]}
    assert off == {"redis", "airflow-worker"}
    kept = [s for n, s in compose["services"].items() if n not in off]
    assert not [s for s in kept if off & set(s.get("depends_on", {}))]
    airflow = {n for n in compose["services"] if n.startswith("airflow-")} - off - {"airflow-triggerer-2"}
    executors = {n: override[n]["environment"]["AIRFLOW__CORE__EXECUTOR"] for n in airflow}
    assert set(executors.values()) == {"LocalExecutor"}


def locked(root: Path, name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", text_of(root, name), re.MULTILINE))


def test_the_image_holds_the_airflow_of_the_lock(root):
    image = re.search(r"^FROM apache/airflow:(\S+)", text_of(root, "Dockerfile"), re.MULTILINE)
    assert image
    for lock in ("requirements.lock", "requirements-deploy.lock"):
        assert locked(root, lock)["apache-airflow"] == image[1]
    helm = yaml.safe_load(text_of(root, "deploy/helm/values.yaml"))
    assert helm["airflowVersion"] == image[1]


def test_the_images_lock_has_the_versions_that_the_tests_ran_with(root):
    tested, shipped = locked(root, "requirements.lock"), locked(root, "requirements-deploy.lock")
    assert set(tested) <= set(shipped)
    assert {name for name in tested if tested[name] != shipped[name]} == set()


def test_the_dockerfile_copies_what_the_build_context_holds(root):
    ignored = text_of(root, ".dockerignore").splitlines()
    assert "*" in ignored
    assert not [line for line in ignored if line.startswith("!.env")]
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    copied = re.findall(r"^COPY (?:--\S+ )?(.+) \S+$", text_of(root, "Dockerfile"), re.MULTILINE)
    for source in " ".join(copied).split():
        assert (root / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed), source


def test_an_installation_that_is_no_checkout_has_all_files_of_the_package(root):
    package = Path(daydreaming.__file__).parent
    patterns = tomllib.loads(text_of(root, "pyproject.toml"))["tool"]["setuptools"]["package-data"][
        "daydreaming"
    ]
    files = [p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file()]
    data = [name for name in files if not name.endswith((".py", ".pyc"))]
    assert [n for n in data if not any(fnmatch.fnmatch(n, pattern) for pattern in patterns)] == []


def test_git_ignores_the_secrets(root):
    ignored = subprocess.run(
        ["git", "check-ignore", ".env"], cwd=root, capture_output=True, text=True, check=False
    )
    assert ignored.stdout.strip() == ".env"


def test_kubernetes_gets_the_same_settings(root, environment):
    values = yaml.safe_load(text_of(root, "deploy/helm/values.yaml"))
    given = {
        f"AIRFLOW__{section}__{key}".upper(): value
        for section, keys in values["config"].items()
        for key, value in keys.items()
    }
    assert {name: value.lower() for name, value in given.items()} == {
        name: resolved(str(environment[name])).lower() for name in given
    }
    tuned = {
        n
        for n in environment
        if n.startswith(("AIRFLOW__SCHEDULER", "AIRFLOW__TRIGGERER", "AIRFLOW__WORKERS"))
    }
    assert tuned <= set(given)
