"""After real runs, failed calls and a hostile provider, the keys are in Airflow's connections alone.

One key is in an environment variable (the simulator's, which other tests have used too), one in a connection
that is stored in Airflow's database. Their provider repeats the second wherever it can.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from daydreaming.cli.rest import DAG_ID
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.results import read_failures, read_responses
from tests.integration.airflow_deployment import RunningAirflow
from tests.integration.faulty_experiment import SECRET
from tests.support.echoing_provider import REPLIES, EchoingProvider, echoing_provider
from tests.support.message_sinks import MailSink, text_of
from tests.support.secret_search import holds, places_of
from tests.support.statsd_sink import StatsdSink

pytestmark = pytest.mark.integration

STORED_KEY = "sk-stored-7b1e9f42/c0+aa"
KEYS = (SECRET, STORED_KEY)
CONN_ID = "echo_llm"
WRITERS = [*REPLIES, "echo-essay"]
#: Where Airflow's own secrets lie by design, below its home: readable by their owner alone.
SECRETS_FILE, PASSWORDS_FILE = "secrets.json", "simple_auth_manager_passwords.json"
SMALL = {
    "experiment": "faulty",
    "k_max": 2,
    "concepts": ["ants", "bees"],
    "generation_templates": ["plain"],
}
HOSTILE = {
    **SMALL,
    "experiment_id": "hostile",
    "generation_models": [name.replace("-", "_") for name in WRITERS],
    "evaluation_models": ["echo_judge"],
}


@pytest.fixture(scope="module")
def provider(airflow: RunningAirflow) -> Iterator[EchoingProvider]:
    """Its models are in the table of models, and its key in a connection that Airflow keeps."""
    # Not at once: other tests take the latencies of this Airflow for the simulator's.
    with echoing_provider(latency_s=0.2) as provider:
        connection = {
            "connection_id": CONN_ID,
            "conn_type": "openai",
            "host": provider.base_url,
            "password": STORED_KEY,
        }
        airflow.client.request("POST", "/api/v2/connections", json=connection)
        with (airflow.settings.inputs_root / "01_raw/llm_models.csv").open("a") as models:
            for name in (*WRITERS, "echo-judge"):
                model_id = name.replace("-", "_")
                models.write(f"{model_id},{name},sim,{name},true,true,,{CONN_ID},llm_local,,,,0,0,,false\n")
        yield provider


@pytest.fixture(scope="module")
def hostile_run(airflow: RunningAirflow, provider: EchoingProvider) -> str:
    """A run whose calls all go to the hostile provider; most of them fail."""
    run_id = airflow.trigger(HOSTILE)
    assert airflow.wait(run_id) == "failed"
    assert set(provider.keys) == {STORED_KEY}
    return run_id


@pytest.fixture(scope="module")
def after_all(airflow: RunningAirflow, hostile_run: str) -> Path:
    """The folder of everything, once a run has used the other key too and a backup was made."""
    ended = airflow.wait(airflow.trigger({**SMALL, "experiment_id": "keyed", "generation_models": ["fast"]}))
    assert ended in ("success", "failed")  # the simulator may have its faults
    folder = airflow.home.path.parent
    assert told_by(airflow, "backup", str(folder / "backup.tar.gz"))
    return folder


def told_by(airflow: RunningAirflow, *arguments: str) -> str:
    """What the command prints, errors included."""
    command = [sys.executable, "-c", "from daydreaming.cli.main import main; main()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_failures_are_kept_without_the_key_that_the_provider_repeated(
    airflow: RunningAirflow, hostile_run: str
) -> None:
    failures = read_failures(engine_for(airflow.settings), "hostile")
    by_model = {failure["model"]: failure["message"] for failure in failures if failure["attempt"]}
    assert set(by_model) == {name.replace("-", "_") for name in REPLIES}
    assert all("***" in message for message in by_model.values())
    assert "Incorrect API key provided: ***. You sent Bearer ***." in by_model["echo_401"]
    errors = (airflow.settings.data_root / "07_reporting/hostile/errors.csv").read_text()
    assert all(message.split(": ")[0] in errors for message in by_model.values())


def test_answers_are_kept_without_the_key_and_their_records_say_so(
    airflow: RunningAirflow, hostile_run: str
) -> None:
    files, engine = DataRoot(airflow.settings.data_root), engine_for(airflow.settings)
    for stage, text in (("generation", "share a secret: ***, or"), ("evaluation", "tells Bearer ***.")):
        [cell] = [
            row[f"{stage}_task_id"]
            for row in read_responses(engine, stage)
            if "_echo_" in row[f"{stage}_task_id"]
        ]
        assert text in files.read_response(stage, cell)
        assert files.read_provenance(stage, cell)["is_redacted"] is True
    [score] = [
        row["score"] for row in read_responses(engine, "evaluation") if "echo" in row["evaluation_model"]
    ]
    assert score == 7.0


def test_the_log_of_the_call_says_that_the_key_was_repeated(
    airflow: RunningAirflow, hostile_run: str
) -> None:
    logs = airflow.home.path / "logs" / f"dag_id={DAG_ID}" / f"run_id={hostile_run}"
    text = "".join(path.read_text() for path in logs.rglob("*.log*"))
    assert f"The answer held a secret of connection {CONN_ID}" in text
    assert "Incorrect API key provided: ***" in text


@pytest.mark.parametrize("key", KEYS, ids=["in the environment", "in Airflow's database"])
def test_the_key_is_in_no_log_no_table_and_no_file(after_all: Path, key: str) -> None:
    searched = [path for path in after_all.rglob("*") if path.is_file()]
    assert {"airflow.db", "results.sqlite3", "errors.csv", "backup.tar.gz"} <= {p.name for p in searched}
    assert {".log", ".parquet"} <= {path.suffix for path in searched}
    assert len(searched) > 100
    assert places_of(key, after_all) == []


def test_the_search_finds_what_is_there(after_all: Path) -> None:
    kinds = ("airflow.db!", "results.sqlite3!failures.", "errors.csv", ".log", ".parquet!", ".gz!")
    places = places_of("combo_v1_", after_all)
    assert [kind for kind in kinds if not any(kind in place for place in places)] == []


def test_airflows_own_secrets_are_where_they_are_made_and_nowhere_else(
    airflow: RunningAirflow, after_all: Path
) -> None:
    home = airflow.home.path
    for name in (SECRETS_FILE, PASSWORDS_FILE):
        assert (home / name).stat().st_mode & 0o077 == 0
        for secret in json.loads((home / name).read_text()).values():
            assert places_of(secret, after_all) == [str((home / name).relative_to(after_all))]


@pytest.mark.parametrize("key", KEYS, ids=["in the environment", "in Airflow's database"])
def test_the_key_is_in_no_message_and_no_metric(
    after_all: Path, mail: MailSink, statsd: StatsdSink, key: str
) -> None:
    told = mail.wait_for("daydreaming: hostile failed")
    assert "Incorrect API key provided: ***" in text_of(told)
    assert not [m["Subject"] for m in mail.messages if holds(f"{m['Subject']} {text_of(m)}", key)]
    samples = statsd.samples("")
    assert any(sample.tags.get("connection") == CONN_ID for sample in samples)
    assert not holds(str(samples), key)


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "hostile", "--json"),
        ("cost", "hostile"),
        ("essays", "hostile"),
        ("verify", "hostile"),
        ("query", "--experiment", "hostile"),
        ("plan", "faulty", "--set", "experiment_id=hostile"),
    ],
    ids=" ".join,
)
def test_no_command_prints_the_key(airflow: RunningAirflow, after_all: Path, arguments) -> None:
    told = told_by(airflow, *arguments)
    assert told.strip()
    assert not [key for key in KEYS if holds(told, key)]


def test_neither_pages_nor_the_api_tell_the_key(
    airflow: RunningAirflow, hostile_run: str, after_all: Path
) -> None:
    run = f"/api/v2/dags/{DAG_ID}/dagRuns/{quote(hostile_run, safe='')}"
    paths = [
        "/daydreaming/",
        "/daydreaming/experiments/hostile",
        "/daydreaming/experiments/hostile/failures",
        "/daydreaming/experiments/hostile/essays",
        "/api/v2/connections",
        f"/api/v2/connections/{CONN_ID}",
        "/api/v2/eventLogs?limit=100",
        run,
        f"{run}/taskInstances?limit=100",
        *(
            f"{run}/taskInstances/generate/logs/1?map_index={index}&full_content=true"
            for index in range(len(WRITERS))
        ),
    ]
    for path in paths:
        answer = airflow.client.send("GET", path)
        assert answer.status_code == 200, path
        assert not [key for key in KEYS if holds(answer.content, key)], path
